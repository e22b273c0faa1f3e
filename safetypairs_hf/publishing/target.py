"""The interface of a place to publish to, and what makes a release refuse one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset import failure_rows, reviews
from safetypairs_hf.dataset.failure_rows import Failed
from safetypairs_hf.dataset.manifest import FOLDERS, RESTORE, Manifest
from safetypairs_hf.dataset.manifest_head import refuse_lacking
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.dataset.sidecars import SIDECARS
from safetypairs_hf.publishing.uploader import Ready

# What a repo or a folder may hold before its first release.
_HARMLESS = {".gitattributes"}
# How a target stands when a release ends early, for the user.
UNCHANGED = "no version was changed, and the same command goes on from here"
PUBLISHED = "the new version is there"


class Change(NamedTuple):
    """A release as files: those to write (name in the repo -> file here) and those to delete."""

    version: Version
    summary: str
    write: Mapping[str, Path]
    delete: Sequence[str]


@dataclass(frozen=True)
class Head:
    """The newest version at a target, which a release builds on: its manifest, its failures and its reviews."""

    target: Target
    manifest: Manifest
    failed: Sequence[Failed] = ()
    reviews: Mapping[str, Review] = field(default_factory=dict)


class Target(Protocol):
    """`head` is read once; `commit` applies a change to exactly that head."""

    name: str

    @property
    def proposes(self) -> bool:
        """Whether a release becomes a pull request."""
        ...

    @property
    def published_name(self) -> str:
        """The name that the published files give: `org/name`, or `./name` of a folder without the folders above it."""
        ...

    @property
    def public(self) -> bool:
        """Whether anybody may read what is published here."""
        ...

    def head(self) -> Manifest:
        """The newest version; an empty Manifest where nothing is published yet.

        Raises:
            PublishError: the target holds files that are not ours.
        """
        ...

    def standing(self) -> str:
        """How the target stands where a release was stopped, and how to go on, for the user."""
        ...

    def fetch(self, name: str) -> Path:
        """A published file of the head, as a file here."""
        ...

    def begin(self, version: Version) -> None:
        """Make the target ready to take that version's files. Raises PublishError where it cannot be published."""
        ...

    def send(self, files: Mapping[str, Ready]) -> None:
        """Bring data files to the target ahead of the commit; no version changes. From one thread at a time."""
        ...

    def commit(self, change: Change) -> str:
        """Apply the change; says where the new version is. Raises PublishError with nothing changed."""
        ...

    def settle(self) -> None:
        """Apply the requested visibility and gating. Raises PublishError if the target does not confirm them."""
        ...

    def tagged(self, version: Version) -> bool:
        """Whether the version can be loaded by its name. Raises PublishError where its tag names another one."""
        ...

    def tag(self, version: Version) -> None:
        """Name the head."""
        ...


def open_head(target: Target) -> Head:
    """Read what a release needs to know of the newest version.

    Raises:
        PublishError: the target holds files that are not ours, or a manifest of its does not read.
        HubUnavailable: the Hub did not answer, or refused this token.
    """
    held = target.head()
    refuse_lacking(held.releases)
    failed: Sequence[Failed] = ()
    reviewed: Mapping[str, Review] = {}
    if failure_rows.NAME in held.files:
        with reading(f"{failure_rows.NAME} of {target.name}", RESTORE, PublishError):
            failed = failure_rows.load(target.fetch(failure_rows.NAME).read_bytes())
    if reviews.NAME in held.sidecars:
        with reading(f"{reviews.NAME} of {target.name}", RESTORE, PublishError):
            reviewed = reviews.load(target.fetch(reviews.NAME), len(held.entries))
    return Head(target, held, failed, reviewed)


def refuse_foreign(name: str, files: Sequence[str]) -> None:
    """Raise PublishError if a target without our manifest holds anything."""
    if foreign := set(files) - _HARMLESS:
        raise PublishError(
            f"{name} holds files that safetypairs did not write ({_some(foreign)}); name an empty or new target"
        )


def refuse_strays(name: str, files: Sequence[str], held: Manifest) -> None:
    """Raise PublishError unless the Parquet files of a target are those that its manifest names.

    So too where another file would change what `datasets` loads: other Parquet files, scripts, other metadata.
    """
    if misleading := [file for file in files if _misleads(file)]:
        raise PublishError(
            f"{name} holds files that safetypairs did not write, which change what is loaded from it "
            f"({_some(misleading)}); delete them"
        )
    here = {file for file in files if file.startswith(FOLDERS)}
    named = {entry.file for entry in held.entries} | held.files.keys()
    if strays := here - named:
        raise PublishError(f"{name} holds data files that safetypairs did not write ({_some(strays)}); delete them")
    if lost := named - here:
        raise PublishError(f"{name} lacks files that its manifest names ({_some(lost)}); restore them")


def refuse_changed(name: str, last: Version, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise PublishError where a file that a release writes is not as the last one left it.

    `before` and `now`: the files of the last version and of the head, each with an id of its content.
    """
    ours = {file for file in (*before, *now) if file in SIDECARS or file.startswith(FOLDERS)}
    if changed := [file for file in ours if before.get(file) != now.get(file)]:
        raise PublishError(
            f"{name} was changed after {last.tag} by somebody else: {_some(changed)}; a release would overwrite that: "
            f"put it back as {last.tag} has it, then run again"
        )


def published_meanwhile(name: str) -> PublishError:
    """The error where the target is not as it was when the release was planned."""
    return PublishError(f"somebody else published to {name} meanwhile; nothing was changed: run it again")


def _misleads(file: str) -> bool:
    """Whether `datasets` may read or run a file that is none of ours."""
    if file in SIDECARS or file.startswith(FOLDERS):
        return False
    return (
        file in (".huggingface.yaml", "dataset_infos.json")
        or file.endswith(".parquet")
        or (file.endswith(".py") and "/" not in file)
    )


def _some(files: Iterable[str]) -> str:
    first = sorted(files)
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
