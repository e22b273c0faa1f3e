"""A source that reads a folder of images."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from safetypairs_hf.core.decoding import UnusableError, read, walk
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.file_names import find_seen, name_in
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.records import Candidate, Input, Origin, Reject
from safetypairs_hf.sources.admission import Admission, Raw
from safetypairs_hf.sources.frame import Frame
from safetypairs_hf.sources.labels import Judged, Labels, category_of, check_one, read_labels
from safetypairs_hf.sources.metadata import About, Columns, read_metadata
from safetypairs_hf.sources.screen import Screen
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE


class _File(NamedTuple):
    """A usable image. `name` is its path in the folder, and `pixels` a hash of its decoded pixels."""

    path: str
    name: str
    sha256: str
    pixels: str
    category: str
    label: str | None
    license: str


class _Scan(NamedTuple):
    """The result of reading a folder.

    Attributes:
        files: The usable images by name, those with places first.
        places: The image at each place; None if the place is empty.
        rejects: The name and the reason of each input that is not used.
    """

    files: dict[str, _File]
    places: tuple[_File | None, ...]
    rejects: tuple[tuple[str, Reject], ...]


@dataclass(frozen=True)
class FolderSource:
    """The images of a folder and its subfolders, in the order of their names.

    When a build starts, every file is decoded once to find the usable ones; the others are `rejected_inputs`. Of files
    that decode to equal pixels, the first is used. A run can be continued after images were added: known images keep
    their places, and new ones come after them.

    Args:
        path: The folder.
        license: The SPDX id of the licence of all images for which the metadata give none.
        category: The category of every image.
        judged: A judge that assigns the category.
        metadata: A CSV or JSON Lines file, relative to the folder, with a row per image (see `columns`). Images without
            a row are rejected. If there is no metadata, category or judge, the label of an image is the name of the
            subfolder of `path` that it is in. Names that look the same are equal (see `core.file_names`).
        labels: A mapping of labels to categories, for labels that are not categories; as text `gun=O6, fire=disasters`.
        columns: The names of the metadata's columns: file, label, license.
        name: The name of the images' origin; None for the folder's name.
        frame: The size to which images are resized.
        screen: The images that must not become a source.
        taxonomy: The taxonomy of the categories.

    Raises:
        RecipeError: There is no such folder, or settings exclude each other. At the first use: no image in the folder
            can be used, or the metadata or a hash list cannot be read.
    """

    path: str
    license: str = "NOASSERTION"
    category: str | None = None
    judged: Judged | None = None
    metadata: str | None = None
    labels: Labels = ""
    columns: Columns = field(default_factory=Columns)
    name: str | None = None
    frame: Frame = field(default_factory=Frame)
    screen: Screen = field(default_factory=Screen)
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise RecipeError(f"the source is {self.path!r}, which is not a folder; give a folder of images")
        check_one(category=self.category, judged=self.judged, labels=self.labels)
        read_labels(self.labels, self.taxonomy)
        if self.category is not None:
            self.taxonomy.find(self.category)

    def __getstate__(self) -> dict[str, Any]:
        # The scan is copied too, so that a worker does not read and check every image again.
        _ = self._scan
        return self.__dict__

    @property
    def holds_model(self) -> bool:
        """Whether the judge that assigns the category holds a model."""
        return self.judged is not None and bool(getattr(self.judged.judge, "holds_model", False))

    @property
    def encoder(self) -> str:
        """The encoder of the run's PNG files."""
        return self.frame.encoder

    def release(self) -> None:
        """Release the judge's model."""
        if self.judged is not None and hasattr(self.judged.judge, "release"):
            self.judged.judge.release()

    @property
    def size(self) -> int:
        return len(self._scan.places)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that an image of this source can have, in the order of the taxonomy."""
        found = self.judged.chosen if self.judged else {file.category for file in self._scan.files.values()}
        return tuple(self.taxonomy.present(found))

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return name and reason of each file that is not used, then of each image that only the metadata list."""
        return list(self._scan.rejects)

    def fingerprint(self) -> str:
        """Return the screen's fingerprint. The images have digests of their own in `inputs`."""
        return self.screen.fingerprint()

    def inputs(self) -> list[Input]:
        """Return the usable images, each with a hash of its bytes, category, label and licence."""
        return [Input(file.name, _digest(file), file.category) for file in self._scan.files.values()]

    def in_places(self, names: Sequence[str | None]) -> Self:
        """Return this source limited to these images, at these places, without reading the folder again."""
        _ = self._looked
        placed = copy.copy(self)
        placed.__dict__.pop("_scan", None)
        placed.__dict__["_names"] = tuple(names)
        return placed

    def take(self, start: int, stop: int) -> list[Candidate]:
        raws = [self._raw(file) for file in self._scan.places[start:stop] if file is not None]
        return Admission(self.frame, self.screen, self.judged)(raws)

    def _raw(self, file: _File) -> Raw:
        try:
            data = read(Path(file.path))
        except UnusableError:
            data = b""
        if sha256(data) != file.sha256:
            raise RecipeError(
                f"the image {file.path} changed or went away since the build began; put it back, or run the same "
                "command again, which takes the folder as it is then"
            )
        name = self.name or Path(self.path).resolve().name
        return Raw(file.name, Origin(name, file.name, file.license), data, file.category, file.label)

    @cached_property
    def _scan(self) -> _Scan:
        names: tuple[str | None, ...] | None = self.__dict__.get("_names")  # of the places in a run; see `in_places`
        usable = {file.name: file for file in self._looked.values() if isinstance(file, _File)}
        order = dict.fromkeys([*(name for name in names or () if name in usable), *usable])
        first: dict[str, _File] = {}  # by the hash of the pixels
        for name in order:
            first.setdefault(usable[name].pixels, usable[name])
        files = {file.name: file for file in first.values()}
        places = tuple(files.values()) if names is None else tuple(files.get(name or "") for name in names)
        rejects = []
        for name, found in self._looked.items():
            if isinstance(found, Reject):
                rejects.append((name, found))
            elif name not in files:
                rejects.append((name, Reject("source", "duplicate", f"the pixels of {first[found.pixels].name}")))
        if not files:
            why = "; ".join(f"{name}: {reject.reason}" for name, reject in rejects[:3]) or "it is empty"
            raise RecipeError(f"the source {self.path!r} holds no image that can be used ({why}); give one that does")
        return _Scan(files, places, tuple(rejects))

    @cached_property
    def _looked(self) -> dict[str, _File | Reject]:
        """Every file by its name in the folder, or the reason why it is not used, in the order of the names.

        Images that only the metadata list come last.
        """
        about = self._about()
        names: dict[str, Path] = {}
        metadata = self._metadata_path
        for path in walk(Path(self.path)):
            first = path if path == metadata else names.setdefault(name_in(Path(self.path), path), path)
            if first != path:
                raise RecipeError(
                    f"the source {self.path!r} holds two files of one name, {str(first.relative_to(self.path))!a} "
                    f"and {str(path.relative_to(self.path))!a}: people see no difference between them; rename one"
                )
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = pool.map(lambda name: self._look(name, names[name], about), names)
            looked = dict(zip(names, found, strict=True))
        return {**looked, **dict(_missing(about, looked))}

    @property
    def _metadata_path(self) -> Path | None:
        return None if self.metadata is None else find_seen(Path(self.path, self.metadata))

    def _about(self) -> dict[str, About] | None:
        if self._metadata_path is None:
            return None
        whole = self.category is not None or self.judged is not None
        return read_metadata(self._metadata_path, self.columns, needs_label=not whole)

    def _look(self, name: str, path: Path, about: dict[str, About] | None) -> _File | Reject:
        """Return the image of a file with the name `name` in the folder, or the reason why it is not used."""
        try:
            data = read(path)
            image = self.frame.open(data)
        except UnusableError as error:
            return Reject("source", *error.args)
        if about is not None and name not in about:
            return Reject("source", "not_in_metadata", f"{self.metadata} has no row of it")
        values = about[name] if about is not None else About(None, None)
        label = values.label if about is not None else _subfolder(name)
        slug = self._category(label)
        if isinstance(slug, Reject):
            return slug
        pixels = sha256(repr(image.size).encode() + image.tobytes())
        return _File(os.fspath(path), name, sha256(data), pixels, slug, label, values.license or self.license)

    def _category(self, label: str | None) -> str | Reject:
        if self.judged is not None:
            return ""
        if self.category:
            return self.taxonomy.find(self.category).slug
        return category_of(label, read_labels(self.labels, self.taxonomy), self.taxonomy)


def _subfolder(name: str) -> str | None:
    first, slash, _ = name.partition("/")
    return first if slash else None


def _digest(file: _File) -> str:
    parts = (file.sha256, file.category, "" if file.label is None else f"={file.label}", file.license)
    return sha256("\0".join(parts).encode())[:16]


def _missing(about: dict[str, About] | None, there: Collection[str]) -> Iterator[tuple[str, Reject]]:
    for name in about or ():
        if name not in there:
            yield name, Reject("source", "missing_file", "the metadata names it, and it is not in the folder")
