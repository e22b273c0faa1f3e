"""Rows as an Arrow table. The images are nearly all of a row, so they are copied once at most on the way into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from safetypairs_hf.publishing.schema import IMAGE


def table_of(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """As `pa.Table.from_pylist`, which lets each image grow byte by byte into a buffer and then copies that."""
    images = [field.name for field in schema if field.type == IMAGE]
    rest = pa.schema([field for field in schema if field.name not in images])
    columns = pa.Table.from_pylist(rows, rest)
    return pa.table(
        [_images([row[name] for row in rows]) if name in images else columns[name] for name in schema.names], schema
    )


@contextmanager
def large_buffers() -> Iterator[None]:
    """Arrow keeps the memory that it frees, where it can.

    Its usual allocator gives large buffers back to the system, and gets them again page by page: a third of the time
    that it takes to write images.
    """
    usual = pa.default_memory_pool()
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _images(values: Sequence[dict[str, Any] | None]) -> pa.StructArray:
    """A column of images, whose paths are all null."""
    files = [b"" if value is None else value["bytes"] for value in values]
    offsets = np.cumsum([0, *map(len, files)]).astype("int32")
    joined = b"".join(files)  # of one image, that very image
    data = pa.Array.from_buffers(pa.binary(), len(files), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])
    missing = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays([data, pa.nulls(len(files), pa.string())], ["bytes", "path"], mask=missing)
