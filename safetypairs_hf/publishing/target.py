"""The interface of a place to publish to, and the reasons to refuse a release there."""

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

# The files that a repo or folder may hold before its first release.
_HARMLESS = {".gitattributes"}
# What to tell the user about the target after an interrupted release.
UNCHANGED = "no version was changed; run the same command again to continue"
PUBLISHED = "the new version is there"


class Change(NamedTuple):
    """The files of a release: those to write (name in the repo -> local path) and those to delete."""

    version: Version
    summary: str
    write: Mapping[str, Path]
    delete: Sequence[str]


@dataclass(frozen=True)
class Head:
    """The newest version at a target, which a release builds on: its manifest, failures and reviews."""

    target: Target
    manifest: Manifest
    failed: Sequence[Failed] = ()
    reviews: Mapping[str, Review] = field(default_factory=dict)


class Target(Protocol):
    """A place to publish to. `head` is read once; `commit` applies a change to exactly that head."""

    name: str

    @property
    def proposes(self) -> bool:
        """Whether a release becomes a pull request."""
        ...

    @property
    def published_name(self) -> str:
        """The name for the published files: `org/name`, or `./name` for a folder, without its parent folders."""
        ...

    @property
    def public(self) -> bool:
        """Whether anybody can read what is published here."""
        ...

    def head(self) -> Manifest:
        """Return the newest version; an empty Manifest if nothing was published yet.

        Raises:
            PublishError: The target holds files that safetypairs did not write.
        """
        ...

    def standing(self) -> str:
        """Tell the user the state of the target after an interrupted release, and how to continue."""
        ...

    def fetch(self, name: str) -> Path:
        """Return the local path of a published file of the head."""
        ...

    def begin(self, version: Version) -> None:
        """Prepare the target for the files of that version. Raises PublishError if it cannot be published."""
        ...

    def send(self, files: Mapping[str, Ready]) -> None:
        """Upload data files ahead of the commit, which changes no version. Called from one thread at a time."""
        ...

    def commit(self, change: Change) -> str:
        """Apply the change and return its address. Raises PublishError if nothing was changed."""
        ...

    def settle(self) -> None:
        """Apply the requested visibility and gating. Raises PublishError if the target does not confirm them."""
        ...

    def tagged(self, version: Version) -> bool:
        """Return whether the version can be loaded by name.

        Raises PublishError if its tag points to another version.
        """
        ...

    def tag(self, version: Version) -> None:
        """Tag the head with the version."""
        ...


def open_head(target: Target) -> Head:
    """Read everything about the newest version that a release needs.

    Raises:
        PublishError: The target holds files that safetypairs did not write, or a manifest cannot be read.
        HubUnavailable: The Hub did not answer, or refused the token.
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
    """Raise PublishError if a target without a manifest of safetypairs holds files."""
    if foreign := set(files) - _HARMLESS:
        raise PublishError(
            f"{name} holds files that safetypairs did not write ({_some(foreign)}); name an empty or new target"
        )


def refuse_strays(name: str, files: Sequence[str], held: Manifest) -> None:
    """Raise PublishError unless the Parquet files of a target are exactly those that its manifest names.

    Other files that change what `datasets` loads are refused too: scripts, and other metadata.
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
    """Raise PublishError if a file was changed after the last release wrote it.

    `before` and `now` hold an id of the content of each file, for the last version and for the head.
    """
    ours = {file for file in (*before, *now) if file in SIDECARS or file.startswith(FOLDERS)}
    if changed := [file for file in ours if before.get(file) != now.get(file)]:
        raise PublishError(
            f"{name} was changed after {last.tag} by somebody else: {_some(changed)}; a release would overwrite that: "
            f"restore it from {last.tag}, then run again"
        )


def published_meanwhile(name: str) -> PublishError:
    """The error where the target is not as it was when the release was planned."""
    return PublishError(f"somebody else published to {name} meanwhile; nothing was changed: run it again")


def _misleads(file: str) -> bool:
    """Return whether `datasets` may read or run a file that safetypairs did not write."""
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
