"""manifest.parquet: a row for each pair; its metadata hold the releases, the takedowns and the hashes of other files.

It holds everything that the next release needs to know, and everything that a check of a version needs.
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
OF_PAIRS = ("data/", policy_pair_rows.ROOT)  # the manifest has a row for each row of the files in these
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
# Columns in which few values repeat often: entries share one object for each value.
_SHARED = ("file", "category", "split", "introduced", "review")
_ROWS = 1 << 16
_POINTER = b"version https://git-lfs"
LFS_ADVICE = "is a pointer of Git LFS and no data; in the clone run: git lfs pull"
# Leave out the Arrow schema, which would repeat all metadata, and statistics: nobody searches a manifest by a range.
_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "store_schema": False,
    "write_statistics": False,
    "write_page_checksum": True,
    "use_dictionary": [*_SHARED, "family"],
}


class Entry(NamedTuple):
    """A published pair: its file, the values that place it in later releases, and the size of its images in bytes.

    `review` is the status of the pair's review, or "unreviewed". `row_hash` is described in `row_hash.py`; it is None
    if a release of format 1 added the pair.
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
        """Whether the pair is one image under two policies; see `policy_pair_rows.py`."""
        return self.file.startswith(policy_pair_rows.ROOT)

    @property
    def identity(self) -> Identity:
        hashes = self.unsafe_sha256, self.safe_sha256, self.unsafe_phash, self.safe_phash
        return Identity(self.pair_id, *hashes, self.family)


class FileHash(NamedTuple):
    """The SHA-256 of a file (hex) and its size in bytes."""

    sha256: str
    size: int


class Total(NamedTuple):
    pairs: int
    size: int  # bytes of the images


@dataclass(frozen=True)
class Manifest:
    """The pairs of a version, and every release up to it.

    Attributes:
        releases: Every release, oldest first, as JSON values; see `publish.py`.
        takedowns: Every pair that was ever taken down, oldest first, as JSON values; see `takedown.py`.
        files: The hash of each file of data, controls and failures, by name.
        extras: What each file of controls or failures holds, by name: `rows` and `size` (bytes of the images); for
            controls also the other fields of a Tally (see `control_rows.py`).
        taxonomy: The taxonomy of the categories.
        sidecars: The hash of every other file except the manifest itself, by name; empty in format 1.
        errata: Every correction of a pair, oldest first, as JSON values; see `errata.py`.
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
        """Return counts and bytes of pairs (or policy pairs) by split, then category, without empty ones."""
        totals: dict[str, dict[str, Total]] = {}
        for entry in self.entries:
            if entry.is_policy_pair != of_policies:
                continue
            of_split = totals.setdefault(entry.split, {})
            pairs, size = of_split.get(entry.category, Total(0, 0))
            of_split[entry.category] = Total(pairs + 1, size + entry.size)
        return totals


def dump(manifest: Manifest) -> bytes:
    """Return a manifest as the bytes of a Parquet file; see `write`."""
    sink = pa.BufferOutputStream()
    write(sink, manifest, sorted(manifest.entries, key=lambda entry: (parse(entry.introduced), entry.file)))
    return bytes(sink.getvalue())


def write(sink: pa.NativeFile, manifest: Manifest, entries: Iterable[Entry]) -> None:
    """Write a manifest as Parquet, with `entries` instead of its own; at most 65,536 of them are in memory at a time.

    Entries must be sorted by release, oldest first, then by file, and within a file in the order of its rows. Each
    release has row groups and chunks of its own, which later releases leave unchanged: to store the manifest of a
    release costs little more than its own rows.
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
    """Read a manifest. Return None if `data` is not a Parquet file, or not a manifest of safetypairs.

    Raises:
        PublishError: It is damaged, or a newer safetypairs-hf wrote it.
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
    """Open a manifest. Return the Parquet file and its head as JSON values; None in the cases of `load`.

    The file has a row for each pair, with columns named as the fields of Entry; `batches` reads them. The head has
    `format`, `version`, `releases`, `takedowns`, `files` and `sidecars` (see `hashes`); `beside` if the version has
    files of controls or failures; `errata` if there are any; and `taxonomy`, unless the release names one that this
    package includes. See `manifest_head`.

    Raises:
        PublishError: It is damaged, or a newer safetypairs-hf wrote it.
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
    """Yield rows of an open manifest in batches, with all columns or those in `names`. Every value is checked.

    Raises:
        PublishError: The manifest is damaged.
    """
    found = checked_batches(file, _SCHEMA, rows, names)
    while True:
        with reading(NAME, RESTORE, PublishError):
            batch = next(found, None)
        if batch is None:
            return
        yield batch


def schema_of(names: Sequence[str]) -> pa.Schema:
    """Return the schema of some columns of a manifest."""
    return pa.schema([_SCHEMA.field(name) for name in names])


def taxonomy_in(head: Mapping[str, Any]) -> Taxonomy:
    """Return the taxonomy of a version from the head of its manifest; the nine categories if it names none.

    Raises:
        PublishError: The head is damaged, or names a taxonomy that this package does not know.
    """
    named = head["releases"][-1].get("taxonomy")
    with reading(NAME, RESTORE, PublishError):
        try:
            return from_record(named, head.get("taxonomy"))
        except ValueError as error:
            raise ForeignTextError(f"does not say what its categories are of: {error}") from None


def taxonomy_at(path: Path) -> Taxonomy:
    """Return the taxonomy of the version whose manifest is at `path`. Only the file's metadata are read.

    Raises:
        PublishError: See `taxonomy_in`.
    """
    with reading(NAME, RESTORE, PublishError):
        metadata = pq.read_metadata(path).metadata or {}
        if manifest_head.MORE not in metadata:
            return NINE
        head = manifest_head.unpack_taxonomy(metadata)
    return taxonomy_in(head)


def is_pointer(file: Path) -> bool:
    """Return whether a file is a Git LFS pointer, which a clone without LFS has instead of the data."""
    try:
        if not file.is_file():
            return False
        with file.open("rb") as opened:
            return opened.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def version_in(file: Path) -> Version | None:
    """Return the version that a manifest states; None if it is not a manifest of safetypairs.

    Raises:
        PublishError: It is damaged, or a newer safetypairs-hf wrote it.
    """
    found = open_file(file)
    return None if found is None else parse(found[1]["version"])


def hashes(head: Mapping[str, Any], key: str) -> dict[str, FileHash]:
    """Return the hashes that a manifest's head lists under `files` or `sidecars`, by file name."""
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
