"""Open a Parquet file that somebody else wrote, unless decoding it would take far more memory than its size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from safetypairs_hf.core.foreign_text import ForeignTextError

MOST_TIMES: Final = 64  # decoded rows may take FREE bytes plus this many times the file's size
FREE: Final = 1 << 26


def open_rows_file(path: Path) -> pq.ParquetFile:
    """Open a Parquet file of rows.

    Raises:
        ForeignTextError: Its rows would take too much memory. A value in a dictionary may occur in every row.
        OSError, pyarrow.ArrowException: It is not a Parquet file, or is damaged. Call this within `reading`.
    """
    file = pq.ParquetFile(path)
    held, size = file.metadata, path.stat().st_size
    most = 0
    for group in range(held.num_row_groups):
        for place in range(held.num_columns):
            part = held.row_group(group).column(place)
            times = part.num_values if any("DICTIONARY" in kind for kind in part.encodings) else 1
            most += part.total_uncompressed_size * times
    if most > MOST_TIMES * size + FREE:
        file.close()
        raise ForeignTextError(f"is a bomb: its {size} bytes hold rows of up to {most} bytes")
    return file
