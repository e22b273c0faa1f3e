"""Write data files: new pairs go into new files, and a published one is rewritten only where a pair goes or changes."""

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

# A file closes at so many pairs, or so many bytes of images; pyarrow's first read of 64 kB should hold the footer, of
# 2 kB a group. Halving the file did not make a removal cheaper.
PAIRS_A_FILE = 100
FILE_BYTES = 8 * 1024 * 1024
# Of images, in a row group: what a reader of one group fetches. A group is also where a removal shows. Of 1,200 pairs
# of 212 kB, adding 24 and removing 12 stores 2.1 times the new pairs' bytes with this, 2.5 times with 2 MB, and 1.6
# times with one pair a group, where the footers would be larger than pyarrow's first read.
GROUP_BYTES = 512 * 1024
# The first file of a release, split and category is one such group: a stream by `datasets` 4 and 5 fetches the whole
# first file before its first pair, as pyarrow reads adjacent groups at once (up to 32 MB), whatever their size.
FIRST_FILE_BYTES = GROUP_BYTES

# Nothing is compressed: the images are already, and the text of a row is less than a hundredth of it. What else could
# be left out is left out, as a release of few pairs is many small files: statistics and a page index help no reader of
# such small groups, and ARROW:schema would repeat what the features say. With content-defined chunking a removal stored
# 7.5 times the new bytes, so it stays off. With a page index, pyarrow 26 also writes histograms, and ends the process
# where one is damaged (`ColumnChunkMetaData`), so that `verify` could not name the file.
_OPTIONS: dict[str, Any] = {
    "compression": "NONE",
    "use_dictionary": False,
    "write_statistics": False,
    "write_page_index": False,
    "store_schema": False,
}
_IMAGES = ("unsafe_image", "safe_image", "edited_image", "image")
RowChange = Callable[[dict[str, Any]], dict[str, Any]]  # makes a row as it is to be of one as it is


@dataclass
class _Shard:
    """An open file of one split and category, or of a category's failures.

    `controls`: the open file of the controls of its pairs, where any has some.
    """

    name: str
    file: _File
    limit: int  # bytes of images at which the file closes
    controls: _Shard | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0  # bytes of the images of `rows`
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
    """Writes rows below `folder`, few of them in memory at a time.

    Pairs go to `data/<split>/<category>/<version>-<n>.parquet`, their controls to the file of the same name under
    `controls/`, policy pairs to `policy_pairs/<split>/<version>-<n>.parquet`, failures to
    `failures/<category>/<version>-<n>.parquet`. `whole`: called with the name of each file when it is whole.
    `taxonomy`: what the categories are of.
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
        """Write a pair with its controls; the name of its file."""
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
        """Write a failure; the name of its file."""
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
            for shard in self._open.values():  # none, where all went well
                shard.file.abandon()
                if shard.controls is not None:
                    shard.controls.file.abandon()

    def _shard(self, where: str, schema: pa.Schema) -> _Shard:
        """The open file of a folder, made where there is none."""
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
    """Write `source` to `target` less the rows with some ids in `column`, a row group at a time.

    `taxonomies`: what the categories are of in `source`, and what they are to be of; the second has every category of
    the rows that stay. `changes`: for the id of a row that stays, what makes another row of it.
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
    """A file's schema with the names of other categories."""
    declared = json.loads(schema.metadata[b"huggingface"])
    declared["info"]["features"]["category"] = features(taxonomy)["category"]
    return schema.with_metadata({"huggingface": json.dumps(declared, separators=(",", ":"))})


def _renumbered(table: pa.Table, old: Taxonomy, new: Taxonomy) -> pa.Table:
    """Rows with the numbers that their categories have in another taxonomy."""
    numbers = pa.array([new.slugs.index(slug) if slug in new.slugs else None for slug in old.slugs], pa.int64())
    place = table.schema.get_field_index("category")
    return table.set_column(place, table.schema.field(place), numbers.take(table["category"].combine_chunks()))


def _row_groups(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for index in range(file.num_row_groups):
        yield file.read_row_group(index)


class _File:
    """A data file that is written: a row group each time, in chunks of its own where a Xet storage keeps it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(self._sink, schema, **_OPTIONS)
        self._writer.add_key_value_metadata(schema.metadata)  # without ARROW:schema, the writer leaves it out
        self._groups = 0

    def add(self, group: pa.Table) -> None:
        if self._groups:
            self._sink.write(BOUNDARY)
        self._writer.write_table(group)
        self._groups += 1

    def close(self) -> None:
        if self._groups > 1:  # of one group, nothing but the footer would be found again
            self._sink.write(BOUNDARY)
        self._writer.close()
        self._sink.close()

    def abandon(self) -> None:
        """Close a file that is lost, so that the writer's finaliser does not fail again, on the user's terminal."""
        for part in (self._writer, self._sink):
            with contextlib.suppress(OSError):
                part.close()
        self._writer.is_open = False


def table_of(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """As `pa.Table.from_pylist`, which lets each image grow byte by byte into a buffer and then copies that."""
    images = [field.name for field in schema if field.type == IMAGE]
    rest = pa.schema([field for field in schema if field.name not in images])
    columns = pa.Table.from_pylist(rows, rest)
    return pa.table(
        [_images([row[name] for row in rows]) if name in images else columns[name] for name in schema.names], schema
    )


@contextmanager
def large_buffers() -> Iterator[None]:
    """Arrow keeps the memory that it frees, where it can.

    Its usual allocator gives large buffers back to the system, and gets them again page by page: a third of the time
    that it takes to write images.
    """
    usual = pa.default_memory_pool()
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


def _images(values: Sequence[dict[str, Any] | None]) -> pa.StructArray:
    """A column of images, whose paths are all null."""
    files = [b"" if value is None else value["bytes"] for value in values]
    offsets = np.cumsum([0, *map(len, files)]).astype("int32")
    joined = b"".join(files)  # of one image, that very image
    data = pa.Array.from_buffers(pa.binary(), len(files), [None, pa.py_buffer(offsets), pa.py_buffer(joined)])
    missing = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays([data, pa.nulls(len(files), pa.string())], ["bytes", "path"], mask=missing)


BOUNDARY = b"safetypairs-hf: here ends a part; Xet starts another chunk 6vbrh"
