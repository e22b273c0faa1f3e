"""The values of one column: verdicts, scores, and keys such as pair ids. What is none is marked, not dropped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric.verdict_labels import (
    ABSTAINED,
    OTHER,
    number_of_text,
    speaks_of_numbers,
    verdict_of_text,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # (n,) values, anything where there is none; (n,) which are None; (n,) which are no values at all.
    Read = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]


def verdicts_of(values: Any, codes: Mapping[str, int]) -> NDArray[np.int8]:
    """Return (n,) verdicts: 1 and 0 as they are, ABSTAINED for None, OTHER for anything else.

    Args:
        values: A column as `to_array` gives it.
        codes: The labels of the user, as `codes_of` gives them.
    """
    if speaks_of_numbers(codes):
        values = _as_texts(values)
    value, null, bad = _numbers(values, lambda text: verdict_of_text(text, codes))
    with np.errstate(invalid="ignore"):
        verdicts = value.astype(np.int8)
    # Small integers survive the way there and back; what does not is no verdict.
    wrong = bad | (verdicts != value) | (verdicts.view(np.uint8) > 1)
    if null.any() or wrong.any():
        verdicts[wrong] = OTHER
        verdicts[null] = ABSTAINED
    return verdicts


def scores_of(values: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (n,) scores, NaN for None, and (n,) which of them are no numbers in [0, 1]."""
    value, null, bad = _numbers(values, _score_of_text)
    with np.errstate(invalid="ignore"):
        bad = bad | ~(null | ((value >= 0) & (value <= 1)))
    score = value.astype(np.float64)
    score[null] = np.nan
    return score, bad


def keys_of(name: str, values: Any) -> Any:
    """Return ids or names as Arrow int64, uint64, string or large_string, or None where every one is None.

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
        # Joined to as many others, texts of this size still have offsets of 32 bits.
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
    """Return whether a column has rows, and None in every one."""
    if isinstance(values, list):
        return bool(values) and all(value is None for value in values)
    return len(values) > 0 and values.null_count == len(values)


def _score_of_text(text: str) -> float | None:
    if not text.strip():
        return None
    number = number_of_text(text)
    return math.nan if number is None else number


def _as_texts(values: Any) -> Any:
    """Return numbers and booleans as texts, for labels that speak of them; anything else as it is."""
    import pyarrow as pa

    if isinstance(values, list):
        return [str(value) if _is_number(value) else value for value in values]
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return values.cast(pa.string())
    return values


def _numbers(values: Any, of_text: Callable[[str], float | None]) -> Read:
    """Read numbers; `of_text` reads a text as a number, as None where it is empty, and as NaN where it is none."""
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
            # A whole number too large for a float is as wrong as an infinite one.
            found[row] = float(value) if abs(value) < 1e300 or value != value else math.inf
            continue
        number = of_text(value) if isinstance(value, str) else None if value is None else math.nan
        null[row], bad[row] = number is None, number is not None and math.isnan(number)
        found[row] = 0.0 if number is None or math.isnan(number) else number
    return found, null, bad


def _of_texts(values: Any, of_text: Callable[[str], float | None]) -> Read:
    """Read an Arrow array of text: each different text once."""
    encoded = values.dictionary_encode()
    told = [of_text(text) for text in encoded.dictionary.to_pylist()]
    # The last entry stands for null.
    number = np.array([0.0 if each is None else each for each in told] + [0.0])
    empty = np.array([each is None for each in told] + [True])
    at = numpy_of(encoded.indices.fill_null(len(told)))
    wrong = np.isnan(number)
    return np.where(wrong, 0.0, number)[at], empty[at], wrong[at]


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating | Decimal)


def _whole(name: str, values: Any) -> Any:
    """Return floats as whole numbers: pandas makes them floats where one is missing. NaN and null are None."""
    import pyarrow as pa

    array = numpy_of(values.cast(pa.float64()).fill_null(math.nan))
    missing = np.isnan(array)
    numbers = np.where(missing, 0.0, array)
    wrong = np.flatnonzero((numbers != np.floor(numbers)) | (np.abs(numbers) >= 2**53))
    if len(wrong):
        raise PairError(
            f"{name} holds fractions or floats too large to be exact: {len(wrong)} rows, {float(array[wrong[0]])!r} in "
            f"row {wrong[0]} of 0 to {len(array) - 1}; it should hold text or whole numbers"
        )
    return pa.array(numbers.astype(np.int64), mask=missing)


def _without_nan(name: str, values: list[Any]) -> Any:
    """Convert a list that Arrow refused as it was: NaN among text is a missing value, text among numbers a mistake."""
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
    """Return a value as Python writes it, on one line of at most 60 characters."""
    return _cut(" ".join(repr(value).split()))


def printable(text: Any) -> str:
    """Return a text that others wrote as it may be printed: on one line, without control characters, not too long."""
    return _cut("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text)), most=300)


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
