"""Read the rows of a manifest of pairs or failures. Every value is checked, and memory is bounded by the file's size.

Parquet can store one long text for a billion rows in a few bytes. But each row of a manifest holds hashes, which do not
compress, so the size of a file bounds the number of its rows. Texts that occur in many rows are read as a dictionary,
whose values are checked once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.column_chunks import column_chunks
from safetypairs_hf.dataset.manifest_head import check_name

LEAST_ROW_BYTES: Final = 32  # of the file; the hashes of a row take at least 128
MOST_ROW_BYTES: Final = 4096  # of the values before compression
LONGEST_TEXT: Final = 1024  # bytes


def open_rows(source: Path | bytes) -> pq.ParquetFile:
    """Open a Parquet file, with dictionary texts read as dictionaries. Raises the errors of pyarrow."""
    held = pq.read_metadata(_opened(source))
    repeating = {
        part.path_in_schema
        for part in column_chunks(_opened(source), held)
        if part.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in kind for kind in part.encodings)
    }
    return pq.ParquetFile(
        _opened(source), metadata=held, page_checksum_verification=True, read_dictionary=sorted(repeating)
    )


def check_columns(file: pq.ParquetFile, schema: pa.Schema, size: int) -> None:
    """Check the columns that a file declares, before any of them is read.

    Args:
        file: A file from `open_rows`.
        schema: The expected columns; the last ones may be missing.
        size: The size of the file in bytes.

    Raises:
        ForeignTextError: The columns differ, or would take far more memory than the file has bytes.
    """
    found = file.schema.to_arrow_schema()
    if found.names != schema.names[: len(found.names)]:
        raise ForeignTextError(f"has the columns {', '.join(found.names)[:300]}; expected {', '.join(schema.names)}")
    for field in found:
        if field.type != schema.field(field.name).type:
            raise ForeignTextError(f"has {field.name} of type {field.type}; expected {schema.field(field.name).type}")
    held = file.metadata
    rows, whole = held.num_rows, sum(held.row_group(group).total_byte_size for group in range(held.num_row_groups))
    if rows * LEAST_ROW_BYTES > size or whole > rows * MOST_ROW_BYTES + size:
        raise ForeignTextError(f"is a bomb: in {size} bytes it says that it holds {rows} rows of {whole} bytes")


def checked_batches(
    file: pq.ParquetFile, schema: pa.Schema, rows: int, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Read rows of a file whose columns were checked, in batches of `rows`; all columns, or those in `names`.

    Raises:
        ForeignTextError: A value is missing or too long, or is not a valid file name or version. Errors of pyarrow are
            raised as they are.
    """
    for batch in file.iter_batches(rows, columns=names):
        batch.validate(full=True)
        wanted = names or batch.schema.names
        columns = [_checked(name, batch.column(name)).cast(schema.field(name).type) for name in wanted]
        yield pa.RecordBatch.from_arrays(columns, schema=pa.schema([schema.field(name) for name in wanted]))


def _opened(source: Path | bytes) -> Any:
    return source if isinstance(source, Path) else io.BytesIO(source)


def _checked(name: str, column: pa.Array) -> pa.Array:
    values = column.dictionary if isinstance(column, pa.DictionaryArray) else column
    if column.null_count and name != "row_hash":
        raise ForeignTextError(f"has a row without {name}")
    if pa.types.is_string(values.type) and (pc.max(pc.binary_length(values)).as_py() or 0) > LONGEST_TEXT:
        raise ForeignTextError(f"has a {name} of more than {LONGEST_TEXT} bytes")
    if name == "size" and (pc.min(values).as_py() or 0) < 0:
        raise ForeignTextError("has a size below 0")
    if name == "file":
        for text in values.unique().to_pylist():
            check_name(text)
    if name == "introduced":
        for text in values.unique().to_pylist():
            _check_version(text)
    return column


def _check_version(text: str) -> None:
    try:
        parse(text)
    except PublishError as error:
        raise ForeignTextError(f"names a version wrongly: {error}") from None
