"""A published dataset in a local folder, which holds one version."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.core.errors import VersionMismatch
from safetypairs_hf.core.hub import Stored
from safetypairs_hf.core.target_name import no_folder, refuse_run
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest_table import Columns, not_ours
from safetypairs_hf.dataset.store.base import Edition, no_version, version_of


class LocalStore:
    """A dataset in the folder at `path`; see `Published`. `name` is the folder's name in messages."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def tags(self) -> None:
        return None

    def newest(self) -> Edition | None:
        if not self._path.is_dir():
            raise no_folder(self.name)
        if not any(self._path.iterdir()):
            return None
        file = self._path / manifest.NAME
        if not file.is_file():
            refuse_run(self.name, self._path)
            raise not_ours(self.name)
        columns = Columns(file, self.name)
        return Edition(self.name, version_of(columns.head), columns, self._fetch, self._list)

    def open(self, version: Version | None) -> Edition:
        edition = self.newest()
        if edition is None:
            raise no_version(self.name)
        if version not in (None, edition.version):
            raise VersionMismatch(
                f"the folder {self.name} holds {edition.version}, not {version}; a folder keeps only one version"
            )
        return edition

    def _fetch(self, name: str) -> Path:
        """Return the path of a regular file of the folder. Anything else of that name counts as missing."""
        path = self._path / name
        if not path.is_file():
            raise FileNotFoundError(name)
        return path

    def _list(self) -> dict[str, Stored | None]:
        files = (path for path in sorted(self._path.rglob("*")) if path.is_file())
        return {path.relative_to(self._path).as_posix(): None for path in files}
