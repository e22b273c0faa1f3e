"""Open a Parquet file that somebody else wrote, unless decoding it would take far more memory than its size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.dataset.column_chunks import column_chunks

MOST_TIMES: Final = 64  # decoded rows may take FREE bytes plus this many times the file's size
FREE: Final = 1 << 26


def open_rows_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file of rows.

    Raises:
        ForeignTextError: Its rows would take too much memory. A value in a dictionary may occur in every row.
        OSError, pyarrow.ArrowException: It is not a Parquet file, or is damaged. Call this within `reading`.
    """
    held, size = pq.read_metadata(path), path.stat().st_size
    most = 0
    for part in column_chunks(path, held):
        times = part.num_values if any("DICTIONARY" in kind for kind in part.encodings) else 1
        most += part.total_uncompressed_size * times
    if most > MOST_TIMES * size + FREE:
        raise ForeignTextError(f"is a bomb: its {size} bytes hold rows of up to {most} bytes")
    return pq.ParquetFile(path, metadata=held)


def read_rows(path: Path, filters: list[tuple[str, str, Any]], columns: Sequence[str] | None = None) -> pa.Table:
    """Read the rows of a Parquet file that pass `filters`: all columns, or some.

    pyarrow hangs if it filters by a column whose metadata are damaged, so they are checked first.

    Raises:
        ForeignTextError, OSError, pyarrow.ArrowException: See `open_rows_file`.
    """
    open_rows_file(path).close()
    return pq.read_table(path, columns=columns, filters=filters, partitioning=None)
