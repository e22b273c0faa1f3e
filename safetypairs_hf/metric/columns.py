"""Rows in any usual form to named columns. Forms are told by what they can do, so nothing is imported to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.errors import PairError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN = ("pair_id", "reference", "prediction", "score", "category", "group", "control")
_ABSENT = object()


def columns_of(rows: Any) -> dict[str, Any]:
    """The columns of `rows` that the metric knows, each as it came; others are not touched.

    Raises PairError where `rows` is nothing of the kind, lacks a column, or has columns of unequal length.
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
    """A `datasets.Dataset`: as Arrow, without decoding any image; class labels become their names."""
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
    """Any iterable of mappings, read once: the known columns, so rows may carry images, and the first row's keys."""
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
    """One column as a plain Arrow array (no chunks, no dictionary), or a Python list where Arrow has no type for it.

    pandas holds a missing number as NaN, so NaN in a pandas column means None; anywhere else NaN stays NaN.
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
    """A numpy array, a tensor or any sequence: Arrow where that is cheap, else a list."""
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
