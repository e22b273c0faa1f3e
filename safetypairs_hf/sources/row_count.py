"""Count the rows of a split of a Hub dataset by its files, because its card may be wrong or state no number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

_AT_ONCE = 16  # files that are read at the same time


def count_rows(builder: Any, split: str, enough: int | None) -> tuple[int | None, bool]:
    """Count the rows of a split that is read as a stream.

    Parquet files state the number in their footer, and nothing else of them is fetched. For other formats only the card
    states it.

    Args:
        builder: The builder of `datasets`.
        split: The name of the split.
        enough: The number of rows that will be used at most; counting stops there. None counts all.

    Returns:
        The number of rows (None if it is not stated), and whether they were counted.
    """
    from datasets.packaged_modules.parquet.parquet import Parquet

    files = list((builder.config.data_files or {}).get(split, ()))
    if isinstance(builder, Parquet) and files and not getattr(builder.config, "filters", None):
        rows = 0
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(files), _AT_ONCE):
                rows += sum(pool.map(_rows_in, files[start : start + _AT_ONCE]))
                if enough is not None and rows >= enough:
                    break
        return rows, True
    stated = (builder.info.splits or {}).get(split)
    return (stated.num_examples if stated else None) or None, False


def _rows_in(address: str) -> int:
    import fsspec
    import pyarrow.parquet as pq

    with fsspec.open(address, "rb") as file, pq.ParquetFile(file) as opened:
        return int(opened.metadata.num_rows)
