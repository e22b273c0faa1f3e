"""A dataset in a local folder: a release is a new folder that replaces the old one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.file_digests import digests, keep_digests
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.sidecars import SIDECARS
from safetypairs_hf.publishing.target import (
    PUBLISHED,
    UNCHANGED,
    Change,
    published_meanwhile,
    refuse_changed,
    refuse_foreign,
    refuse_strays,
)
from safetypairs_hf.publishing.uploader import Ready


class LocalTarget:
    """A folder that `load_dataset("./my-pairs")` reads. It holds one version, the newest.

    Raises:
        PublishError: `name` is the root of the file system.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path(name).expanduser().resolve()
        if not self.path.name:
            raise PublishError(f"{name} is the root of the file system, and a release is a folder; name one: ./pairs")
        self._aside = self.path.with_name(f".{self.path.name}.replaced")
        self._known: dict[str, str] = {}  # the SHA-256 of the files that `head` read
        self._seen = b""  # the manifest that `head` read, which `commit` builds on
        # Next to the folder, so that everybody who can reach the folder takes the same lock, whatever their TMPDIR.
        # Other users who may publish here can take it too. The kernel releases it when its holder ends.
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), mode=0o666)

    @property
    def proposes(self) -> bool:
        return False

    @property
    def published_name(self) -> str:
        """See `Target.published_name`."""
        return f"./{self.path.name}"

    @property
    def public(self) -> bool:
        return False

    def head(self) -> Manifest:
        """See `Target.head`."""
        for path in (self.path, *self.path.parents):
            if path.exists():
                if not path.is_dir():
                    raise PublishError(f"{self.name if path == self.path else path} is a file; a target is a folder")
                break
        with self._locked(reading=True):
            self._recover()
            self._seen = self._manifest()
        found = manifest.load(self._seen)
        if found is None and self.path.is_dir():
            refuse_foreign(self.name, [item.name for item in self.path.iterdir()])
        if found is not None:
            here = {path.relative_to(self.path).as_posix(): path for path in self.path.rglob("*") if path.is_file()}
            refuse_strays(self.name, list(here), found)
            self._refuse_changed(here, found)
        return found or Manifest()

    def _refuse_changed(self, here: Mapping[str, Path], found: Manifest) -> None:
        """Raise PublishError if a file differs from what the last release wrote. Each file is read once."""
        before = {name: file.sha256 for name, file in {**found.files, **found.sidecars}.items()}
        ours = before.keys() | (SIDECARS - {manifest.NAME} if found.sidecars else set())
        try:
            self._known = digests({name: path for name, path in here.items() if name in ours}, str(self.path))
        except OSError as error:
            raise PublishError(f"{self.name}: {error.filename} does not read: {error.strerror}") from error
        assert found.version
        refuse_changed(self.name, found.version, before, self._known)

    def standing(self) -> str:
        """See `Target.standing`."""
        return UNCHANGED if self._manifest() == self._seen else PUBLISHED

    def fetch(self, name: str) -> Path:
        return self.path / name

    def begin(self, version: Version) -> None:
        """Do nothing: a folder needs no preparation."""

    def send(self, files: Mapping[str, Ready]) -> None:
        """Do nothing: the commit copies all files."""

    def commit(self, change: Change) -> str:
        """Make the new folder next to the old one (with hard links, not copies) and exchange the two by renames."""
        if Path.cwd().is_relative_to(self.path):
            raise PublishError(
                f"{self.name} is replaced by a release, but it is the current folder; run this from another folder"
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        with self._locked():
            if self._manifest() != self._seen:
                raise published_meanwhile(self.name)
            try:
                self._exchange(change)
            except OSError as error:
                self._recover()
                raise self._unwritable(error) from error
            except KeyboardInterrupt:
                self._recover()
                raise
            shutil.rmtree(self._aside, ignore_errors=True)
            stayed = self._known.keys() - change.write.keys() - set(change.delete)
            keep_digests({name: self.path / name for name in stayed}, str(self.path), self._known)
        return self.name

    @contextmanager
    def _locked(self, *, reading: bool = False) -> Iterator[None]:
        """Keep other publishers out. When only reading, work without a lock if none can be made."""
        if reading and not (self.path.exists() or self._aside.exists()):
            yield  # there is nothing to read or to protect
            return
        try:
            lock = Path(self._lock.lock_file)
            if not lock.exists():  # FileLock waits forever if it cannot create a file, as in /proc
                tempfile.TemporaryFile(dir=lock.parent).close()
            self._lock.acquire()
        except OSError as error:
            if not reading:
                raise PublishError(
                    f"cannot lock {self.name}: {error.strerror or error} ({self._lock.lock_file}); nothing was "
                    "changed: make that file and its folder writable for you"
                ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _unwritable(self, error: OSError) -> PublishError:
        return PublishError(f"cannot write {self.name}: {error.strerror or error}; nothing was changed")

    def _manifest(self) -> bytes:
        file = self.path / manifest.NAME
        return file.read_bytes() if file.is_file() else b""

    def _exchange(self, change: Change) -> None:
        with self._scratch() as new:
            if self.path.is_dir():
                shutil.copytree(self.path, new, copy_function=_link, dirs_exist_ok=True)
            for name in change.delete:
                (new / name).unlink()
            for name, source in change.write.items():
                goal = new / name
                goal.parent.mkdir(parents=True, exist_ok=True)
                goal.unlink(missing_ok=True)  # it may be a hard link to the old version's file
                shutil.copyfile(source, goal)
            _drop_empty_folders(new)
            if self.path.exists():
                self.path.rename(self._aside)
            new.rename(self.path)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Make a temporary folder next to the target, so that renames stay within one file system."""
        prefix = f".{self.path.name}.new-"
        for left in self.path.parent.glob(f"{prefix}*"):  # left by a release that was killed
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=self.path.parent))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def settle(self) -> None:
        """Do nothing: a folder has no settings."""

    def tagged(self, version: Version) -> bool:
        return True

    def tag(self, version: Version) -> None:
        """Do nothing: a folder has no tags, and its manifest names the version."""

    def _recover(self) -> None:
        """Undo a release that was killed between its two renames."""
        if self._aside.is_dir():
            if self.path.exists():
                shutil.rmtree(self._aside, ignore_errors=True)
            else:
                self._aside.rename(self.path)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _drop_empty_folders(root: Path) -> None:
    for folder in sorted((item for item in root.rglob("*") if item.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
