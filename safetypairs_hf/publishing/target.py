"""What a release needs of the place where a dataset lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from safetypairs_hf.errors import PublishError
from safetypairs_hf.publishing.manifest import Manifest
from safetypairs_hf.publishing.versions import Version

# What a repo or a folder may hold before its first release.
_HARMLESS = {".gitattributes"}


class Change(NamedTuple):
    """A release as files: those to write (name in the repo -> file here) and those to delete."""

    version: Version
    summary: str
    write: Mapping[str, Path]
    delete: Sequence[str]


class Target(Protocol):
    """`head` is read once; `commit` applies a change to exactly that head."""

    name: str

    def head(self) -> Manifest:
        """The newest version; an empty Manifest where nothing is published yet.

        Raises:
            PublishError: the target holds files that are not ours.
        """
        ...

    def fetch(self, name: str) -> Path:
        """A published file of the head, as a file here."""
        ...

    def commit(self, change: Change) -> str:
        """Apply the change; says where the new version is. Raises PublishError with nothing changed."""
        ...

    def tagged(self, version: Version) -> bool:
        """Whether the version can be loaded by its name."""
        ...

    def tag(self, version: Version) -> None:
        """Name the head."""
        ...


def refuse_foreign(name: str, files: Sequence[str]) -> None:
    """Raise PublishError if a target without our manifest holds anything."""
    foreign = sorted(set(files) - _HARMLESS)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise PublishError(f"{name} holds files that safetypairs did not write ({shown}); name an empty or new target")
