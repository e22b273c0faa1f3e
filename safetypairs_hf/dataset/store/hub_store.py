"""A published dataset on the Hub, where each version has a tag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetypairs_hf.core.errors import PublishError, VersionMismatch
from safetypairs_hf.core.hub import dataset_info, fetch, list_files, list_tags
from safetypairs_hf.core.version import Version, by_version, parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest_table import Columns, not_ours
from safetypairs_hf.dataset.store.base import Edition, no_version, version_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def newest_release(repo: str, tags: Mapping[Version, str], api: HfApi | None = None) -> Version | None:
    """Return the newest tag that is a release: the manifest on its commit states the same version.

    Args:
        repo: `org/name`.
        tags: The tags that look like versions, oldest first, each with its commit; see `by_version`.
        api: A client for another Hub or token; None for the default ones.

    Returns:
        The version; None if none of the tags is a release.
    """
    says: dict[str, Version | None] = {}
    for version, commit in reversed(list(tags.items())):
        if commit not in says:
            says[commit] = released_at(repo, commit, api)
        if says[commit] == version:
            return version
    return None


def released_at(repo: str, commit: str, api: HfApi | None = None) -> Version | None:
    """Return the version that a commit's manifest states; None without a readable manifest of safetypairs."""
    try:
        return manifest.version_in(fetch(repo, manifest.NAME, commit, api))
    except (FileNotFoundError, PublishError):
        return None


class HubStore:
    """A dataset on the Hub; see `Published`. `repo` is org/name."""

    def __init__(self, repo: str) -> None:
        self.name = repo

    def tags(self) -> dict[Version, str]:
        return by_version(list_tags(self.name))

    def newest(self) -> Edition | None:
        info = dataset_info(self.name)
        files = {sibling.rfilename for sibling in info.siblings or []} - {".gitattributes"}
        if not files:
            return None
        return self._at(str(info.sha), "main")

    def open(self, version: Version | None) -> Edition:
        there = self.tags()
        if not there:
            if self.newest() is None:
                raise no_version(self.name)
            raise VersionMismatch(
                f"{self.name} has no version: no tag like v1.0.0; see: safetypairs versions {self.name}"
            )
        if version is None:
            version = newest_release(self.name, there) or list(there)[-1]
        if version not in there:
            listed = ", ".join(str(each) for each in there)
            raise VersionMismatch(f"{self.name} has no {version}; its versions are {listed}")
        return self._at(there[version], version.tag)

    def _at(self, commit: str, called: str) -> Edition:
        def get(name: str) -> Path:
            return fetch(self.name, name, commit)

        try:
            columns = Columns(get(manifest.NAME), f"{self.name} {called}")
        except FileNotFoundError as error:
            raise not_ours(f"{self.name} at {called}") from error
        version = parse(called) if called != "main" else version_of(columns.head)
        return Edition(self.name, version, columns, get, lambda: list_files(self.name, commit))
