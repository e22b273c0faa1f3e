"""The data files of a release: new pairs in new files, and an old file rewritten only where it loses a pair."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from safetypairs_hf.publishing.schema import arrow_schema

PAIRS_A_FILE = 100
# A stream shows its first pair after one row group, so groups are small: about 1 MB of icon pairs.
PAIRS_A_GROUP = 10

# Nothing is compressed: the images are already, and the text of a row is less than a hundredth of it.
_OPTIONS: dict[str, Any] = {"compression": "NONE", "use_dictionary": False, "write_page_index": True}


@dataclass
class _Shard:
    """An open file of one split and category."""

    name: str
    writer: pq.ParquetWriter
    rows: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        if len(self.rows) == PAIRS_A_GROUP:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.writer.write_table(pa.Table.from_pylist(self.rows, self.writer.schema))
            self.written += len(self.rows)
            self.rows = []

    @property
    def full(self) -> bool:
        return self.written + len(self.rows) == PAIRS_A_FILE


class Shards:
    """Writes rows below `folder` as `data/<split>/<category>/<version>-<n>.parquet`, few rows in memory at a time."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.version = version
        self._open: dict[tuple[str, str], _Shard] = {}
        self._next: dict[tuple[str, str], int] = {}

    def add(self, row: dict[str, Any], split: str, category: str) -> str:
        """Write a row; the name of its file."""
        key = (split, category)
        shard = self._open.get(key)
        if shard is None:
            number = self._next.get(key, 0)
            self._next[key] = number + 1
            name = f"data/{split}/{category}/{self.version}-{number:05d}.parquet"
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shard = self._open[key] = _Shard(name, pq.ParquetWriter(path, arrow_schema(), **_OPTIONS))
        shard.add(row)
        if shard.full:
            self._close(key)
        return shard.name

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                for key in list(self._open):
                    self._close(key)
        finally:
            for shard in self._open.values():  # none, where all went well
                _abandon(shard.writer)

    def _close(self, key: tuple[str, str]) -> None:
        self._open[key].flush()
        self._open[key].writer.close()
        del self._open[key]


def rewrite_without(source: Path, target: Path, pair_ids: Iterable[str]) -> None:
    """Write `source` to `target` less some pairs, a row group at a time."""
    gone = pa.array(list(pair_ids))
    target.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(source) as file:
        writer = pq.ParquetWriter(target, file.schema_arrow, **_OPTIONS)
        try:
            for table in _row_groups(file):
                kept = table.filter(pc.invert(pc.is_in(table["pair_id"], gone)))
                if kept.num_rows:
                    writer.write_table(kept)
            writer.close()
        except BaseException:
            _abandon(writer)
            raise


def _abandon(writer: pq.ParquetWriter) -> None:
    """Close a writer whose file is lost, so that its finaliser does not fail again, on the user's terminal."""
    with contextlib.suppress(OSError):
        writer.close()
    writer.is_open = False


def _row_groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for index in range(file.num_row_groups):
        yield file.read_row_group(index)
