"""manifest.parquet: one row a pair; its metadata hold the releases, the takedowns and the hash of every other file.

All that a release needs to know of the last one, and all that a check of a published version needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.foreign_text import ForeignTextError, reading
from safetypairs_hf.core.records import Identity
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import manifest_head, policy_pair_rows
from safetypairs_hf.dataset.manifest_rows import check_columns, checked_batches, open_rows
from safetypairs_hf.dataset.schema import UNREVIEWED as UNREVIEWED
from safetypairs_hf.dataset.shards import BOUNDARY
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_file import from_record, to_record

NAME = "manifest.parquet"
OF_PAIRS = ("data/", policy_pair_rows.ROOT)  # every file in these has its rows in the manifest
EXTRAS = ("controls/", "failures/")
FOLDERS = (*OF_PAIRS, *EXTRAS)  # the manifest names every file in these
RESTORE = "restore the version that it was published with"

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
        "review": pa.string(),
        "row_hash": pa.binary(16),
    }
)
_NAMES_1 = _SCHEMA.names[:-1]  # the columns of format 1
# Few values in many rows: each is one object in memory, however many entries name it.
_SHARED = ("file", "category", "split", "introduced", "review")
_ROWS = 1 << 16
_POINTER = b"version https://git-lfs"
LFS_ADVICE = "is a pointer of Git LFS and no data; in the clone run: git lfs pull"
# The Arrow schema would repeat the whole metadata, and nobody searches a manifest by a column's range.
_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "store_schema": False,
    "write_statistics": False,
    "write_page_checksum": True,
    "use_dictionary": [*_SHARED, "family"],
}


class Entry(NamedTuple):
    """A published pair: the file that holds it, what decides its place in later releases, its images' size in bytes.

    `review` is the status of the pair's review; "unreviewed" where there was none. `row_hash`: see `row_hash.py`; None
    where a release of format 1 added the pair.
    """

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
    review: str = UNREVIEWED
    row_hash: bytes | None = None

    @classmethod
    def of(
        cls,
        identity: Identity,
        file: str,
        category: str,
        split: str,
        group: str,
        introduced: str,
        size: int,
        review: str = UNREVIEWED,
        row_hash: bytes | None = None,
    ) -> Entry:
        return cls(identity.pair_id, file, category, split, group, introduced, *identity[1:], size, review, row_hash)

    @property
    def is_policy_pair(self) -> bool:
        """Whether it is one image under two policies; see `policy_pair_rows.py`."""
        return self.file.startswith(policy_pair_rows.ROOT)

    @property
    def identity(self) -> Identity:
        hashes = self.unsafe_sha256, self.safe_sha256, self.unsafe_phash, self.safe_phash
        return Identity(self.pair_id, *hashes, self.family)


class FileHash(NamedTuple):
    """What a file is: the hex SHA-256 and the number of its bytes."""

    sha256: str
    size: int


class Total(NamedTuple):
    pairs: int
    size: int  # bytes of the images


@dataclass(frozen=True)
class Manifest:
    """The pairs of a version, and every release up to it, oldest first (JSON values, see `publish.py`).

    `takedowns`: every pair ever taken down, oldest first (JSON values, see `takedown.py`). `files`: each data file of
    this version, by name, and each one of controls and failures. `extras`: what each of these last holds, by name:
    `rows` and `size`, the bytes of their images, and of controls what else a Tally has (see `control_rows.py`).
    `taxonomy`: what the categories are of.
    `sidecars`: each other file of this version but the manifest itself, by name; empty in format 1.
    `errata`: every correction of a pair, oldest first (JSON values, see `errata.py`).
    """

    entries: list[Entry] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    takedowns: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, FileHash] = field(default_factory=dict)
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)
    taxonomy: Taxonomy = NINE
    sidecars: dict[str, FileHash] = field(default_factory=dict)
    errata: list[dict[str, Any]] = field(default_factory=list)

    @property
    def version(self) -> Version | None:
        return parse(self.releases[-1]["version"]) if self.releases else None

    def totals(self, *, of_policies: bool = False) -> dict[str, dict[str, Total]]:
        """Pairs of images, or policy pairs, and their bytes by split, then category; only those that hold any."""
        totals: dict[str, dict[str, Total]] = {}
        for entry in self.entries:
            if entry.is_policy_pair != of_policies:
                continue
            of_split = totals.setdefault(entry.split, {})
            pairs, size = of_split.get(entry.category, Total(0, 0))
            of_split[entry.category] = Total(pairs + 1, size + entry.size)
        return totals


def dump(manifest: Manifest) -> bytes:
    """The manifest as `write` writes it."""
    sink = pa.BufferOutputStream()
    write(sink, manifest, sorted(manifest.entries, key=lambda entry: (parse(entry.introduced), entry.file)))
    return bytes(sink.getvalue())


def write(sink: pa.NativeFile, manifest: Manifest, entries: Iterable[Entry]) -> None:
    """Write a manifest as Parquet, with `entries` in place of its own; at most 65,536 of them are held at a time.

    They come by release, oldest first, then by file; rows of a file in its order. The rows of a release are row groups
    of their own and chunks of their own, which a later release leaves as they are: to store its manifest costs little
    more than its own rows.
    """
    head = {
        "format": manifest_head.format_of(manifest.errata, manifest.files),
        "version": str(manifest.version),
        "releases": manifest.releases,
        "takedowns": manifest.takedowns,
        "files": manifest.files,
        **({"beside": manifest.extras} if manifest.extras else {}),
        **({"taxonomy": record} if (record := to_record(manifest.taxonomy)) else {}),
        **({"sidecars": manifest.sidecars} if manifest.sidecars else {}),
        **({"errata": manifest.errata} if manifest.errata else {}),
    }
    with pq.ParquetWriter(sink, _SCHEMA, **_OPTIONS) as writer:
        writer.add_key_value_metadata(manifest_head.pack(head))
        for _, released in itertools.groupby(entries, key=lambda entry: entry.introduced):
            while rows := list(itertools.islice(released, _ROWS)):
                writer.write_table(_table(rows))
            sink.write(BOUNDARY)


def load(data: bytes) -> Manifest | None:
    """The manifest in `data`; None where it is no Parquet file, or not one of ours.

    Raises:
        PublishError: it is damaged, or a newer safetypairs-hf wrote it.
    """
    found = _open(data)
    if found is None:
        return None
    file, head = found
    entries = [entry for batch in batches(file) for entry in _entries(batch)]
    files, sidecars = hashes(head, "files"), hashes(head, "sidecars")
    return Manifest(
        entries,
        head["releases"],
        head["takedowns"],
        files,
        head.get("beside", {}),
        taxonomy_in(head),
        sidecars,
        head.get("errata", []),
    )


def open_file(path: Path) -> tuple[pq.ParquetFile, dict[str, Any]] | None:
    """The manifest in a file as an open Parquet file, and its head, JSON values. None as in `load`.

    The file has a row a pair, its columns named as Entry's fields; `batches` reads them. The head has `format`,
    `version`, `releases`, `takedowns`, `files` and `sidecars` (see `hashes`) and, where there are any but data files,
    `beside`; `errata`, where there are any; and `taxonomy`, unless this package brings the one that the release names.
    See `manifest_head`.

    Raises:
        PublishError: it is damaged, or a newer safetypairs-hf wrote it.
    """
    return _open(path)


def _open(source: Path | bytes) -> tuple[pq.ParquetFile, dict[str, Any]] | None:
    if isinstance(source, Path) and not source.is_file():
        return None
    with reading(NAME, RESTORE, PublishError):
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        try:
            file = open_rows(source)
        except pa.ArrowInvalid:
            return None
        metadata = file.metadata.metadata or {}
        if manifest_head.KEY not in metadata:
            return None
        head = manifest_head.unpack(metadata)
        if file.schema_arrow.names not in (_SCHEMA.names, _NAMES_1):
            return None
        check_columns(file, _SCHEMA, size)
    return file, head


def batches(file: pq.ParquetFile, rows: int = _ROWS, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of an open manifest, some columns of them, so many at a time; every value is what it should be.

    Raises:
        PublishError: it is damaged.
    """
    found = checked_batches(file, _SCHEMA, rows, names)
    while True:
        with reading(NAME, RESTORE, PublishError):
            batch = next(found, None)
        if batch is None:
            return
        yield batch


def schema_of(names: Sequence[str]) -> pa.Schema:
    """The schema of some columns of a manifest."""
    return pa.schema([_SCHEMA.field(name) for name in names])


def taxonomy_in(head: Mapping[str, Any]) -> Taxonomy:
    """The taxonomy of a version by the head of its manifest. A version that names none has the nine.

    Raises:
        PublishError: it is damaged, or this package does not know it.
    """
    named = head["releases"][-1].get("taxonomy")
    with reading(NAME, RESTORE, PublishError):
        try:
            return from_record(named, head.get("taxonomy"))
        except ValueError as error:
            raise ForeignTextError(f"does not say what its categories are of: {error}") from None


def taxonomy_at(path: Path) -> Taxonomy:
    """The taxonomy of the version whose manifest is at `path`; only the file's metadata are read.

    Raises:
        PublishError: see `taxonomy_in`.
    """
    with reading(NAME, RESTORE, PublishError):
        metadata = pq.read_metadata(path).metadata or {}
        if manifest_head.MORE not in metadata:
            return NINE
        head = manifest_head.unpack_taxonomy(metadata)
    return taxonomy_in(head)


def is_pointer(file: Path) -> bool:
    """Whether a file is what a git clone without LFS has in place of the data."""
    try:
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def version_in(file: Path) -> Version | None:
    """The version that a manifest says it is; None where it is none of ours.

    Raises:
        PublishError: it is damaged, or a newer safetypairs-hf wrote it.
    """
    found = open_file(file)
    return None if found is None else parse(found[1]["version"])


def hashes(head: Mapping[str, Any], key: str) -> dict[str, FileHash]:
    """The files that a manifest's head names under `files` or `sidecars`, by name."""
    return {name: FileHash(*values) for name, values in head.get(key, {}).items()}


def _entries(batch: pa.RecordBatch) -> Iterator[Entry]:
    return itertools.starmap(Entry, zip(*map(_values, batch.schema.names, batch.columns), strict=True))


def _values(name: str, column: pa.Array) -> list[Any]:
    if name not in _SHARED:
        return list(column.to_pylist())
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [values[index] for index in encoded.indices.to_pylist()]


def _table(entries: Iterable[Entry]) -> pa.Table:
    columns = zip(zip(*entries, strict=True), _SCHEMA.types, strict=True)
    return pa.table([pa.array(values, kind) for values, kind in columns], schema=_SCHEMA)
