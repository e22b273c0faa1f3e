"""How many rows a split of a Hub dataset has, by its files: what its card says may be wrong, or be missing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

_AT_ONCE = 16  # files


def count_rows(builder: Any, split: str, enough: int | None) -> tuple[int | None, bool]:
    """Count the rows of a split that is read as a stream.

    Of Parquet the end of each file says how many it has; nothing else of it is fetched. Of other formats only the card
    says it.

    Args:
        builder: that of `datasets`.
        split: the split's name.
        enough: how many will be used at most; counting ends there.

    Returns:
        The rows, None where nothing says how many; and whether they were counted.
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
    said = (builder.info.splits or {}).get(split)
    return (said.num_examples if said else None) or None, False


def _rows_in(address: str) -> int:
    import fsspec
    import pyarrow.parquet as pq

    with fsspec.open(address, "rb") as file, pq.ParquetFile(file) as opened:
        return int(opened.metadata.num_rows)
