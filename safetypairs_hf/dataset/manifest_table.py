"""Read a published manifest by columns, with no Python object a pair and no more rows in memory than are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError, SafetyPairsError
from safetypairs_hf.dataset import manifest

_ROWS = 1 << 15
# Rows are cut into parts by the first of the two hashes, so that a part of one version holds every row that has to do
# with any row of the same part of another: the same pair, the same images relabelled, the same image edited again.
KEY = "unsafe_sha256"
_PREFIXES = 1 << 16


class Columns:
    """The manifest in `path`, checked from end to end when it is opened. `name` is what a message calls it.

    Raises:
        SafetyPairsError: it is damaged, not ours, or a newer safetypairs-hf wrote it.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        file, self.head = self._open()
        self.rows: int = file.metadata.num_rows
        self.names: list[str] = file.schema_arrow.names
        for _ in self._batches(file, None):
            pass

    def table(self) -> pa.Table:
        """All of it: a row a pair, columns named as Entry's fields."""
        file, _ = self._open()
        return pa.Table.from_batches(self._batches(file, None), manifest.schema_of(file.schema_arrow.names))

    def part(self, columns: Sequence[str], number: int, of: int) -> pa.Table:
        """Part `number`, from 0, of `of` parts that are about equal; together they hold every row once."""
        names = [*columns, *({KEY} - set(columns))]
        file, _ = self._open()
        low, high = (f"{_PREFIXES * edge // of:04x}" for edge in (number, number + 1))
        kept = []
        for batch in self._batches(file, names):
            key = batch.column(KEY)
            if number:
                batch = batch.filter(pc.greater_equal(key, low))
            if number < of - 1:
                batch = batch.filter(pc.less(batch.column(KEY), high))
            kept.append(batch)
        return pa.Table.from_batches(kept, manifest.schema_of(names))

    def of_pairs(self, columns: Sequence[str], pair_ids: pa.Array) -> pa.Table:
        """Some columns of some pairs, in the order of the manifest."""
        names = [*columns, *({"pair_id"} - set(columns))]
        file, _ = self._open()
        found = [batch.filter(pc.is_in(batch.column("pair_id"), pair_ids)) for batch in self._batches(file, names)]
        return pa.Table.from_batches(found, manifest.schema_of(names))

    def _batches(self, file: pq.ParquetFile, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        with self._named():
            yield from manifest.batches(file, _ROWS, names)

    def _open(self) -> tuple[pq.ParquetFile, dict[str, Any]]:
        with self._named():
            found = manifest.open_file(self._path)
        if found is None and manifest.is_pointer(self._path):
            raise SafetyPairsError(f"{self._name}: {manifest.NAME} {manifest.LFS_ADVICE}")
        if found is None:
            raise not_ours(self._name)
        return found

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except PublishError as error:
            raise SafetyPairsError(f"{self._name}: {error}") from error


def not_ours(name: str) -> SafetyPairsError:
    return SafetyPairsError(
        f"{name} has no {manifest.NAME} that reads as ours: not published by safetypairs, or damaged"
    )
