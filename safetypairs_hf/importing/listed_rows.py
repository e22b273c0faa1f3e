"""Read the images of a folder, or the samples of WebDataset tars, as rows in memory. The images stay on disk."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetypairs_hf.core.decoding import walk
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.file_names import name_in
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, ForeignTextError, parse_json, reading, whole
from safetypairs_hf.core.packed_list import PackedList
from safetypairs_hf.importing.image_cells import Files, Slice
from safetypairs_hf.importing.source_rows import IMAGE, SPLIT, TEXT, Column, value_at
from safetypairs_hf.importing.split_names import split_in, states_splits

IMAGE_COLUMN, PATH_COLUMN, FOLDER_COLUMN = "image", "image_path", "folder"
# The suffixes of the formats that `core.decoding` reads.
IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff"),
        *(".gif", ".bmp", ".avif", ".ppm", ".jp2", ".j2k", ".mpo"),
    )
)


@dataclass(frozen=True)
class ListedRows:
    """Rows in memory, with image cells that say where to read them. No cell may lead out of `root`."""

    origin: str
    rows: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    root: str = ""
    license: str = ""
    fingerprint: str = ""

    @cached_property
    def columns(self) -> dict[str, Column]:
        found: dict[str, Column] = {}
        divided = states_splits(str(row.get(SPLIT, "")) for row in self.rows)
        for row in self.rows:
            for name, value in row.items():
                if name == SPLIT and not divided:
                    continue
                kind = IMAGE if isinstance(value, Slice) or name == IMAGE_COLUMN else TEXT
                if name not in found or found[name].kind == TEXT:
                    found[name] = Column(kind)
        return found

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, number: int) -> str:
        return self.names[number]

    def texts(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield {name: row.get(name) for name in columns}

    def take(self, number: int, columns: Sequence[str], lane: str) -> dict[str, Any]:
        return {name: value_at(self.rows[number], name) for name in columns}

    def files(self, number: int) -> Files:
        return Files(self.root, self.root)


def folder_rows(folder: Path, origin: str, labels: Container[str]) -> ListedRows:
    """Return a row for each file below a folder, except hidden files.

    The columns are `image`, `image_path`, `folder` (the first folder in the path that is not named like a label or a
    split), and the split by its name. `labels` are in lower case.

    Raises:
        RecipeError: The folder holds no file.
    """
    rows, names = PackedList[dict[str, Any]](), PackedList[str]()
    for path in walk(folder):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts):
            continue
        name = name_in(folder, path)
        row = {IMAGE_COLUMN: os.fspath(relative), PATH_COLUMN: name}
        others = (part for part in relative.parts[:-1] if part.lower() not in labels and not split_in([part]))
        if inner := next(others, None):
            row[FOLDER_COLUMN] = inner
        rows.append(_with_split(row, relative.parts[:-1]))
        names.append(name)
    if not rows:
        raise RecipeError(f"the source {str(folder)!r} is an empty folder; give one that holds pairs of images")
    return ListedRows(origin, rows, names, os.fspath(folder))


def _with_split(row: dict[str, Any], parts: Iterable[str]) -> dict[str, Any]:
    split = split_in(parts)
    return {**row, SPLIT: split} if split else row


def tar_rows(paths: Sequence[Path], origin: str, several: bool) -> ListedRows:
    """Return a row for each sample of WebDataset tars.

    The files of a sample have the same stem, and each suffix is a column. A JSON object becomes one column per key. If
    every sample is a single image, its column is `image`. `image_path` is the name of the sample in the tar.

    Raises:
        RecipeError: A file is not a tar, is compressed, or holds no file.
    """
    samples: dict[str, dict[str, Any]] = {}
    for path in paths:
        for key, ending, member in _members(path):
            name = f"{path.name}/{key}" if several else key
            sample = samples.setdefault(name, _with_split({PATH_COLUMN: key}, [*Path(key).parts[:-1], path.name]))
            sample.update(_columns_of(path, ending, member))
    images = [{name for name, value in each.items() if isinstance(value, Slice)} for each in samples.values()]
    if images and all(len(found) == 1 for found in images):
        for sample, (name,) in zip(samples.values(), images, strict=True):
            sample[IMAGE_COLUMN] = sample.pop(name)
    if not samples:
        raise RecipeError(f"the tar {origin!r} holds no file; give one that holds pairs of images")
    return ListedRows(origin, PackedList(samples.values()), PackedList(samples))


def _members(path: Path) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """Yield the key and suffix of each file of a tar as WebDataset does: the name is split at its first dot."""
    with reading(f"the tar {str(path)!r}", "unpack what is compressed", RecipeError), tarfile.open(path, "r:") as tar:
        for member in tar:
            folder, _, file = member.name.removeprefix("./").rpartition("/")
            if member.isfile() and not file.startswith("."):
                stem, _, ending = file.partition(".")
                yield whole(f"{folder}/{stem}" if folder else stem), whole(ending), member


def _columns_of(path: Path, ending: str, member: tarfile.TarInfo) -> dict[str, Any]:
    place = Slice(os.fspath(path), member.offset_data, member.size)
    suffix = f".{ending.rpartition('.')[2].lower()}"
    if suffix in IMAGE_SUFFIXES:
        return {ending.rpartition(".")[0] or ending: place}
    if suffix not in (".json", ".txt", ".cls"):
        return {}
    with path.open("rb") as file:
        file.seek(place.offset)
        text = file.read(min(place.size, MOST_SETTING_BYTES)).decode("utf-8", "replace")
    if suffix == ".json":
        try:
            found = parse_json(text)
        except ForeignTextError:
            return {}
        return found if isinstance(found, dict) else {"json": found}
    return {ending: text}
