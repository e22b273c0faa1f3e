"""A dataset in a local folder: a release is a new folder in the old one's place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetypairs_hf.errors import PublishError
from safetypairs_hf.publish import manifest
from safetypairs_hf.publish.manifest import Manifest
from safetypairs_hf.publish.target import Change, refuse_foreign
from safetypairs_hf.publish.versions import Version


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
