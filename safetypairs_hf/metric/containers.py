"""One column in any container to a plain Arrow array, with the container's own meaning kept.

Masked values of numpy are None, categoricals and dictionaries are their texts, class labels are their names, and a
tensor of any dtype on any device is its values.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import PairError, in_a_line
from safetypairs_hf.metric.column_values import numpy_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_array(name: str, values: Any) -> Any:
    """Convert a column to a plain Arrow array (no chunks, no dictionary), or a list where Arrow has no type for it.

    pandas holds a missing number as NaN, so NaN in a pandas column means None. Anywhere else NaN stays NaN.

    Raises:
        PairError: The column is no list or array of one value a row, or its library cannot hand it over.
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
        # polars hands Python objects over as their addresses.
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
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and its like, which Arrow does not know
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
    """Convert a torch tensor, on any device, to numpy; numpy does not know bfloat16, so that becomes float64."""
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
    """Return the names of a ClassLabel among `datasets` features; None where the column is none."""
    return None if features is None else getattr(features.get(name), "names", None)


def names_in_schema(schema: Any) -> dict[str, list[str]]:
    """Return the names of the ClassLabel columns that `datasets` noted in the metadata of an Arrow schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        labels = {name: each["names"] for name, each in features.items() if each.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: names for name, names in labels.items() if isinstance(names, list) and all(map(_is_text, names))}


def _is_text(name: Any) -> bool:
    return isinstance(name, str)


def named(name: str, numbers: Any, names: Collection[str] | None) -> Any:
    """Replace the numbers of a ClassLabel by its names; -1, which `datasets` writes for no label, becomes None.

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
            f"{name} is a ClassLabel of {len(names)} names, and {int(strange[0])} is no number of these: "
            f"{len(strange)} rows, first row {int(np.flatnonzero(at == strange[0])[0])}; write 0 to {len(names) - 1}"
        )
    return pa.array(list(names), pa.large_string()).take(pa.array(at, mask=at < 0))


def plain(values: Any) -> Any:
    """Decode an Arrow array to one without chunks, dictionary, runs, views, extensions or bytes."""
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
    """Convert a list to Arrow; where Arrow has no one type for it, return it with each value a plain Python one."""
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
    """Return the plain Python value that a 0-dimensional tensor, a scalar of numpy or Arrow, or an enum holds."""
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
