"""manifest.parquet: one row a pair, and in its metadata the releases. All that a release needs to know of the last."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.publishing.versions import Version, parse
from safetypairs_hf.records import Identity

NAME = "manifest.parquet"
KEY = b"safetypairs"  # the Parquet key-value metadata that makes a repo ours

_SCHEMA = pa.schema(
    {
        "pair_id": pa.string(),
        "file": pa.string(),
        "category": pa.string(),
        "split": pa.string(),
        "group": pa.string(),
        "introduced": pa.string(),
        "unsafe_sha256": pa.string(),
        "safe_sha256": pa.string(),
        "unsafe_phash": pa.binary(32),
        "safe_phash": pa.binary(32),
        "family": pa.string(),
        "size": pa.int64(),
    }
)


class Entry(NamedTuple):
    """A published pair: the file that holds it, what decides its place in later releases, and its images' size."""

    pair_id: str
    file: str
    category: str
    split: str
    group: str
    introduced: str
    unsafe_sha256: str
    safe_sha256: str
    unsafe_phash: bytes
    safe_phash: bytes
    family: str
    size: int

    @classmethod
    def of(
        cls, identity: Identity, file: str, category: str, split: str, group: str, introduced: str, size: int
    ) -> Entry:
        return cls(identity.pair_id, file, category, split, group, introduced, *identity[1:], size)

    @property
    def identity(self) -> Identity:
        hashes = self.unsafe_sha256, self.safe_sha256, self.unsafe_phash, self.safe_phash
        return Identity(self.pair_id, *hashes, self.family)


class Total(NamedTuple):
    pairs: int
    size: int  # bytes of the images


@dataclass(frozen=True)
class Manifest:
    """The pairs of a version, and every release up to it, oldest first (JSON values, see `release.py`)."""

    entries: list[Entry] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def version(self) -> Version | None:
        return parse(self.releases[-1]["version"]) if self.releases else None

    def totals(self) -> dict[str, dict[str, Total]]:
        """Pairs and their bytes by split, then category; only those that hold any."""
        totals: dict[str, dict[str, Total]] = {}
        for entry in self.entries:
            of_split = totals.setdefault(entry.split, {})
            pairs, size = of_split.get(entry.category, Total(0, 0))
            of_split[entry.category] = Total(pairs + 1, size + entry.size)
        return totals


def dump(manifest: Manifest) -> bytes:
    """The manifest as Parquet, sorted by file, rows of a file in its order."""
    entries = sorted(manifest.entries, key=lambda entry: entry.file)  # stable, so a file's order stays
    head = {"format": 1, "version": str(manifest.version), "releases": manifest.releases}
    schema = _SCHEMA.with_metadata({KEY: json.dumps(head, sort_keys=True).encode()})
    buffer = io.BytesIO()
    pq.write_table(_table(entries, schema), buffer, compression="zstd")
    return buffer.getvalue()


def load(data: bytes) -> Manifest | None:
    """The manifest in `data`; None where it is no Parquet file, or not one of ours."""
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowInvalid:
        return None
    head = (table.schema.metadata or {}).get(KEY)
    if head is None or table.schema.names != _SCHEMA.names:
        return None
    columns = table.to_pydict().values()
    return Manifest([Entry(*row) for row in zip(*columns, strict=True)], json.loads(head)["releases"])


def _table(entries: Iterable[Entry], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*entries, strict=True)) or [() for _ in schema]
    return pa.table([pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)], schema=schema)
