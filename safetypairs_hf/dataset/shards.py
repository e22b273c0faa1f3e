"""Write data files: new pairs go into new files; an old file is rewritten only if one of its pairs goes or changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from safetypairs_hf.dataset.control_rows import control_file, control_schema
from safetypairs_hf.dataset.failure_rows import ROOT as FAILURES
from safetypairs_hf.dataset.failure_rows import failure_schema
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.policy_pair_rows import policy_pair_schema
from safetypairs_hf.dataset.schema import IMAGE, arrow_schema, features
from safetypairs_hf.taxonomy.categories import Taxonomy

# A file is closed at this number of pairs, or at a size of images. pyarrow's first read of 64 kB should include the
# footer, which has 2 kB for each group. Files of half the size did not make a removal cheaper.
PAIRS_A_FILE = 100
FILE_BYTES = 8 * 1024 * 1024
# Bytes of images in a row group, which a reader fetches as one. A removal changes whole groups. For 1,200 pairs of
# 212 kB, adding 24 and removing 12 stores 2.1 times the new pairs' bytes with this size, 2.5 times with 2 MB, and 1.6
# times with one pair in a group, where the footers would be larger than pyarrow's first read.
GROUP_BYTES = 512 * 1024
# The first file of a release, split and category is one such group: `datasets` 4 and 5 stream the whole first file
# before they yield its first pair, because pyarrow reads adjacent groups at once (up to 32 MB), whatever their size.
FIRST_FILE_BYTES = GROUP_BYTES

# The dataset viewer calls a file optimized if it has a page index and its footer names its chunking: the first key is
# the one that `datasets` writes, the second the one that the viewer's own reader looks for. The chunker is on, but its
# least chunk is a whole file, so it cuts nothing: row groups and BOUNDARY already end chunks, and pyarrow's chunker
# counts on from one group to the next. With the sizes of `datasets`, 256 kB to 1 MB, a removal changed the pages of the
# groups after it too and stored 2.8 times the new bytes instead of 1.7.
_CHUNKING = {"min_chunk_size": FILE_BYTES, "max_chunk_size": 2 * FILE_BYTES, "norm_level": 0}
_NAMED_CHUNKING = {b"content_defined_chunking": json.dumps(_CHUNKING), b"use_content_defined_chunking": "true"}
# Nothing is compressed: the images are already, and the text of a row is less than a hundredth of it. Statistics and
# ARROW:schema are left out, because a release of few pairs has many small files: statistics do not help readers of such
# small groups, and ARROW:schema would repeat the features.
_OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": False,
    "write_statistics": False,
    "write_page_index": True,
    "use_content_defined_chunking": _CHUNKING,
    "store_schema": False,
}
_IMAGES = ("unsafe_image", "safe_image", "edited_image", "image")
RowChange = Callable[[dict[str, Any]], dict[str, Any]]  # takes a published row, returns the row to publish instead


@dataclass
class _Shard:
    """An open file of one split and category, or of the failures of a category.

    `controls` is the open file of its pairs' controls, if there are any.
    """

    name: str
    file: _File
    limit: int  # the file is closed at this many bytes of images
    controls: _Shard | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0  # bytes of the images in `rows`
    written: int = 0
    written_size: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.size += sum(len(row[name]["bytes"]) for name in _IMAGES if row.get(name) is not None)
        if self.size >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.file.add(table_of(self.rows, self.file.schema))
            self.written += len(self.rows)
            self.written_size += self.size
            self.rows, self.size = [], 0

    @property
    def full(self) -> bool:
        pairs, size = self.written + len(self.rows), self.written_size + self.size
        return pairs >= PAIRS_A_FILE or size >= self.limit


class Shards:
    """Write rows to files below `folder`, with few of them in memory at a time.

    Pairs go to `data/<split>/<category>/<version>-<n>.parquet`, their controls to the file of the same name under
    `controls/`, policy pairs to `policy_pairs/<split>/<version>-<n>.parquet`, and failures to
    `failures/<category>/<version>-<n>.parquet`.

    Args:
        folder: The folder to write to.
        version: The version that the file names state.
        whole: Called with the name of each file when it is complete.
        taxonomy: The taxonomy of the categories.
    """

    def __init__(
        self, folder: Path, version: str, taxonomy: Taxonomy, whole: Callable[[str], None] = lambda name: None
    ) -> None:
        self.folder = folder
        self.taxonomy = taxonomy
        self.version = version
        self._whole = whole
        self._open: dict[str, _Shard] = {}
        self._next: dict[str, int] = {}

    def add(self, row: dict[str, Any], split: str, category: str, controls: Iterable[dict[str, Any]] = ()) -> str:
        """Write a pair with its controls. Return the name of its file."""
        if "image" in row:
            where = f"{POLICY_PAIRS}{split}"
            return self._put(where, self._shard(where, policy_pair_schema(self.taxonomy)), row)
        where = f"data/{split}/{category}"
        shard = self._shard(where, arrow_schema(self.taxonomy))
        for control in controls:
            if shard.controls is None:
                name = control_file(shard.name)
                shard.controls = _Shard(name, self._file(name, control_schema(self.taxonomy)), limit=0)
            shard.controls.add(control)
        return self._put(where, shard, row)

    def add_failure(self, row: dict[str, Any], category: str) -> str:
        """Write a failure. Return the name of its file."""
        where = f"{FAILURES}{category}"
        return self._put(where, self._shard(where, failure_schema(self.taxonomy)), row)

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                for where in list(self._open):
                    self._close(where)
        finally:
            for shard in self._open.values():  # empty unless an error occurred
                shard.file.abandon()
                if shard.controls is not None:
                    shard.controls.file.abandon()

    def _shard(self, where: str, schema: pa.Schema) -> _Shard:
        """Return the open file of a folder. Open one if there is none."""
        if where not in self._open:
            number = self._next.get(where, 0)
            self._next[where] = number + 1
            name = f"{where}/{self.version}-{number:05d}.parquet"
            limit = FILE_BYTES if number else FIRST_FILE_BYTES
            self._open[where] = _Shard(name, self._file(name, schema), limit)
        return self._open[where]

    def _put(self, where: str, shard: _Shard, row: dict[str, Any]) -> str:
        shard.add(row)
        if shard.full:
            self._close(where)
        return shard.name

    def _file(self, name: str, schema: pa.Schema) -> _File:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _File(path, schema)

    def _close(self, where: str) -> None:
        shard = self._open[where]
        for each in (shard, shard.controls):
            if each is not None:
                each.flush()
                each.file.close()
                self._whole(each.name)
        del self._open[where]


def rewrite_without(
    source: Path,
    target: Path,
    ids: Iterable[str],
    column: str = "pair_id",
    taxonomies: tuple[Taxonomy, Taxonomy] | None = None,
    changes: Mapping[str, RowChange] | None = None,
) -> None:
    """Write `source` to `target` without the rows whose `column` is in `ids`, one row group at a time.

    Args:
        source: The file to read.
        target: The file to write.
        ids: The ids of the rows to leave out.
        column: The column of the ids.
        taxonomies: The taxonomy of the categories in `source`, and the one to use in `target`, which must have every
            category of the rows that stay.
        changes: Functions that change rows that stay, by the id of the row.
    """
    gone = pa.array(list(ids), pa.string())
    target.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(source) as old:
        new = _File(target, _renamed(old.schema_arrow, taxonomies[1]) if taxonomies else old.schema_arrow)
        try:
            for table in _row_groups(old):
                kept = table.filter(pc.invert(pc.is_in(table[column], gone)))
                if changes and not changes.keys().isdisjoint(kept[column].to_pylist()):
                    kept = table_of([changes.get(row[column], dict)(row) for row in kept.to_pylist()], kept.schema)
                if kept.num_rows:
                    new.add(_renumbered(kept, *taxonomies).cast(new.schema) if taxonomies else kept)
            new.close()
        except BaseException:
            new.abandon()
            raise


def _renamed(schema: pa.Schema, taxonomy: Taxonomy) -> pa.Schema:
    """Return a file's schema with the category names of another taxonomy."""
    declared = json.loads(schema.metadata[b"huggingface"])
    declared["info"]["features"]["category"] = features(taxonomy)["category"]
    return schema.with_metadata({"huggingface": json.dumps(declared, separators=(",", ":"))})


def _renumbered(table: pa.Table, old: Taxonomy, new: Taxonomy) -> pa.Table:
    """Return rows with the category numbers of another taxonomy."""
    numbers = pa.array([new.slugs.index(slug) if slug in new.slugs else None for slug in old.slugs], pa.int64())
    place = table.schema.get_field_index("category")
    return table.set_column(place, table.schema.field(place), numbers.take(table["category"].combine_chunks()))


def _row_groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for index in range(file.num_row_groups):
        yield file.read_row_group(index)


class _File:
    """A data file that is being written, one row group at a time, in separate chunks where a Xet storage keeps it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(self._sink, schema, **_OPTIONS)
        # The writer leaves the schema's metadata out if there is no ARROW:schema.
        self._writer.add_key_value_metadata(schema.metadata | _NAMED_CHUNKING)
        self._groups = 0

    def add(self, group: pa.Table) -> None:
        if self._groups:
            self._sink.write(BOUNDARY)
        self._writer.write_table(group)
        self._groups += 1

    def close(self) -> None:
        if self._groups > 1:  # with one group, only the footer could be deduplicated
            self._sink.write(BOUNDARY)
        self._writer.close()
        self._sink.close()

    def abandon(self) -> None:
        """Close a file after an error, so that the writer's finaliser does not fail too and print to the terminal."""
        for part in (self._writer, self._sink):
            with contextlib.suppress(OSError):
                part.close()
        self._writer.is_open = False


def table_of(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Do what `pa.Table.from_pylist` does, without growing a buffer for each image and copying it."""
    images = [field.name for field in schema if field.type == IMAGE]
    rest = pa.schema([field for field in schema if field.name not in images])
    columns = pa.Table.from_pylist(rows, rest)
    return pa.table(
        [_images([row[name] for row in rows]) if name in images else columns[name] for name in schema.names], schema
    )


@contextmanager
def large_buffers() -> Iterator[None]:
    """Make Arrow keep memory that it frees, if its allocator can.

    By default it returns large buffers to the system and gets them again page by page, which takes a third of the time
    of writing images.
    """
    usual = pa.default_memory_pool()
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _images(values: Sequence[dict[str, Any] | None]) -> pa.StructArray:
    """Return a column of images whose paths are all null."""
    files = [b"" if value is None else value["bytes"] for value in values]
    offsets = np.cumsum([0, *map(len, files)]).astype("int32")
    joined = b"".join(files)  # for a single image, no copy is made
    data = pa.Array.from_buffers(pa.binary(), len(files), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])
    missing = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays([data, pa.nulls(len(files), pa.string())], ["bytes", "path"], mask=missing)


BOUNDARY = b"safetypairs-hf: here ends a part; Xet starts another chunk 6vbrh"
