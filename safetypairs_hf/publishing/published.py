"""What is published, opened for reading: the versions of a dataset, and the manifest and files of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from safetypairs_hf.errors import PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.hub import explained, retried
from safetypairs_hf.publishing import manifest
from safetypairs_hf.publishing.columns import Columns, not_ours
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.targets import parse_target
from safetypairs_hf.publishing.versions import Version, by_version, parse


class Stored(NamedTuple):
    """A file as the Hub lists it: bytes, and the SHA-256 (64 hex) of a large file or the git id (40 hex) of another."""

    size: int
    digest: str


@dataclass(frozen=True)
class Edition:
    """One published version, open for reading.

    `columns` is its manifest; `table` all of it as an Arrow table, a row a pair. `head` is what the manifest says of
    the version and of every release up to it. `fetch` gives a file as a file here, downloaded when asked for. `stored`
    lists every file; its values are None in a local folder, which keeps no hashes.
    """

    target: str
    version: Version
    columns: Columns
    fetch: Callable[[str], Path] = field(repr=False)
    listing: Callable[[], Mapping[str, Stored | None]] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.target}@{self.version}"

    @property
    def head(self) -> dict[str, Any]:
        return self.columns.head

    @cached_property
    def table(self) -> pa.Table:
        return self.columns.table()

    @property
    def releases(self) -> list[dict[str, Any]]:
        return list(self.head["releases"])

    @cached_property
    def stored(self) -> Mapping[str, Stored | None]:
        return self.listing()


class Published(Protocol):
    """A dataset that was published: on the Hub, where each version has a tag, or in a folder, which holds one."""

    name: str

    def tags(self) -> dict[Version, str] | None:
        """The versions that can be opened, oldest first, each with its commit; None in a folder, which has no tags."""
        ...

    def newest(self) -> Edition | None:
        """What the main branch, or the folder, holds; None where nothing is published yet."""
        ...

    def open(self, version: Version | None) -> Edition:
        """A version; None is the newest one that is tagged.

        Raises:
            VersionMismatch: there is no such version; the message names those that there are.
            SafetyPairsError: it is not ours, or its manifest does not read.
            HubUnavailable: the Hub did not answer, or not this token.
        """
        ...


def open_published(target: str) -> Published:
    """The dataset that TARGET names: `org/name` on the Hub, or a local folder. Raises PublishError: it is neither."""
    parsed = parse_target(target)
    return _Folder(target, parsed.path) if isinstance(parsed, LocalTarget) else _OnHub(target)


def open_named(text: str) -> Edition:
    """`TARGET@X.Y.Z`, or `TARGET` for its newest version; see `Published.open` for what it raises."""
    target, at, version = text.rpartition("@")
    if at and "/" not in version:
        return open_published(target).open(parse(version))
    return open_published(text).open(None)


class Line(NamedTuple):
    """A version, as `versions` shows it. `released`: main's manifest knows it. `commit`: its tag's, if it has one."""

    version: str
    pairs: int | None
    added: int | None
    removed: int | None
    recipe: str | None
    code: str | None
    released: bool
    commit: str | None


def versions(dataset: Published) -> list[Line]:
    """Every version that a release or a tag names, newest first. See `Published.open` for what it raises."""
    newest, tags = dataset.newest(), dataset.tags() or {}
    known = {parse(release["version"]): release for release in (newest.releases if newest else [])}
    lines = []
    for version in sorted({*known, *tags}, reverse=True):
        of = known.get(version, {})
        pairs, added, removed, recipe, code = map(of.get, ("pairs", "added", "removed", "recipe", "code"))
        lines.append(Line(str(version), pairs, added, removed, recipe, code, version in known, tags.get(version)))
    return lines


class _Folder:
    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def tags(self) -> None:
        return None

    def newest(self) -> Edition | None:
        if not self._path.is_dir():
            raise SafetyPairsError(f"no folder {self.name}; name one that `safetypairs publish` wrote, or org/name")
        if not any(self._path.iterdir()):
            return None
        file = self._path / manifest.NAME
        if not file.is_file():
            raise not_ours(self.name)
        columns = Columns(file, self.name)
        return Edition(self.name, _version(columns.head, self.name), columns, self._path.joinpath, self._list)

    def open(self, version: Version | None) -> Edition:
        edition = self.newest()
        if edition is None:
            raise _no_version(self.name)
        if version not in (None, edition.version):
            raise VersionMismatch(
                f"the folder {self.name} holds {edition.version} alone, not {version}; a folder keeps no other version"
            )
        return edition

    def _list(self) -> dict[str, Stored | None]:
        files = (path for path in sorted(self._path.rglob("*")) if path.is_file())
        return {path.relative_to(self._path).as_posix(): None for path in files}


class _OnHub:
    def __init__(self, repo: str) -> None:
        from huggingface_hub import HfApi

        self.name = repo
        self._api = HfApi()

    def tags(self) -> dict[Version, str]:
        with explained(self.name):
            refs = retried(lambda: self._api.list_repo_refs(self.name, repo_type="dataset")).tags
        return by_version({tag.name: tag.target_commit for tag in refs})

    def newest(self) -> Edition | None:
        with explained(self.name):
            info = retried(lambda: self._api.dataset_info(self.name))
        files = {sibling.rfilename for sibling in info.siblings or []} - {".gitattributes"}
        if not files:
            return None
        return self._at(str(info.sha), "main")

    def open(self, version: Version | None) -> Edition:
        there = self.tags()
        if not there:
            if self.newest() is None:
                raise _no_version(self.name)
            raise VersionMismatch(
                f"{self.name} has no version: no tag like v1.0.0; see: safetypairs versions {self.name}"
            )
        if version is None:
            version = list(there)[-1]
        if version not in there:
            listed = ", ".join(str(each) for each in there)
            raise VersionMismatch(f"{self.name} has no {version}; its versions are {listed}")
        return self._at(there[version], version.tag)

    def _at(self, commit: str, called: str) -> Edition:
        from huggingface_hub import errors

        def fetch(name: str) -> Path:
            def download() -> str:
                return str(self._api.hf_hub_download(self.name, name, repo_type="dataset", revision=commit))

            with explained(self.name):
                try:
                    return Path(retried(download))
                except errors.LocalEntryNotFoundError:
                    raise
                except errors.EntryNotFoundError as error:
                    raise FileNotFoundError(name) from error

        def listing() -> dict[str, Stored | None]:
            with explained(self.name):
                info = retried(lambda: self._api.dataset_info(self.name, revision=commit, files_metadata=True))
            return {
                file.rfilename: Stored(file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id or "")
                for file in info.siblings or []
            }

        try:
            columns = Columns(fetch(manifest.NAME), f"{self.name} {called}")
        except FileNotFoundError as error:
            raise not_ours(f"{self.name} at {called}") from error
        version = parse(called) if called != "main" else _version(columns.head, self.name)
        return Edition(self.name, version, columns, fetch, listing)


def _version(head: dict[str, Any], name: str) -> Version:
    try:
        return [parse(release["version"]) for release in head["releases"]][-1]
    except (LookupError, TypeError, PublishError) as error:
        raise SafetyPairsError(f"{name}: {manifest.NAME} is damaged, it names no version") from error


def _no_version(name: str) -> VersionMismatch:
    return VersionMismatch(f"{name} has no version yet; make one: safetypairs publish RUN {name} --version 1.0.0")
