"""A published dataset on the Hub, where each version has a tag."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.core.errors import VersionMismatch
from safetypairs_hf.core.hub import explained, retried
from safetypairs_hf.core.version import Version, by_version, parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest_table import Columns, not_ours
from safetypairs_hf.dataset.store.base import Edition, Stored, no_version, version_of


class HubStore:
    """See `Published`. `repo` is org/name."""

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
                raise no_version(self.name)
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
        version = parse(called) if called != "main" else version_of(columns.head, self.name)
        return Edition(self.name, version, columns, fetch, listing)
