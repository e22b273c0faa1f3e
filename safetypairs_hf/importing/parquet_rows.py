"""Read Parquet files as rows, one file after another and repeatedly, with only a few rows in memory."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.importing.source_rows import IMAGE, IMAGES, OTHER, SPLIT, TEXT, Column, top
from safetypairs_hf.importing.split_names import states_splits

_BATCH = 16  # rows with images that are decoded together
_READ = 1 << 20  # bytes read at once
_MOST_OPEN = 2  # open files, one for each member of a pair: each keeps buffers of megabytes


class ParquetFile(NamedTuple):
    """A file: its path, its name in messages, its split ("" if unknown), and the place of its images."""

    path: str
    name: str
    split: str
    files: Files


class _Shape(NamedTuple):
    """The schema of the first file, and where row groups and files begin and end.

    `groups` has (file, group) of each nonempty row group, and `starts` its first row. `ends` has 0, then the row after
    the last row of each file, counted over all files.
    """

    schema: pa.Schema
    groups: tuple[tuple[int, int], ...]
    starts: list[int]
    ends: list[int]


class _Reader:
    """The rows of the files from a given row. It is kept as long as rows are read in rising order."""

    def __init__(self, rows: Iterator[dict[str, Any]], first: int) -> None:
        self.rows, self.next = rows, first


@dataclass(frozen=True)
class ParquetRows:
    """The rows of Parquet files with the same columns, in the order of the files. See `Rows`.

    Raises:
        RecipeError: A file is not a Parquet file, or its columns differ from those of the first file.
    """

    origin: str
    parts: tuple[ParquetFile, ...]
    fingerprint: str = ""
    license: str = ""
    kept: Any = field(default=None, compare=False, repr=False)  # kept alive with the rows, such as a temporary folder

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_readers", "_open", "kept")}

    def __len__(self) -> int:
        return self._shape.ends[-1]

    @cached_property
    def columns(self) -> dict[str, Column]:
        schema = self._shape.schema
        features = _features(schema)
        found = {name: _column(schema.field(name).type, features.get(name)) for name in schema.names}
        return found | ({SPLIT: Column(TEXT)} if states_splits(part.split for part in self.parts) else {})

    def name(self, number: int) -> str:
        part, row = self._place(number)
        return f"{self.parts[part].name}:{row}" if len(self.parts) > 1 else f"row {row}"

    def texts(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        yield from self._rows(columns, 0, batch=1024)

    def take(self, number: int, columns: Sequence[str], lane: str) -> dict[str, Any]:
        readers: dict[Any, _Reader] = self.__dict__.setdefault("_readers", {})
        key = (lane, *columns)
        reader = readers.get(key)
        if reader is None or not reader.next <= number < self._group_end(reader.next):
            reader = readers[key] = _Reader(self._rows(columns, first := self._group_start(number)), first)
        row: dict[str, Any] = {}
        while reader.next <= number:
            row = next(reader.rows)
            reader.next += 1
        return row

    def files(self, number: int) -> Files:
        return self.parts[self._place(number)[0]].files

    def _rows(self, columns: Sequence[str], first: int, batch: int = _BATCH) -> Iterator[dict[str, Any]]:
        """Yield the rows from `first`, which begins a row group."""
        wanted = list(dict.fromkeys(top(path, self.columns) for path in columns))
        names = {name: self.columns[name].labels for name in wanted if self.columns[name].labels}
        for part, group in self._shape.groups[bisect_right(self._shape.starts, first) - 1 :]:
            stored = [_leaf(name, columns) for name in wanted if name != SPLIT]
            file = self._file(part)
            if not stored:
                yield from ({SPLIT: self.parts[part].split} for _ in range(file.metadata.row_group(group).num_rows))
                continue
            batches = file.iter_batches(batch, row_groups=[group], columns=stored, use_threads=False)
            while True:
                with reading(self.parts[part].name, "", RecipeError):
                    rows = found.to_pylist() if (found := next(batches, None)) is not None else None
                if rows is None:
                    break
                for row in rows:
                    if SPLIT in wanted:
                        row[SPLIT] = self.parts[part].split
                    for name, labels in names.items():
                        row[name] = _label(row[name], labels)
                    yield row

    def _file(self, number: int) -> pq.ParquetFile:
        files: dict[int, pq.ParquetFile] = self.__dict__.setdefault("_open", {})
        files[number] = file = files.pop(number, None) or _open(self.parts[number])
        if len(files) > _MOST_OPEN:
            del files[next(iter(files))]  # the least recently used one
        return file

    @cached_property
    def _shape(self) -> _Shape:
        schema = self._file(0).schema_arrow
        groups, sizes, ends = [], list[int](), [0]
        for part, named in enumerate(self.parts):
            file = self._file(part)
            if other := sorted(set(file.schema_arrow.names) ^ set(schema.names)):
                raise RecipeError(
                    f"{named.name} has other columns than {self.parts[0].name} ({', '.join(other[:5])}); import them "
                    "separately, each into its own run"
                )
            rows = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            groups += [(part, group) for group, size in enumerate(rows) if size]
            sizes += filter(None, rows)
            ends.append(ends[-1] + sum(rows))
        return _Shape(schema, tuple(groups), list(accumulate(sizes, initial=0))[:-1], ends)

    def _place(self, number: int) -> tuple[int, int]:
        part = bisect_right(self._shape.ends, number) - 1
        return part, number - self._shape.ends[part]

    def _group_start(self, number: int) -> int:
        return self._shape.starts[bisect_right(self._shape.starts, number) - 1]

    def _group_end(self, number: int) -> int:
        place = bisect_right(self._shape.starts, number)
        return self._shape.starts[place] if place < len(self._shape.starts) else len(self)


def _leaf(column: str, paths: Sequence[str]) -> str:
    """Return the part of a column to read: of an image, only the path if the bytes are not needed."""
    asked = {path for path in paths if path.startswith(column)}
    return f"{column}.path" if asked == {f"{column}.path"} else column


def _open(part: ParquetFile) -> pq.ParquetFile:
    with reading(part.name, "", RecipeError):
        # With a buffer, a row group is read in parts; without one, the whole group would be in memory.
        if "://" not in part.path:
            return pq.ParquetFile(part.path, buffer_size=_READ)
        import fsspec

        return pq.ParquetFile(fsspec.open(part.path, "rb").open(), buffer_size=_READ)


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the features that `datasets` recorded for the columns."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _column(kind: pa.DataType, feature: Any) -> Column:
    said = feature.get("_type") if isinstance(feature, dict) else None
    if said == "ClassLabel" and isinstance(feature.get("names"), list):
        return Column(TEXT, tuple(map(str, feature["names"])))
    if said == "Image" or _is_image(kind):
        return Column(IMAGE)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _column(kind.value_type, None)
        return Column(IMAGES if inner.kind == IMAGE else OTHER)
    return Column(OTHER if pa.types.is_nested(kind) else TEXT)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(number).name for number in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _label(value: Any, labels: Sequence[str]) -> Any:
    if isinstance(value, int):
        return labels[value] if 0 <= value < len(labels) else None  # datasets stores a missing label as -1
    return value
