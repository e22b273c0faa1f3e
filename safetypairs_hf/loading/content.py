"""The content that a version must have by its manifest, and the handling of anything else."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from safetypairs_hf.core import remembered
from safetypairs_hf.core.errors import PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.file_digests import digests, state
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import Stored
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import failure_rows, manifest, reviews
from safetypairs_hf.dataset.config_files import config_files
from safetypairs_hf.dataset.manifest import FOLDERS, FileHash
from safetypairs_hf.dataset.reviews import Review

logger = logging.getLogger(__name__)

CHECKS = ("error", "warn")


@dataclass(frozen=True)
class Content:
    """The files of a version as its manifest lists them.

    Attributes:
        name: The version's name in messages.
        place: The version's name in the memory of checks.
        file: The local path of its manifest.
        roots: The possible beginnings of the addresses of its data files.
        folder: Whether it is a local folder, which may change.
        strict: Whether other content is an error instead of a warning.
        wrong: Problems that are already known, by file.
        reviews: The local path of its reviews; None if it has none.
    """

    name: str
    place: str
    file: Path
    roots: tuple[str, ...]
    folder: bool
    strict: bool
    reviews: Path | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def head(self) -> dict[str, Any]:
        """The manifest's head; see `manifest.open_file`.

        Raises SafetyPairsError if it is damaged or not of safetypairs.
        """
        return read_head(self.file, self.name)

    @cached_property
    def files(self) -> dict[str, FileHash]:
        """The hash of each data file, by name, including those of controls, failures and reviews."""
        found = manifest.hashes(self.head, "files")
        found.pop(failure_rows.NAME, None)
        if of_reviews := manifest.hashes(self.head, "sidecars").get(reviews.NAME):
            found[reviews.NAME] = of_reviews
        return found

    @cached_property
    def reviewed(self) -> dict[str, Review]:
        """The reviews by pair id. Their file is checked as data files are.

        Raises:
            VersionMismatch: The file is not the published one.
            SafetyPairsError: It cannot be read.
        """
        if self.reviews is None:
            return {}
        self.refuse(self.other_bytes({reviews.NAME: self.reviews}))
        with reading(f"{self.name}: {reviews.NAME}", f"see: safetypairs verify {self.name}"):
            return reviews.load(self.reviews, pq.read_metadata(self.file).num_rows)

    @property
    def version(self) -> Version:
        return parse(self.head["version"])

    def digest(self) -> str:
        """Return 32 hex digits that identify everything the manifest lists, including the bytes of each data file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()[:32]

    def local_name(self, address: str) -> str:
        """Return the name of a data file from its path or URL."""
        root = next((root for root in self.roots if address.startswith(f"{root}/")), "")
        return address.removeprefix(f"{root}/") if root else address

    def other_files(self, config: str, comes: Mapping[str, Iterable[str]]) -> list[str]:
        """Return the differences between the files that `datasets` selected for a config and those of the manifest."""
        expected = config_files(self.files).get(config)
        if expected is None:
            return [f"config {config}: the manifest has no such config"]
        found = []
        for split in sorted({*expected, *comes}):
            here, named = set(comes.get(split, ())), expected.get(split, set())
            found += [f"{name}: is in {config}/{split}, but not in the manifest" for name in sorted(here - named)]
            found += [f"{name}: is missing from {config}/{split}" for name in sorted(named - here)]
        names = sorted({*self._names(expected), *self._names(comes)})
        return [*found, *(f"{name}: {self.wrong[name]}" for name in names if name in self.wrong)]

    def other_bytes(self, paths: Mapping[str, Path]) -> list[str]:
        """Return the local data files whose bytes are not the published ones, as sentences."""
        known = {name: path for name, path in paths.items() if name in self.files}
        try:
            found = digests(known, self.place)
        except OSError as error:
            return [f"{error.filename}: does not read: {error.strerror}"]
        return [f"{name}: {_said(path)}" for name, path in known.items() if found[name] != self.files[name].sha256]

    def refuse(self, problems: list[str]) -> None:
        """Raise VersionMismatch if there are problems, or log them if `strict` is false."""
        if not problems:
            return
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        said = f"{self.name} is not as it was published: {problems[0]}{more}"
        if self.strict:
            raise VersionMismatch(
                f'{said}; see: safetypairs verify {self.name}; to load it as it is, on purpose: check="warn"'
            )
        logger.warning("%s", said)

    @staticmethod
    def _names(splits: Mapping[str, Iterable[str]]) -> set[str]:
        return {name for names in splits.values() for name in names}


def read_head(file: Path, name: str) -> dict[str, Any]:
    """Return the head of a manifest. Raises SafetyPairsError if it is damaged, or not a manifest of safetypairs."""
    try:
        found = manifest.open_file(file)
    except PublishError as error:
        raise SafetyPairsError(f"{name}: {error}") from error
    if found is None:
        raise SafetyPairsError(f"{name} has no {manifest.NAME} of safetypairs; it was not published by safetypairs")
    return found[1]


def other_tree(content: Content, listed: Mapping[str, Stored]) -> dict[str, str]:
    """Return what is wrong with the data files that the Hub lists, as a sentence for each file."""
    here = {name for name in listed if name.startswith(FOLDERS)} - {failure_rows.NAME}
    wrong = dict.fromkeys(here - content.files.keys(), "is on the Hub, but not in the manifest")
    for name, expected in content.files.items():
        if name not in listed:
            wrong[name] = "is missing on the Hub"
        elif listed[name] != Stored(expected.size, expected.sha256):
            wrong[name] = "its bytes on the Hub are not those that the manifest names"
    return wrong


def is_tree_right(tree: str) -> bool:
    """Return whether the Hub's list of a commit's files was checked before and found right."""
    return bool(remembered.recall("trees", tree))


def remember_tree(tree: str) -> None:
    """Remember that the Hub's list of a commit's files is right."""
    remembered.remember("trees", tree, {"right": True})


def as_it_is(folder: Path) -> str:
    """Return 32 hex digits that change with any file of a published folder, without reading the data."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\n{' '.join(map(str, state(path)))}\n".encode())
    return digest.hexdigest()[:32]


def _said(path: Path) -> str:
    if manifest.is_pointer(path):
        return manifest.LFS_ADVICE
    what = "its bytes are not those that the manifest names"
    # A link into the Hub's cache is not downloaded again while its target exists.
    return f"{what}; the copy here is damaged: delete {path.resolve()}" if path.is_symlink() else what
