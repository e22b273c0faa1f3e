"""What a version must hold by its manifest, and what is done where something else comes."""

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
    """The files of a version as its manifest names them.

    `name` is what messages call the version; `place` what the memory of checks does. `file` is its manifest here;
    `reviews` its reviews here, None where it has none; `roots` what the address of a data file may begin with.
    `folder`: whether it is one, which may change. `strict`: whether anything else is an error, or a warning. `wrong`:
    what is known to be wrong with files of it already.
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
        """See `manifest.open_file`. Raises SafetyPairsError where it is not ours, or damaged."""
        return read_head(self.file, self.name)

    @cached_property
    def files(self) -> dict[str, FileHash]:
        """The data files by name, with those of controls, failures and reviews."""
        found = manifest.hashes(self.head, "files")
        found.pop(failure_rows.NAME, None)
        if of_reviews := manifest.hashes(self.head, "sidecars").get(reviews.NAME):
            found[reviews.NAME] = of_reviews
        return found

    @cached_property
    def reviewed(self) -> dict[str, Review]:
        """What people said of the pairs, by pair id; checked as the data files are.

        Raises:
            VersionMismatch: it is not what was published.
            SafetyPairsError: it does not read.
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
        """32 hex digits that stand for everything the manifest names, the bytes of each data file included."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()[:32]

    def local_name(self, address: str) -> str:
        """The name of a data file by its path or URL."""
        root = next((root for root in self.roots if address.startswith(f"{root}/")), "")
        return address.removeprefix(f"{root}/") if root else address

    def other_files(self, config: str, comes: Mapping[str, Iterable[str]]) -> list[str]:
        """What is wrong with the files that come for the splits of a config, in words."""
        expected = config_files(self.files).get(config)
        if expected is None:
            return [f"config {config}: the manifest knows no such config"]
        found = []
        for split in sorted({*expected, *comes}):
            here, named = set(comes.get(split, ())), expected.get(split, set())
            found += [f"{name}: is in {config}/{split}, and the manifest has it not" for name in sorted(here - named)]
            found += [f"{name}: is missing from {config}/{split}" for name in sorted(named - here)]
        names = sorted({*self._names(expected), *self._names(comes)})
        return [*found, *(f"{name}: {self.wrong[name]}" for name in names if name in self.wrong)]

    def other_bytes(self, paths: Mapping[str, Path]) -> list[str]:
        """What is wrong with the bytes of data files that lie here, in words."""
        known = {name: path for name, path in paths.items() if name in self.files}
        try:
            found = digests(known, self.place)
        except OSError as error:
            return [f"{error.filename}: does not read: {error.strerror}"]
        return [f"{name}: {_said(path)}" for name, path in known.items() if found[name] != self.files[name].sha256]

    def refuse(self, problems: list[str]) -> None:
        """Raise VersionMismatch where there are problems, or log them where that was asked for."""
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
    """The head of a manifest. Raises SafetyPairsError where it is not ours, or damaged."""
    try:
        found = manifest.open_file(file)
    except PublishError as error:
        raise SafetyPairsError(f"{name}: {error}") from error
    if found is None:
        raise SafetyPairsError(f"{name} has no {manifest.NAME} of ours; it was not published by safetypairs")
    return found[1]


def other_tree(content: Content, listed: Mapping[str, Stored]) -> dict[str, str]:
    """What is wrong with the data files that the Hub lists, by file, in words."""
    here = {name for name in listed if name.startswith(FOLDERS)} - {failure_rows.NAME}
    wrong = dict.fromkeys(here - content.files.keys(), "is on the Hub, and the manifest has it not")
    for name, expected in content.files.items():
        if name not in listed:
            wrong[name] = "is missing on the Hub"
        elif listed[name] != Stored(expected.size, expected.sha256):
            wrong[name] = "its bytes on the Hub are not those that the manifest names"
    return wrong


def is_tree_right(tree: str) -> bool:
    """Whether the Hub's list of a commit's files was found right before."""
    return bool(remembered.recall("trees", tree))


def remember_tree(tree: str) -> None:
    """Remember that the Hub's list of a commit's files is right."""
    remembered.remember("trees", tree, {"right": True})


def as_it_is(folder: Path) -> str:
    """32 hex digits that change with every change of a published folder's files, without a byte of data read."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\n{' '.join(map(str, state(path)))}\n".encode())
    return digest.hexdigest()[:32]


def _said(path: Path) -> str:
    if manifest.is_pointer(path):
        return manifest.LFS_ADVICE
    what = "its bytes are not those that the manifest names"
    # A link into the Hub's cache is not downloaded again while it is there.
    return f"{what}; the copy here is damaged: delete {path.resolve()}" if path.is_symlink() else what
