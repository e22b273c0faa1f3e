"""Read what the footer of a Parquet file says of its column chunks, without ending the process if it is damaged."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq


def column_chunks(source: Any, held: pq.FileMetaData) -> list[pq.ColumnChunkMetaData]:
    """Return the metadata of every column chunk of a file, by row group and column.

    pyarrow (21 to 26) lets no C++ exception out of `RowGroupMetaData.column`: if, for example, the level histograms of
    a column chunk are damaged, the process ends. Its reader checks the same and raises, so the reader goes first. It
    reads no row; `pre_buffer` makes it look at the chunks of every row group instead of those of the first.

    Args:
        source: The path of the file, or a binary file.
        held: The file's metadata.

    Raises:
        OSError: The metadata of a column chunk are damaged. Other errors of pyarrow are raised as they are.
    """
    groups = range(held.num_row_groups)
    with pq.ParquetFile(source, metadata=held, pre_buffer=True) as file:
        next(file.reader.iter_batches(0, groups), None)
    return [held.row_group(group).column(place) for group in groups for place in range(held.num_columns)]
