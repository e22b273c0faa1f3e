"""Read a published manifest by columns, without a Python object for each pair, and only as many rows as asked for."""

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
# Rows are divided into parts by the first of the two hashes. So a part of one version holds every row that relates to a
# row of the same part of another version: the same pair, the same images relabelled, the same image edited again.
KEY = "unsafe_sha256"
_PREFIXES = 1 << 16


class Columns:
    """The manifest at `path`, which is checked completely when opened. `name` is the dataset's name in messages.

    Raises:
        SafetyPairsError: It is damaged, not written by safetypairs, or written by a newer safetypairs-hf.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        file, self.head = self._open()
        self.rows: int = file.metadata.num_rows
        self.names: list[str] = file.schema_arrow.names
        for _ in self._batches(file, None):
            pass

    def table(self) -> pa.Table:
        """Return all rows, one for each pair, with columns named as the fields of Entry."""
        file, _ = self._open()
        return pa.Table.from_batches(self._batches(file, None), manifest.schema_of(file.schema_arrow.names))

    def part(self, columns: Sequence[str], number: int, of: int) -> pa.Table:
        """Return part `number`, from 0, of `of` parts of about equal size, which together hold every row once."""
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
        """Return some columns of some pairs, in the order of the manifest."""
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
        f"{name} has no {manifest.NAME} of safetypairs: it was not published by safetypairs, or is damaged"
    )
