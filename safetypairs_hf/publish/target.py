"""Where a dataset lives: a repo on the Hub, or a local folder. Both take a release as one change, or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from safetypairs_hf.errors import PublishError
from safetypairs_hf.publish import manifest
from safetypairs_hf.publish.manifest import Manifest
from safetypairs_hf.publish.versions import Version

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


def parse_target(text: str, *, private: bool = False, gated: str | None = None) -> Target:
    """`org/name` is a Hub repo; what starts with `.`, `/` or `~` is a local folder.

    Raises:
        PublishError: it is neither, or could be both.
    """
    if text.startswith((".", "/", "~")):
        if private or gated:
            raise PublishError(f"{text} is a local folder: --private and --gated are for the Hub")
        return LocalTarget(text)
    if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", text):
        raise PublishError(f"{text!r} is no target; expected org/name on the Hub, or a local folder such as ./{text}")
    if Path(text).exists():
        raise PublishError(f"{text} is a folder here and could be a Hub id too; for the folder write ./{text}")
    from safetypairs_hf.publish.hub_target import HubTarget

    return HubTarget(text, private=private, gated=gated)


def refuse_foreign(name: str, files: Sequence[str]) -> None:
    """Raise PublishError if a target without our manifest holds anything."""
    foreign = sorted(set(files) - _HARMLESS)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
        raise PublishError(f"{name} holds files that safetypairs did not write ({shown}); name an empty or new target")


class LocalTarget:
    """A folder that `load_dataset("./safetypairs")` reads. It holds one version: the newest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(name).expanduser().resolve()
        self._aside = self.path.with_name(f".{self.path.name}.replaced")

    def head(self) -> Manifest:
        """See `Target.head`."""
        self._recover()
        if self.path.is_file():
            raise PublishError(f"{self.name} is a file; a target is a folder")
        file = self.path / manifest.NAME
        found = manifest.load(file.read_bytes()) if file.is_file() else None
        if found is None and self.path.is_dir():
            refuse_foreign(self.name, [item.name for item in self.path.iterdir()])
        return found or Manifest()

    def fetch(self, name: str) -> Path:
        return self.path / name

    def commit(self, change: Change) -> str:
        """Make the new folder beside the old one (its files linked, not copied) and exchange the two by renames."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _scratch(self.path) as new:
                if self.path.is_dir():
                    shutil.copytree(self.path, new, copy_function=_link, dirs_exist_ok=True)
                for name in change.delete:
                    (new / name).unlink()
                for name, source in change.write.items():
                    goal = new / name
                    goal.parent.mkdir(parents=True, exist_ok=True)
                    goal.unlink(missing_ok=True)  # it may be a link to the old version's file
                    shutil.copyfile(source, goal)
                _drop_empty_folders(new)
                if self.path.exists():
                    self.path.rename(self._aside)
                new.rename(self.path)
        except OSError as error:
            self._recover()
            raise PublishError(f"cannot write {self.name}: {error.strerror or error}; nothing was changed") from error
        shutil.rmtree(self._aside, ignore_errors=True)
        return self.name

    def tagged(self, version: Version) -> bool:
        return True

    def tag(self, version: Version) -> None:
        """A folder has no tags: its manifest names the version."""

    def _recover(self) -> None:
        """Undo a release that was killed between its two renames."""
        if self._aside.is_dir():
            if self.path.exists():
                shutil.rmtree(self._aside, ignore_errors=True)
            else:
                self._aside.rename(self.path)


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, so that a rename does not cross file systems; removed if it is still there."""
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _drop_empty_folders(root: Path) -> None:
    for folder in sorted((item for item in root.rglob("*") if item.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
