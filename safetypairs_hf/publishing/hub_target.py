"""A dataset repo on the Hub (HF_ENDPOINT and the usual token): a release is one commit, then its tag."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, errors

from safetypairs_hf.errors import PublishError
from safetypairs_hf.hub import explained
from safetypairs_hf.publishing import manifest
from safetypairs_hf.publishing.manifest import Manifest
from safetypairs_hf.publishing.target import Change, refuse_foreign
from safetypairs_hf.publishing.versions import Version


class HubTarget:
    """See `Target`. `private` and `gated` ("auto" or "manual") are set before anything is uploaded."""

    def __init__(self, repo: str, *, private: bool = False, gated: str | None = None) -> None:
        self.name = repo
        self._private = private
        self._gated = gated
        self._api = HfApi()
        self._head: str | None = None  # the commit that `head` read, which `commit` builds on

    def head(self) -> Manifest:
        with explained(self.name):
            try:
                info = self._api.dataset_info(self.name)
            except errors.GatedRepoError:
                raise
            except errors.RepositoryNotFoundError:
                return Manifest()  # it is new, or private and not ours: creating it will tell
            self._head = info.sha
            files = [sibling.rfilename for sibling in info.siblings or []]
            found = manifest.load(self.fetch(manifest.NAME).read_bytes()) if manifest.NAME in files else None
        if found is None:
            refuse_foreign(self.name, files)
        return found or Manifest()

    def fetch(self, name: str) -> Path:
        with explained(self.name):
            return Path(self._api.hf_hub_download(self.name, name, repo_type="dataset", revision=self._head))

    def commit(self, change: Change) -> str:
        with explained(self.name):
            self._prepare()
            operations = [CommitOperationDelete(name) for name in change.delete]
            additions = [CommitOperationAdd(name, str(path)) for name, path in change.write.items()]
            try:
                self._head = self._api.create_commit(
                    self.name,
                    [*operations, *additions],
                    commit_message=change.summary,
                    repo_type="dataset",
                    parent_commit=self._head,
                ).oid
            except errors.HfHubHTTPError as error:
                if error.response.status_code == 412:
                    raise PublishError(
                        f"somebody else published to {self.name} meanwhile; nothing was changed: run again"
                    ) from error
                raise
        self.tag(change.version)
        return f"{constants.ENDPOINT}/datasets/{self.name} (tag {change.version.tag})"

    def tagged(self, version: Version) -> bool:
        if self._head is None:
            return False
        with explained(self.name):
            refs = self._api.list_repo_refs(self.name, repo_type="dataset")
        return any(tag.name == version.tag for tag in refs.tags)

    def tag(self, version: Version) -> None:
        with explained(self.name):
            self._api.create_tag(
                self.name, tag=version.tag, revision=self._head, tag_message=str(version), repo_type="dataset"
            )

    def _prepare(self) -> None:
        """Ask for the token's name, create the repo where it is new, and close it as asked before data reaches it."""
        self._api.whoami()
        if self._head is None:
            self._api.create_repo(self.name, repo_type="dataset", private=self._private)
            self._head = self._api.dataset_info(self.name).sha
        if self._private or self._gated:
            self._api.update_repo_settings(
                self.name,
                repo_type="dataset",
                private=True if self._private else None,
                gated=self._gated,  # type: ignore[arg-type]
            )
