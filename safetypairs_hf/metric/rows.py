"""Rows to checked columns: the forms that rows may come in, and what each value may be.

`columns_of` takes the columns that the metric knows out of lists of dicts, dicts of columns, and tables of pandas,
Arrow or `datasets`; `to_array` turns one column into an Arrow array. `images_of` does both, and checks every value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import PairError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("pair_id", "reference", "prediction", "score", "category", "group", "control")
ABSTAINED = -1
OTHER = -2  # a verdict that is none
SHOWN = 5  # ids in an error
_ABSENT = object()


@dataclass(frozen=True)
class Images:
    """One row an image, every value checked by itself. A column that was not given is None.

    Attributes:
        pair_id: Arrow array of int64, uint64 or large_string, without nulls.
        reference: (n,) int8; 1 unsafe, 0 safe.
        prediction: (n,) int8; -1 is an abstention. This column or `score` is always there.
        score: (n,) float64; NaN is an abstention.
        category, group: Arrow arrays like `pair_id`.
    """

    pair_id: Any
    reference: NDArray[np.int8]
    prediction: NDArray[np.int8] | None
    score: NDArray[np.float64] | None
    category: Any
    group: Any


def images_of(rows: Any) -> Images:
    """Check rows in any form that `score` takes, one value at a time. Raises PairError for the first rule broken."""
    columns: Mapping[str, Any] = {name: to_array(name, values) for name, values in columns_of(rows).items()}
    ids = _keys("pair_id", columns["pair_id"])
    if ids is None or ids.null_count:
        empty = len(columns["pair_id"]) if ids is None else ids.null_count
        raise PairError(
            f"a pair_id that is None or NaN: {empty} of {len(columns['pair_id'])} rows; give each image one"
        )
    reference = _verdicts(columns["reference"])
    _refuse(ids, reference < 0, "a reference outside {0, 1}", "0 is safe, 1 unsafe")
    prediction = score = None
    if "prediction" in columns:
        prediction = _verdicts(columns["prediction"])
        advice = "give numbers, None for an abstention, or a score"
        _refuse(ids, prediction < ABSTAINED, "a prediction outside {0, 1, None}", advice)
    if "score" in columns:
        value, null, bad = _numbers(columns["score"])
        bad |= ~(null | ((value >= 0) & (value <= 1)))
        _refuse(ids, bad, "a score outside [0, 1] or NaN", "give P(unsafe), None for an abstention")
        score = value.astype(np.float64)
        score[null] = np.nan
    category, group = (_optional(name, columns, ids) for name in ("category", "group"))
    return Images(ids, reference, prediction, score, category, group)


def _refuse(ids: Any, bad: NDArray[np.bool_], rule: str, advice: str) -> None:
    if bad.any():
        raise PairError(broken(rule, ids, np.flatnonzero(bad), advice))


def broken(rule: str, ids: Any, rows: NDArray[np.int64], advice: str) -> str:
    """Return an error in one line: the rule, how many pairs the rows belong to, their first five ids, and advice.

    Args:
        rule: What is wrong.
        ids: (n,) Arrow array of pair ids.
        rows: Positions in `ids` of the rows that break the rule.
        advice: What to do about it.
    """
    import pyarrow as pa

    pairs = sorted(ids.take(pa.array(rows)).unique().to_pylist())
    first = ", ".join(repr(pair) for pair in pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")
    return f"{rule}: {len(pairs)} pair{'s' if len(pairs) > 1 else ''} ({first}); {advice}"


def _verdicts(values: Any) -> NDArray[np.int8]:
    """Return (n,) verdicts: 1 and 0 as they are, -1 for None, -2 for anything else."""
    value, null, bad = _numbers(values)
    with np.errstate(invalid="ignore"):
        verdicts = value.astype(np.int8)
    # Small integers survive the way there and back; what does not is no verdict.
    wrong = bad | (verdicts != value) | (verdicts.view(np.uint8) > 1)
    if null.any() or wrong.any():
        verdicts[wrong] = OTHER
        verdicts[null] = ABSTAINED
    return verdicts


def _numbers(values: Any) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (n,) values, 0.0 where there is none; (n,) which are None; and (n,) which are no numbers at all."""
    import pyarrow as pa

    n = len(values)
    if isinstance(values, list):
        wrong = [value is not None and not _is_number(value) for value in values]
        kept = [0.0 if value is None or bad else float(value) for value, bad in zip(values, wrong, strict=True)]
        return np.array(kept), np.array([value is None for value in values]), np.array(wrong)
    null = np.zeros(n, dtype=np.bool_)
    if values.null_count:
        null = values.is_null().to_numpy(zero_copy_only=False)
    kind = values.type
    if pa.types.is_null(kind):
        return np.zeros(n), null, np.zeros(n, dtype=np.bool_)
    if not (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return np.zeros(n), null, ~null
    if values.null_count:
        values = values.fill_null(False if pa.types.is_boolean(kind) else 0)
    array = values.cast(pa.float64()) if pa.types.is_decimal(kind) else values
    return array.to_numpy(zero_copy_only=False), null, np.zeros(n, dtype=np.bool_)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)


def _keys(name: str, values: Any) -> Any:
    """Return ids or names as Arrow int64, uint64 or large_string, or None where every one is None."""
    import pyarrow as pa

    if isinstance(values, list):
        values = _without_nan(name, values)
    kind = values.type
    if pa.types.is_null(kind):
        return None
    if pa.types.is_floating(kind):
        return _whole(name, values)
    if pa.types.is_integer(kind):
        return values if pa.types.is_uint64(kind) else values.cast(pa.int64())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    raise PairError(f"{name} holds {kind}; it should hold text or whole numbers, of one kind in all rows")


def _whole(name: str, values: Any) -> Any:
    """Return floats as whole numbers: pandas makes them floats where one is missing. NaN and null are None."""
    import pyarrow as pa

    array = values.to_numpy(zero_copy_only=False).astype(np.float64)
    missing = np.isnan(array)
    numbers = np.where(missing, 0.0, array)
    if not (numbers == np.floor(numbers)).all() or (np.abs(numbers) >= 2**53).any():
        raise PairError(f"{name} holds fractions or floats too large to be exact; it should hold text or whole numbers")
    return pa.array(numbers.astype(np.int64), mask=missing)


def _without_nan(name: str, values: list[Any]) -> Any:
    """Convert a list that Arrow refused as it was: NaN among text is a missing value, text among numbers a mistake."""
    import pyarrow as pa

    try:
        return pa.array([None if isinstance(value, float) and math.isnan(value) else value for value in values])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise PairError(
            f"{name} holds {kinds}; it should hold text or whole numbers below 2^63, of one kind in all rows"
        ) from None


def _optional(name: str, columns: Mapping[str, Any], ids: Any) -> Any:
    keys = _keys(name, columns[name]) if name in columns else None
    if keys is None or keys.null_count == len(keys):
        return None
    if keys.null_count:
        empty = keys.is_null().to_numpy(zero_copy_only=False)
        _refuse(
            ids, empty, f"a {name} that is None beside ones that are not", f"give each pair one, or no {name} at all"
        )
    return keys


def columns_of(rows: Any) -> dict[str, Any]:
    """Return the columns of `rows` that the metric knows, each as it came; others are not touched.

    Raises:
        PairError: `rows` has none of the forms that `score` takes, lacks a column, or has columns of unequal length.
    """
    if isinstance(rows, Mapping):
        columns = {name: rows[name] for name in KNOWN if name in rows and rows[name] is not None}
        given = list(rows)
    elif hasattr(rows, "iloc") and hasattr(rows, "columns"):
        columns, given = _pandas(rows), list(rows.columns)
    elif hasattr(rows, "with_format") and hasattr(rows, "select_columns") and hasattr(rows, "__len__"):
        columns, given = _dataset(rows), list(rows.column_names)
    elif hasattr(rows, "__arrow_c_stream__"):
        columns, given = _arrow(rows)
    elif isinstance(rows, Iterable):
        columns, given = columns_of_dicts(rows)
    else:
        raise PairError(f"rows of type {type(rows).__name__}: give a list of dicts, a dict of columns or a table")
    _check_names(columns, given)
    _check_lengths(columns)
    return columns


def _check_names(columns: Mapping[str, Any], given: list[Any]) -> None:
    missing = [name for name in ("pair_id", "reference") if name not in columns]
    if "prediction" not in columns and "score" not in columns:
        missing.append("prediction or score")
    if missing:
        held = ", ".join(str(name) for name in given[:12]) or "none"
        raise PairError(f"a column that is not there: {', '.join(missing)}; the columns given are: {held}")


def _check_lengths(columns: Mapping[str, Any]) -> None:
    try:
        lengths = {name: len(column) for name, column in columns.items()}
    except TypeError:
        raise PairError("a column that is not a list or an array; give one value a row in each column") from None
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise PairError(f"columns of unequal length: {told}; give one value a row in each")
    if not lengths["pair_id"]:
        raise PairError("no rows at all: there is nothing to score")


def _pandas(frame: Any) -> dict[str, Any]:
    columns = {name: frame[name] for name in KNOWN if name in frame.columns}
    for name, column in columns.items():
        if hasattr(column, "columns"):
            raise PairError(f"the column {name} is there more than once; keep one")
    return columns


def _dataset(data: Any) -> dict[str, Any]:
    """Read a `datasets.Dataset` as Arrow, without decoding any image. Class labels become their names."""
    names = [name for name in KNOWN if name in data.column_names]
    table = data.select_columns(names).with_format("arrow")[:]
    columns = {name: table.column(name) for name in names}
    for name in ("category", "group", "control"):
        labels = getattr(data.features.get(name), "names", None)
        if name in columns and labels:
            import pyarrow as pa

            columns[name] = pa.array(labels).take(columns[name])
    return columns


def _arrow(table: Any) -> tuple[dict[str, Any], list[str]]:
    import pyarrow as pa

    table = table if isinstance(table, pa.Table) else pa.table(table)
    twice = [name for name in KNOWN if table.column_names.count(name) > 1]
    if twice:
        raise PairError(f"the column {twice[0]} is there more than once; keep one")
    return {name: table.column(name) for name in KNOWN if name in table.column_names}, table.column_names


def columns_of_dicts(rows: Iterable[Any]) -> tuple[dict[str, Any], list[str]]:
    """Read an iterable of mappings once, and return its known columns and the keys of its first row.

    Only the known columns are kept, so rows may carry images.
    """
    columns: dict[str, list[Any]] = {name: [] for name in KNOWN}
    first: list[str] = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise PairError(
                f"row {number} is of type {type(row).__name__}: each row is a dict such as {{'pair_id': ...}}"
            )
        first = first or list(row)
        for name, column in columns.items():
            column.append(row.get(name, _ABSENT))
    n = len(columns["pair_id"])
    if not n:
        raise PairError("no rows at all: there is nothing to score")
    for name in KNOWN:
        absent = sum(value is _ABSENT for value in columns[name])
        if absent == n:
            del columns[name]
        elif absent:
            row_number = next(i for i, value in enumerate(columns[name]) if value is _ABSENT)
            raise PairError(
                f"a column that is not there: {name} is missing in {absent} of {n} rows, first in row {row_number}; "
                "write null where there is no value"
            )
    return columns, first


def to_array(name: str, values: Any) -> Any:
    """Convert a column to a plain Arrow array (no chunks, no dictionary), or a list where Arrow has no type for it.

    pandas holds a missing number as NaN, so NaN in a pandas column means None. Anywhere else NaN stays NaN.
    """
    import pyarrow as pa

    if not isinstance(values, pa.Array | pa.ChunkedArray):
        if hasattr(values, "iloc"):
            values = _try_arrow(
                values.astype(object).where(values.notna(), None).tolist() if values.dtype == object else values
            )
        elif hasattr(values, "__arrow_c_stream__"):
            values = pa.chunked_array(values)
        elif not isinstance(values, list):
            values = _from_sequence(name, values)
        if isinstance(values, list):
            values = _try_arrow(values)
    if isinstance(values, list):
        return values
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _from_sequence(name: str, values: Any) -> Any:
    """Convert a numpy array, a tensor or any sequence to Arrow where that is cheap, else to a list."""
    if not hasattr(values, "__array__"):
        return list(values)
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise PairError(f"the column {name} has shape {array.shape}: give one value a row")
    return _try_arrow(array) if array.dtype != object else array.tolist()


def _try_arrow(values: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return list(values)
