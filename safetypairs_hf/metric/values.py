"""Columns to checked numpy arrays: what each value may be, by the rules of the metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.errors import PairError
from safetypairs_hf.metric.columns import columns_of, to_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSTAINED = -1
OTHER = -2
SHOWN = 5


@dataclass(frozen=True)
class Images:
    """One row an image, every value checked by itself.

    `pair_id`: Arrow int64, uint64 or large_string, no null. `reference`: (n,) int8, 1 unsafe. `prediction`: (n,) int8,
    -1 an abstention. `score`: (n,) float64, NaN an abstention. `category`, `group`: Arrow arrays like `pair_id`.
    A column that was not given is None; one of `prediction` and `score` is always there.
    """

    pair_id: Any
    reference: NDArray[np.int8]
    prediction: NDArray[np.int8] | None
    score: NDArray[np.float64] | None
    category: Any
    group: Any


def images_of(rows: Any) -> Images:
    """Rows in any form that `score` takes, checked one value at a time; raises PairError by the first rule broken."""
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
    """One line: the rule, how many pairs the given rows belong to, the first five of their ids in order, and advice."""
    import pyarrow as pa

    pairs = sorted(ids.take(pa.array(rows)).unique().to_pylist())
    first = ", ".join(repr(pair) for pair in pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")
    return f"{rule}: {len(pairs)} pair{'s' if len(pairs) > 1 else ''} ({first}); {advice}"


def _verdicts(values: Any) -> NDArray[np.int8]:
    """(n,) 1 and 0 as they are, -1 for None, -2 for anything else."""
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
    """(n,) values with 0.0 where there is none, which are None, and which are no numbers at all."""
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
    """Ids or names as Arrow int64, uint64 or large_string; None where every one is None."""
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
    """Whole numbers that became floats because one was missing, as pandas makes them; NaN and null are None."""
    import pyarrow as pa

    array = values.to_numpy(zero_copy_only=False).astype(np.float64)
    missing = np.isnan(array)
    numbers = np.where(missing, 0.0, array)
    if not (numbers == np.floor(numbers)).all() or (np.abs(numbers) >= 2**53).any():
        raise PairError(f"{name} holds fractions or floats too large to be exact; it should hold text or whole numbers")
    return pa.array(numbers.astype(np.int64), mask=missing)


def _without_nan(name: str, values: list[Any]) -> Any:
    """A list that Arrow refused as it was: NaN among text is a missing value; text among numbers is a mistake."""
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
