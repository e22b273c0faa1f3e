"""Turn rows of any supported form into checked columns.

`columns_of` takes the columns that the metric knows out of lists of dicts, dicts of columns, and tables of pandas,
polars, Arrow or `datasets`; `images_of` also checks every value. A table has one row an image, or one row a pair.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import PairError, counted, in_a_line, printable
from safetypairs_hf.metric.column_values import (
    ABSTAINED,
    all_null,
    codes_of,
    keys_of,
    named,
    names_in_schema,
    names_of,
    numpy_of,
    scores_of,
    shown,
    verdicts_of,
)
from safetypairs_hf.metric.column_values import to_array as to_array
from safetypairs_hf.metric.figures import Figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

OF_IMAGES = ("reference", "prediction", "score")
# For one row a pair: the columns of the unsafe and of the safe image, by the column of one row an image.
OF_PAIRS = {name: (f"unsafe_{name}", f"safe_{name}") for name in ("prediction", "score")}
KEYS = ("category", "group", "sample")
# No figure uses these columns: they have the control of a row, the hash of its image, and its policy.
KNOWN = ("pair_id", *OF_IMAGES, *KEYS, "control", "sha256", "policy", *OF_PAIRS["prediction"], *OF_PAIRS["score"])
SHOWN = 5  # ids in an error
SHOWN_VALUES = 3
LONGEST_LABEL = 40  # a longer text is not a label
# Other usual names of the columns. Misspelt names are found by similarity.
OTHER_NAMES = {
    "pair_id": ("pair", "pairs", "id", "ids"),
    "reference": ("label", "labels", "target", "targets", "ground_truth", "truth", "gold", "y_true", "is_unsafe"),
    "prediction": ("pred", "preds", "verdict", "verdicts", "answer", "output", "y_pred"),
    "score": ("p_unsafe", "prob", "probability", "unsafe_probability", "y_score", "y_prob"),
}
RENAME = {
    "pair_id": "if the two images of a pair share it",
    "reference": "if 1 (or 'unsafe') in it means unsafe and 0 (or 'safe') safe",
    "prediction": "if 1 (or 'unsafe') in it means unsafe and 0 (or 'safe') safe",
    "score": "if it is P(unsafe)",
}
_ALL_ABSTAINED = {
    "prediction": " (where all answers are abstentions, write 'abstained')",
    "score": " (where all answers are abstentions, give prediction, with 'abstained' in each row)",
}
_ABSENT = object()


@dataclass(frozen=True)
class Images:
    """One row for each image, with every value checked. A column that was not given is None.

    Attributes:
        pair_id: Arrow array of int64, uint64, string or large_string, without nulls.
        reference: (n,) int8; 1 unsafe, 0 safe.
        prediction: (n,) int8; -1 is an abstention. Either this column or `score` is always present.
        score: (n,) float64; NaN is an abstention.
        category, group, sample: Arrow arrays like `pair_id`.
        policy: Like these, but may hold nulls: the policy by which the image was judged.
    """

    pair_id: Any
    reference: NDArray[np.int8]
    prediction: NDArray[np.int8] | None
    score: NDArray[np.float64] | None
    category: Any
    group: Any
    sample: Any = None
    policy: Any = None

    @property
    def of_policies(self) -> bool:
        """Whether these are policy pairs: the two rows of a pair name different policies."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.policy is None:
            return False
        rows = pa.table({"pair_id": self.pair_id, "policy": self.policy})
        counts = rows.group_by("pair_id").aggregate([("policy", "count_distinct")])
        return bool(pc.any(pc.greater(counts["policy_count_distinct"], 1)).as_py())


def images_of(rows: Any, labels: Mapping[Any, Any] | None = None, *, part: bool = False) -> Images:
    """Check the values of rows in any form that `score` takes.

    Args:
        rows: One row an image, or one row a pair.
        labels: The meaning of labels other than unsafe, safe, true, false, 1 and 0 in references and predictions, such
            as {"yes": "unsafe", "no": "safe"}; a label can also mean "abstained".
        part: Whether these are only some of the rows. A column that is None in all of them is then a column of
            abstentions; in a whole table it would count as absent.

    Raises:
        PairError: The rows break a rule.
    """
    codes = codes_of(labels)
    columns = columns_of(rows, part=part)
    ids = _pair_ids(columns["pair_id"])
    keys = {name: _optional(name, columns, ids) for name in KEYS}
    keys["policy"] = keys_of("policy", columns["policy"]) if "policy" in columns else None
    found: dict[str, Any] = {}
    if "reference" in columns:
        found["reference"] = _reference(columns["reference"], ids, codes)
    for name, sides in OF_PAIRS.items():
        read = _prediction if name == "prediction" else _score
        if sides[0] in columns:
            found[name] = np.concatenate([read(side, columns[side], ids, codes) for side in sides])
        else:
            found[name] = read(name, columns[name], ids, codes) if name in columns else None
    if "reference" in found:
        return Images(ids, **found, **keys)
    found["reference"] = np.repeat(np.array([1, 0], dtype=np.int8), len(ids))
    return Images(_twice(ids), **found, **{name: _twice(values) for name, values in keys.items()})


def _twice(values: Any) -> Any:
    import pyarrow as pa

    return None if values is None else pa.concat_arrays([values, values])


def _pair_ids(values: Any) -> Any:
    ids = keys_of("pair_id", values)
    if ids is None or ids.null_count:
        empty = np.arange(len(values)) if ids is None else np.flatnonzero(numpy_of(ids.is_null()))
        raise PairError(
            f"a pair_id that is None or NaN: {len(empty)} of {counted(len(values), 'row')}, first row {empty[0]}; "
            "give each image one"
        )
    return ids


def _reference(values: Any, ids: Any, codes: Mapping[str, int]) -> NDArray[np.int8]:
    reference = verdicts_of(values, codes)
    advice = "give 1 for unsafe and 0 for safe, or 'unsafe' and 'safe'"
    _refuse(ids, reference < 0, "a reference outside {0, 1}", advice, values)
    return reference


def _prediction(name: str, values: Any, ids: Any, codes: Mapping[str, int]) -> NDArray[np.int8]:
    prediction = verdicts_of(values, codes)
    advice = "give 1 or 'unsafe', 0 or 'safe', None for an abstention, or a score"
    _refuse(ids, prediction < ABSTAINED, f"a {name} outside {{0, 1, None}}", advice, values)
    return prediction


def _score(name: str, values: Any, ids: Any, codes: Mapping[str, int]) -> NDArray[np.float64]:
    score, bad = scores_of(values)
    advice = "give P(unsafe), None for an abstention"
    _refuse(ids, bad, f"{'an' if name[0] == 'u' else 'a'} {name} outside [0, 1] or NaN", advice, values)
    return score


def _optional(name: str, columns: Mapping[str, Any], ids: Any) -> Any:
    keys = keys_of(name, columns[name]) if name in columns else None
    if keys is None or keys.null_count == len(keys):
        return None
    if keys.null_count:
        empty = numpy_of(keys.is_null())
        advice = f"give each pair one, or no {name} at all"
        _refuse(ids, empty, f"a {name} that is None in some rows only", advice, columns[name])
    return keys


def _refuse(ids: Any, bad: NDArray[np.bool_], rule: str, advice: str, values: Any) -> None:
    if bad.any():
        at = np.flatnonzero(bad)
        first = _first_values(values, at)
        words = [value for _, value in first if isinstance(value, str)]
        if words and "'unsafe'" in advice:
            advice += _advice_on(words[0])
        raise PairError(broken(rule, ids, at, advice, held=f", {_told(first, len(at), len(ids))}"))


def _first_values(values: Any, at: NDArray[np.int64]) -> list[tuple[int, Any]]:
    """Return the first row of each distinct value at some rows, and the value; one more than are shown."""
    found: dict[str, tuple[int, Any]] = {}
    for row in at.tolist():
        value = values[row] if isinstance(values, list) else values[row].as_py()
        found.setdefault(shown(value), (row, value))
        if len(found) > SHOWN_VALUES:
            break
    return list(found.values())


def _told(first: list[tuple[int, Any]], rows: int, n: int) -> str:
    told = ", ".join(f"{shown(value)} in row {row}" for row, value in first[:SHOWN_VALUES])
    more = ", ..." if len(first) > SHOWN_VALUES else ""
    return f"{counted(rows, 'row')} of 0 to {n - 1}: {told}{more}"


def _advice_on(word: str) -> str:
    """Return how to give a word a meaning, without guessing which."""
    import shlex

    if not word.isprintable() or len(word) > LONGEST_LABEL:
        return ""
    settings = " or ".join(f"--label {shlex.quote(f'{word}={meaning}')}" for meaning in ("unsafe", "safe"))
    return f"; other words by what they mean: labels={{{word!r}: 'unsafe'}} or {{{word!r}: 'safe'}} ({settings})"


def broken(rule: str, ids: Any, rows: NDArray[np.int64], advice: str, *, held: str = "") -> str:
    """Return an error in one line: the rule, the number of pairs that break it, their first five ids, and advice.

    Args:
        rule: What is wrong.
        ids: (n,) Arrow array of pair ids.
        rows: Positions in `ids` of the rows that break the rule.
        advice: What to do about it.
        held: The number of rows and their values.
    """
    import pyarrow as pa

    pairs = sorted(ids.take(pa.array(rows)).unique().to_pylist())
    first = ", ".join(shown(pair) for pair in pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")
    return f"{rule}: {counted(len(pairs), 'pair')} ({first}){held}; {advice}"


def abstentions_written(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return a guard's answers with None written as abstentions if the columns hold no other answer.

    Otherwise two columns of None would count as absent, which is right for rows of unknown origin.

    Args:
        columns: Lists, Arrow arrays or None by name, one row an image.
    """
    deciding = [name for name in ("prediction", "score") if name in columns]
    answered = (columns[name] is not None and not all_null(to_array(name, columns[name])) for name in deciding)
    if not deciding or any(answered):
        return dict(columns)
    return {**columns, "score": None, "prediction": ["abstained"] * len(columns["pair_id"])}


def columns_of(rows: Any, *, part: bool = False) -> dict[str, Any]:
    """Return the columns of `rows` that the metric knows, each as `to_array` returns it; others are not touched.

    Args:
        rows: In any form that `score` takes.
        part: As in `images_of`.

    Raises:
        PairError: `rows` has none of the forms that `score` takes, lacks a column, or has columns of unequal length. A
            column of only None counts as absent.
    """
    given, names = _taken(rows)
    columns = {name: to_array(name, values) for name, values in given.items() if values is not None}
    if not part:
        columns = _without_nulls(columns)
    _check_names(columns, names)
    _check_lengths(columns)
    return columns


def _without_nulls(columns: dict[str, Any]) -> dict[str, Any]:
    null = {name for name, values in columns.items() if name != "pair_id" and all_null(values)}
    for sides in OF_PAIRS.values():
        if not null.issuperset(sides):
            null -= set(sides)
    return {name: values for name, values in columns.items() if name not in null}


def _check_names(columns: Mapping[str, Any], given: list[Any]) -> None:
    wide = [side for sides in OF_PAIRS.values() for side in sides if side in columns]
    long = [name for name in OF_IMAGES if name in columns]
    if wide and long:
        raise PairError(
            f"columns of one row a pair ({', '.join(wide)}) and columns of one row an image ({', '.join(long)}); "
            "keep one of the two kinds"
        )
    missing = [name for name in ("pair_id", *(() if wide else ("reference",))) if name not in columns]
    for sides in OF_PAIRS.values():
        missing += [side for side in sides if wide and set(sides) & set(wide) and side not in columns]
    if not wide and "prediction" not in columns and "score" not in columns:
        missing.append("prediction or score")
    if missing:
        held = printable(", ".join(str(name) for name in given[:12])) or "none"
        raise PairError(
            f"a column that is not there: {', '.join(missing)}; the columns given are: {held}"
            + "".join(_near_misses(missing, given, columns))
        )


def _near_misses(missing: list[str], given: list[Any], columns: Mapping[str, Any]) -> Iterator[str]:
    """Yield for each missing column that it exists but is empty, or which other column is likely meant."""
    spare = {_normal(name): name for name in given if name not in KNOWN}
    for name in (part for each in missing for part in each.split(" or ")):
        if name in given:
            yield f"; {name} is there, but None in every row, which counts as absent{_ALL_ABSTAINED.get(name, '')}"
            continue
        other = next((spare[each] for each in map(_normal, OTHER_NAMES.get(name, ())) if each in spare), None)
        near = difflib.get_close_matches(_normal(name), list(spare), 1, 0.75)
        likely = spare[near[0]] if near else other
        if likely is not None:
            yield f"; rename {printable(likely)} to {name} {RENAME.get(name, 'if that is meant')}"


def _normal(name: Any) -> str:
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())


def _check_lengths(columns: Mapping[str, Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise PairError(f"columns of unequal length: {told}; give one value a row in each")
    if not lengths["pair_id"]:
        raise PairError("no rows at all: there is nothing to score")


def _taken(rows: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return the known columns of `rows`, unchanged, and the names of all columns."""
    if isinstance(rows, Figures):
        raise PairError(
            f"rows of type {type(rows).__name__}: a score holds no answers; give evaluate a file name, and use the "
            "file: sp.evaluate(guard, data, 'a.parquet'), then sp.compare('a.parquet', 'b.parquet')"
        )
    try:
        if isinstance(rows, Mapping):
            return known_of_mapping(rows)
        if hasattr(rows, "iloc") and hasattr(rows, "columns"):
            return _of_pandas(rows)
        if hasattr(rows, "with_format") and hasattr(rows, "select_columns") and hasattr(rows, "__len__"):
            return _of_dataset(rows)
        if hasattr(rows, "collect") and hasattr(rows, "collect_schema"):  # a lazy frame of polars
            rows = rows.collect()
        if hasattr(rows, "get_column") and hasattr(rows, "columns"):  # polars
            return {name: rows.get_column(name) for name in KNOWN if name in rows.columns}, list(rows.columns)
        if getattr(getattr(rows, "dtype", None), "names", None):  # a structured array of numpy
            return {name: rows[name] for name in KNOWN if name in rows.dtype.names}, list(rows.dtype.names)
        if hasattr(rows, "to_table"):  # a `pyarrow.dataset.Dataset`
            rows = rows.to_table(columns=[name for name in rows.schema.names if name in KNOWN] or None)
        if hasattr(rows, "__arrow_c_stream__") and not hasattr(rows, "iloc"):
            return _of_arrow(rows)
    except PairError:
        raise
    except Exception as error:
        raise PairError(
            f"rows of type {type(rows).__name__} cannot be read ({in_a_line(error)}); give a dict of columns"
        ) from None
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes) and not hasattr(rows, "iloc"):
        columns, names = columns_of_dicts(rows)
        features = getattr(rows, "features", None)  # an IterableDataset yields the numbers of a ClassLabel
        return {name: named(name, values, names_of(features, name)) for name, values in columns.items()}, names
    raise PairError(f"rows of type {type(rows).__name__}: give a list of dicts, a dict of columns, a table or a file")


def known_of_mapping(rows: Mapping[Any, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the known columns of a dict of columns, or of a dict with one table, and the names of all columns.

    Raises:
        PairError: It is a dict of several tables, or of columns with different keys.
    """
    tables = [name for name, each in rows.items() if hasattr(each, "column_names") or hasattr(each, "columns")]
    if tables and len(tables) == len(rows):  # a DatasetDict
        if len(tables) > 1:
            raise PairError(
                f"a dict of {len(tables)} tables ({', '.join(map(str, tables))}); give one of them, such as "
                f"rows[{tables[0]!r}]"
            )
        return _taken(rows[tables[0]])
    columns = {name: rows[name] for name in KNOWN if name in rows and rows[name] is not None}
    if columns and all(isinstance(column, Mapping) for column in columns.values()):  # from DataFrame.to_dict
        first = next(iter(columns.values()))
        if any(column.keys() != first.keys() for column in columns.values()):
            raise PairError("columns that are dicts with different keys; give one value a row in each")
        columns = {name: [column[key] for key in first] for name, column in columns.items()}
    return columns, list(rows)


def _of_pandas(frame: Any) -> tuple[dict[str, Any], list[Any]]:
    columns = {name: frame[name] for name in KNOWN if name in frame.columns}
    for name, column in columns.items():
        if hasattr(column, "columns"):
            raise PairError(f"the column {name} occurs more than once; keep one")
    for name in frame.index.names:
        if name in KNOWN and name not in columns:
            columns[name] = frame.index.get_level_values(name)
    return columns, [*frame.columns, *(name for name in frame.index.names if name is not None)]


def _of_dataset(data: Any) -> tuple[dict[str, Any], list[Any]]:
    """Read a `datasets.Dataset` as Arrow, without decoding any image. Class labels become their names."""
    names = [name for name in KNOWN if name in data.column_names]
    table = data.select_columns(names).with_format("arrow")[:]
    columns = {name: named(name, table.column(name), names_of(data.features, name)) for name in names}
    return columns, list(data.column_names)


def _of_arrow(table: Any) -> tuple[dict[str, Any], list[Any]]:
    import pyarrow as pa

    table = table if isinstance(table, pa.Table) else pa.table(table)
    return known_of_table(table), table.column_names


def known_of_table(table: Any) -> dict[str, Any]:
    """Return the known columns of an Arrow table; class labels, which `datasets` records in its schema, as their names.

    Raises:
        PairError: A known column occurs more than once.
    """
    held = table.column_names
    twice = [name for name in KNOWN if held.count(name) > 1]
    if twice:
        raise PairError(f"the column {twice[0]} occurs more than once; keep one")
    labels = names_in_schema(table.schema)
    return {name: named(name, table.column(name), labels.get(name)) for name in KNOWN if name in held}


def columns_of_dicts(rows: Iterable[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Read an iterable of mappings once, and return its known columns and the keys of its first row.

    Only the known columns are kept, so rows may contain images.

    Raises:
        PairError: There is no row, a row is not a mapping, or a column is missing in some rows.
    """
    columns: dict[str, list[Any]] = {}
    keys: set[Any] = set()
    first: list[Any] = []
    alike, n = True, 0
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            row = _as_mapping(row, number)
        if row.keys() != keys:
            first, alike, keys = first or list(row), number == 0, set(row)
            columns |= {name: [_ABSENT] * number for name in KNOWN if name in row and name not in columns}
        for name, column in columns.items():
            column.append(row.get(name, _ABSENT))
        n = number + 1
    if not n:
        raise PairError("no rows at all: there is nothing to score")
    for name, column in () if alike else columns.items():
        absent = [row for row, value in enumerate(column) if value is _ABSENT]
        if absent:
            raise PairError(
                f"a column that is not there: {name} is missing in {len(absent)} of {counted(n, 'row')}, first in "
                f"row {absent[0]}; write null where there is no value"
            )
    return columns, first


def _as_mapping(row: Any, number: int) -> Mapping[str, Any]:
    if hasattr(row, "_asdict"):  # a namedtuple
        named_values: Mapping[str, Any] = row._asdict()
        return named_values
    if is_dataclass(row) and not isinstance(row, type):
        return vars(row)
    hint = "; for a file give its path, not its lines or the open file" if isinstance(row, str | bytes) else ""
    raise PairError(
        f"row {number} is of type {type(row).__name__}: each row is a dict such as {{'pair_id': ...}}{hint}"
    )
