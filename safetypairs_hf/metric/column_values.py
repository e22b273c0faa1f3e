"""Convert one column of predictions from any container to a plain Arrow array, and read its values.

A container keeps its meaning: masked numpy values are None, categoricals and dictionaries are their texts, class labels
are their names, and a tensor of any dtype on any device is its values. Labels are never guessed: 1 is unsafe by
definition, and other words must be named. Invalid values are marked, not dropped.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import PairError, counted, cut, in_a_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # (n,) values, arbitrary for None and invalid ones; (n,) which are None; (n,) which are invalid.
    Read = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]

ABSTAINED = -1
OTHER = -2  # an invalid value
MEANINGS: dict[str, int] = {"unsafe": 1, "safe": 0, "abstained": ABSTAINED}
_WORDS = {**MEANINGS, "true": 1, "false": 0}


def parse_labels(settings: Iterable[str]) -> dict[str, str]:
    """Parse `--label TEXT=MEANING` settings into the dict that `labels` takes.

    Args:
        settings: Texts such as "yes=unsafe". The last "=" separates, so that a label may hold one.

    Returns:
        Each label's meaning: "unsafe", "safe" or "abstained".

    Raises:
        PairError: A setting has no "=" or no label, another meaning, or contradicts an earlier one.
    """
    found: dict[str, str] = {}
    for setting in settings:
        label, equals, meaning = setting.rpartition("=")
        if not equals or not label.strip():
            raise PairError(f"--label {setting}: expected TEXT=unsafe, TEXT=safe or TEXT=abstained")
        if _folded(meaning) not in MEANINGS:
            raise PairError(f"--label {setting}: {meaning.strip()!r} is none of unsafe, safe and abstained")
        if found.setdefault(_folded(label), _folded(meaning)) != _folded(meaning):
            raise PairError(f"--label {setting}: {label.strip()!r} was said to mean {found[_folded(label)]} before")
    return found


def codes_of(labels: Mapping[Any, Any] | None) -> dict[str, int]:
    """Return the verdict that each label means, by the label in lower case without surrounding blanks.

    Args:
        labels: Labels (text, numbers or booleans) and what each means: "unsafe" or 1, "safe" or 0, "abstained" or None.

    Raises:
        PairError: A meaning is none of these, or two spellings of one label contradict each other.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise PairError(f"labels={labels!r}: give a dict such as {{'yes': 'unsafe', 'no': 'safe'}}")
    found: dict[str, int] = {}
    for label, meaning in labels.items():
        code = _meaning(meaning)
        if code is None:
            raise PairError(f"labels: {label!r} is said to mean {meaning!r}; it means 'unsafe', 'safe' or 'abstained'")
        if found.setdefault(_folded(label), code) != code:
            raise PairError(f"labels: {label!r} is said to mean two things; give each label once, in any case")
    return found


def speaks_of_numbers(codes: Mapping[str, int]) -> bool:
    """Return whether one of the labels is a number or a boolean, so that numbers lose their default meaning."""
    return any(label in ("true", "false") or number_of_text(label) is not None for label in codes)


def verdict_of_text(text: str, codes: Mapping[str, int]) -> float | None:
    """Return the meaning of a text: 1 or 0, None for an empty text or an abstention, NaN if it is no verdict.

    Args:
        text: In any case, with or without surrounding blanks.
        codes: The result of `codes_of`; it takes precedence over the words that are known by default.
    """
    word = _folded(text)
    if not word and word not in codes:
        return None
    number = number_of_text(word)
    code = codes.get(word, _WORDS.get(word))
    if code is None and number is not None:
        of_number = {number_of_text(label): code for label, code in codes.items()}
        code = of_number.get(number, int(number) if number in (0, 1) else None)
    if code is None:
        return math.nan
    return None if code == ABSTAINED else code


def number_of_text(text: str) -> float | None:
    """Return the number that a text holds, or None."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _meaning(meaning: Any) -> int | None:
    if meaning is None:
        return ABSTAINED
    if isinstance(meaning, str):
        return MEANINGS.get(_folded(meaning))
    return int(meaning) if isinstance(meaning, bool | int) and meaning in (0, 1) else None


def _folded(label: Any) -> str:
    return str(label).strip().casefold()


def verdicts_of(values: Any, codes: Mapping[str, int]) -> NDArray[np.int8]:
    """Return (n,) verdicts: 1 and 0 unchanged, ABSTAINED for None, OTHER for anything else.

    Args:
        values: A column as `to_array` returns it.
        codes: The user's labels, as `codes_of` returns them.
    """
    if speaks_of_numbers(codes):
        values = _as_texts(values)
    value, null, bad = _numbers(values, lambda text: verdict_of_text(text, codes))
    unsafe: NDArray[np.bool_] = value == 1
    safe = value == 0
    verdicts: NDArray[np.int8] = unsafe.view(np.int8)
    if np.count_nonzero(unsafe) + np.count_nonzero(safe) < len(value) or null.any() or bad.any():
        verdicts[bad | ~(unsafe | safe)] = OTHER
        verdicts[null] = ABSTAINED
    return verdicts


def scores_of(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (n,) scores, NaN for None, and (n,) whether each is outside [0, 1]."""
    value, null, bad = _numbers(values, _score_of_text)
    if not 0 <= value.min(initial=0) <= value.max(initial=0) <= 1:  # one of them may be NaN
        bad |= ~(null | ((value >= 0) & (value <= 1)))
    hidden = bool(null.any())
    score = value.astype(np.float64, copy=hidden)
    if hidden:
        score[null] = np.nan
    return score, bad


def keys_of(name: str, values: Any) -> Any:
    """Return ids or names as Arrow int64, uint64, string or large_string, or None if all are None.

    Raises:
        PairError: They are neither text nor whole numbers, or of several kinds.
    """
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
    if is_text(values):
        # Two columns of this size still have 32-bit offsets when they are joined.
        return values if values.nbytes < 2**30 else values.cast(pa.large_string())
    raise PairError(f"{name} holds {kind}; it should hold text or whole numbers, of one kind in all rows")


def is_text(values: Any) -> bool:
    """Return whether a column is an Arrow array of text."""
    import pyarrow as pa

    return not isinstance(values, list) and (pa.types.is_string(values.type) or pa.types.is_large_string(values.type))


def numpy_of(values: Any) -> NDArray[Any]:
    """Return an Arrow array of numbers or booleans, without nulls, as (n,) numpy values.

    `to_numpy` would import pandas, which takes longer than all figures of a few thousand images.
    """
    import pyarrow as pa

    if pa.types.is_boolean(values.type):
        return np.from_dlpack(values.cast(pa.uint8())).view(np.bool_)
    return np.from_dlpack(values)


def all_null(values: Any) -> bool:
    """Return whether a column has rows and all of them are None."""
    if isinstance(values, list):
        return bool(values) and all(value is None for value in values)
    return len(values) > 0 and values.null_count == len(values)


def _score_of_text(text: str) -> float | None:
    if not text.strip():
        return None
    number = number_of_text(text)
    return math.nan if number is None else number


def _as_texts(values: Any) -> Any:
    """Return numbers and booleans as texts, for labels that are numbers; anything else unchanged."""
    import pyarrow as pa

    if isinstance(values, list):
        return [str(value) if _is_number(value) else value for value in values]
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return values.cast(pa.string())
    return values


def _numbers(values: Any, of_text: Callable[[str], float | None]) -> Read:
    """Read numbers; `of_text` converts a text to a number, None if it is empty, and NaN if it is invalid."""
    import pyarrow as pa

    if isinstance(values, list):
        return _of_list(values, of_text)
    if is_text(values):
        return _of_texts(values, of_text)
    n = len(values)
    null = np.zeros(n, dtype=np.bool_)
    if values.null_count:
        null = numpy_of(values.is_null())
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
    return numpy_of(array), null, np.zeros(n, dtype=np.bool_)


def _of_list(values: list[Any], of_text: Callable[[str], float | None]) -> Read:
    null, bad = np.zeros(len(values), dtype=np.bool_), np.zeros(len(values), dtype=np.bool_)
    found = np.zeros(len(values))
    for row, value in enumerate(values):
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if _is_number(value):
            # A whole number that is too large for a float is as invalid as infinity.
            found[row] = float(value) if abs(value) < 1e300 or value != value else math.inf
            continue
        number = of_text(value) if isinstance(value, str) else None if value is None else math.nan
        null[row], bad[row] = number is None, number is not None and math.isnan(number)
        found[row] = 0.0 if number is None or math.isnan(number) else number
    return found, null, bad


def _of_texts(values: Any, of_text: Callable[[str], float | None]) -> Read:
    """Read an Arrow array of text, converting each distinct text once."""
    encoded = values.dictionary_encode()
    told = [of_text(text) for text in encoded.dictionary.to_pylist()]
    # The last entry is for null.
    number = np.array([0.0 if each is None else each for each in told] + [0.0])
    empty = np.array([each is None for each in told] + [True])
    at = numpy_of(encoded.indices.fill_null(len(told)))
    wrong = np.isnan(number)
    return np.where(wrong, 0.0, number)[at], empty[at], wrong[at]


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating | Decimal)


def _whole(name: str, values: Any) -> Any:
    """Return floats as whole numbers, because pandas converts a column with missing values. NaN and null are None."""
    import pyarrow as pa

    array = numpy_of(values.cast(pa.float64()).fill_null(math.nan))
    missing = np.isnan(array)
    numbers = np.where(missing, 0.0, array)
    wrong = np.flatnonzero((numbers != np.floor(numbers)) | (np.abs(numbers) >= 2**53))
    if len(wrong):
        raise PairError(
            f"{name} holds fractions or floats too large to be exact: {counted(len(wrong), 'row')}, "
            f"{float(array[wrong[0]])!r} in row {wrong[0]} of 0 to {len(array) - 1}; it should hold text or whole "
            "numbers"
        )
    return pa.array(numbers.astype(np.int64), mask=missing)


def _without_nan(name: str, values: list[Any]) -> Any:
    """Convert a list that Arrow refused: NaN among texts is a missing value, text among numbers is an error."""
    import pyarrow as pa

    try:
        return pa.array([None if isinstance(value, float) and math.isnan(value) else value for value in values])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        kinds = [type(value).__name__ for value in values]
        other = next((row for row, kind in enumerate(kinds) if kind != kinds[0]), 0)
        raise PairError(
            f"{name} holds {', '.join(sorted(set(kinds)))}, such as {shown(values[other])} in row {other} of 0 to "
            f"{len(values) - 1}; it should hold text or whole numbers below 2^63, of one kind in all rows"
        ) from None


def shown(value: Any) -> str:
    """Return the repr of a value, on one line of at most 60 characters."""
    return cut(" ".join(repr(value).split()))


def to_array(name: str, values: Any) -> Any:
    """Convert a column to a plain Arrow array (no chunks, no dictionary), or a list if Arrow has no type for it.

    pandas represents a missing number as NaN, so NaN in a pandas column means None. Anywhere else NaN stays NaN.

    Raises:
        PairError: The column is not a list or array of one value a row, or its library cannot export it.
    """
    try:
        return _to_array(name, values)
    except PairError:
        raise
    except Exception as error:
        kind = type(values).__name__
        raise PairError(
            f"the column {name}, of type {kind}, cannot be read ({in_a_line(error)}); give it as a list"
        ) from None


def _to_array(name: str, values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, pa.Array | pa.ChunkedArray):
        return plain(values)
    if not isinstance(values, list):
        values = _of_container(name, values)
    if isinstance(values, list):
        values = try_arrow(values)
    return values if isinstance(values, list) else plain(values)


def _of_container(name: str, values: Any) -> Any:
    """Convert a container other than a list or an Arrow array to one of these."""
    import pyarrow as pa

    if isinstance(values, np.ndarray):
        return _of_numpy(name, values)
    if type(values).__module__.partition(".")[0] == "pandas":
        return _of_pandas(values)
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        return _of_numpy(name, _of_tensor(values))
    if hasattr(values, "source") and hasattr(values, "column_name"):
        return _of_dataset_column(values)
    if hasattr(values, "__arrow_c_stream__"):
        # polars exports Python objects as their addresses.
        return values.to_list() if str(getattr(values, "dtype", "")) == "Object" else pa.chunked_array(values)
    if hasattr(values, "__array__"):
        return _of_numpy(name, np.asarray(values.get() if hasattr(values, "__cuda_array_interface__") else values))
    if isinstance(values, str | bytes | Mapping | set | frozenset) or not isinstance(values, Iterable):
        raise PairError(
            f"a column that is not a list or an array: {name}, of type {type(values).__name__}; give one value a row "
            "in each column"
        )
    return list(values)


def _of_numpy(name: str, array: NDArray[Any]) -> Any:
    import pyarrow as pa

    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise PairError(f"the column {name} has shape {array.shape}: give one value a row, as in values[:, 0]")
    mask = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    array = np.asarray(array)
    if array.dtype.kind == "V" and array.dtype.names is None:  # such as bfloat16, which Arrow does not support
        array = array.astype(np.float64)
    if array.dtype == object or array.dtype.kind == "T":
        texts = array.tolist()
        return texts if mask is None else [None if hidden else value for value, hidden in zip(texts, mask, strict=True)]
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if mask is not None:
        return pa.array(array, mask=mask)
    try:
        return pa.array(array)
    except pa.ArrowException:
        return array.tolist()


def _of_tensor(tensor: Any) -> NDArray[Any]:
    """Convert a torch tensor, on any device, to numpy; bfloat16, which numpy lacks, becomes float64."""
    dense: Any = tensor.detach() if str(tensor.layout) == "torch.strided" else tensor.detach().to_dense()
    array: NDArray[Any] = (dense.double() if dense.is_floating_point() else dense).numpy(force=True)
    return array


def _of_pandas(values: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    series: Any = values if isinstance(values, pd.Series) else pd.Series(values)
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    if series.dtype == object:
        return series.astype(object).where(series.notna(), None).tolist()
    try:
        return pa.array(series)
    except (pa.ArrowException, TypeError, ValueError):
        return series.astype(object).where(series.notna(), None).tolist()


def _of_dataset_column(column: Any) -> Any:
    """Read a column of a `datasets.Dataset` that was taken by its name, `data["reference"]`."""
    if not hasattr(column.source, "select_columns"):
        return list(column)
    name = column.column_name
    if not hasattr(column.source, "with_format") or not hasattr(column.source, "__len__"):
        return named(name, list(column), names_of(column.source.features, name))
    table = column.source.select_columns([name]).with_format("arrow")[:]
    return named(name, table.column(name), names_of(column.source.features, name))


def names_of(features: Any, name: str) -> list[str] | None:
    """Return the names of a ClassLabel among `datasets` features; None for other columns."""
    return None if features is None else getattr(features.get(name), "names", None)


def names_in_schema(schema: Any) -> dict[str, list[str]]:
    """Return the names of the ClassLabel columns that `datasets` recorded in the metadata of an Arrow schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        labels = {name: each["names"] for name, each in features.items() if each.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: names for name, names in labels.items() if isinstance(names, list) and all(map(_is_text, names))}


def _is_text(name: Any) -> bool:
    return isinstance(name, str)


def named(name: str, numbers: Any, names: Collection[str] | None) -> Any:
    """Replace the numbers of a ClassLabel by its names; -1, which `datasets` writes for a missing label, becomes None.

    Raises:
        PairError: A number has no name.
    """
    import pyarrow as pa

    if names is None:
        return numbers
    numbers = to_array(name, numbers)
    if isinstance(numbers, list) or not pa.types.is_integer(numbers.type):
        return numbers
    at = numpy_of(numbers.cast(pa.int64()).fill_null(-1))
    strange = at[(at < -1) | (at >= len(names))]
    if len(strange):
        raise PairError(
            f"{name} is a ClassLabel of {counted(len(names), 'name')}, and {int(strange[0])} is no number of these: "
            f"{counted(len(strange), 'row')}, first row {int(np.flatnonzero(at == strange[0])[0])}; write 0 to "
            f"{len(names) - 1}"
        )
    return pa.array(list(names), pa.large_string()).take(pa.array(at, mask=at < 0))


def plain(values: Any) -> Any:
    """Convert an Arrow array to one without chunks, dictionary, runs, views, extensions or bytes."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    kind = values.type
    if pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_dictionary(kind):
        if pa.types.is_string(kind.value_type):
            return values.cast(kind.value_type)
        return plain(plain(values.dictionary).take(values.indices))
    if isinstance(kind, pa.BaseExtensionType):
        if str(kind) == "extension<arrow.uuid>":
            return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.large_string())
        return plain(values.storage)
    if pa.types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return plain(pc.run_end_decode(values))
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return values.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            return values
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        import pyarrow.compute as pc

        if pc.all(pc.equal(pc.list_value_length(values), 1), skip_nulls=False).as_py():
            return plain(pc.list_flatten(values))
    return values


def try_arrow(values: list[Any]) -> Any:
    """Convert a list to Arrow; if Arrow has no common type for it, return it with plain Python values."""
    import pyarrow as pa

    refusals = (pa.ArrowException, TypeError, ValueError, OverflowError, RuntimeError)
    try:
        return pa.array(values)
    except refusals:
        values = [_unwrapped(value) for value in values]
    try:
        return pa.array(values)
    except refusals:
        return values


def _unwrapped(value: Any) -> Any:
    """Return the plain Python value of a 0-dimensional tensor, a numpy or Arrow scalar, or an enum."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "as_py"):
        return value.as_py()
    if callable(getattr(value, "item", None)) and int(np.prod(getattr(value, "shape", ()))) == 1:
        return value.item()
    return value
