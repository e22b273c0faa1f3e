"""A dataset repo on the Hub (at HF_ENDPOINT, with the default token): a release is one commit and then its tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetInfo, HfApi, errors

from safetypairs_hf.core.errors import HubUnavailable, PublishError
from safetypairs_hf.core.hub import (
    dataset_info,
    explained,
    fetch,
    is_missing,
    list_files,
    list_tags,
    passing,
    retried,
)
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest
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

_CARD = "README.md"
_HEADER = re.compile(r"\s*(---\n((?!---\n).*\n)*---\s*)?")
# See `target.UNCHANGED`.
UNSURE = "it is not known whether the new version arrived; run the same command again, which checks and continues"
UNTAGGED = "the new version is there, but not its tag; run the same command again to set it"
PROPOSED = (
    "it is not known whether the pull request was opened; see the dataset's page before you run the command again"
)


class HubTarget:
    """A repo to publish to; see `Target`.

    `private` and `gated` ("auto" or "manual") are set and confirmed before data is uploaded. With `create_pr`, the
    release is proposed as a pull request, for people who may not push; whoever merges it sets its tag. `api` is a
    client for another Hub or token than the default ones.
    """

    def __init__(
        self,
        repo: str,
        *,
        private: bool = False,
        gated: str | None = None,
        create_pr: bool = False,
        api: HfApi | None = None,
    ) -> None:
        self.name = repo
        self._create_pr = create_pr
        self._settings = {**({"private": True} if private else {}), **({"gated": gated} if gated else {})}
        self._api = api or HfApi()
        self._head: str | None = None  # the commit that `head` read, which `commit` builds on
        self._last: Version | None = None
        self._sent: dict[str, CommitOperationAdd] = {}
        self._standing = UNCHANGED

    @property
    def proposes(self) -> bool:
        return self._create_pr

    @property
    def published_name(self) -> str:
        """See `Target.published_name`."""
        return self.name

    @property
    def public(self) -> bool:
        if self._settings.get("private"):
            return False
        try:
            return not self._info().private
        except HubUnavailable as error:
            if not is_missing(error):
                raise
            return True  # it does not exist yet, and will be created as public

    def head(self) -> Manifest:
        with self._explained():
            try:
                info = self._info()
            except HubUnavailable as error:
                if not is_missing(error):
                    raise
                self._refuse_other_kinds()
                return Manifest()  # it is new, or private to others: creating it will show which
            self._head = info.sha
            files = [sibling.rfilename for sibling in info.siblings or []]
            found = self._manifest(self._head) if manifest.NAME in files else None
        if found is None:
            with self._explained():
                self._refuse_foreign(files, self._head)
            return Manifest()
        refuse_strays(self.name, files, found)
        self._last = found.version
        return found

    def standing(self) -> str:
        """See `Target.standing`."""
        return self._standing

    def fetch(self, name: str) -> Path:
        with self._explained():
            return self._fetch(name, self._head)

    def begin(self, version: Version) -> None:
        with self._explained():
            retried(self._api.whoami)
            if self._head is None and self._create_pr:
                raise PublishError(
                    f"there is no dataset {self.name} that this token can read, so no release can be proposed"
                )
            if self._head is None:
                self._create()
            self.settle()
            self._refuse_or_mend_tags(version)

    def send(self, files: Mapping[str, Ready]) -> None:
        for name, ready in files.items():
            addition = CommitOperationAdd(name, str(ready.path))
            addition.upload_info.sha256 = bytes.fromhex(ready.hash.sha256)  # else the file would be read again
            self._sent[name] = addition
        additions = [self._sent[name] for name in files]
        with self._explained():
            retried(
                lambda: self._api.preupload_lfs_files(
                    self.name, additions, repo_type="dataset", create_pr=self._create_pr, free_memory=False
                )
            )

    def commit(self, change: Change) -> str:
        if self._create_pr:
            return self._propose(change)
        with self._explained():
            self._head = retried(lambda: self._commit(change))
            self._standing = UNTAGGED
            self.tag(change.version)
        self._standing = PUBLISHED
        return f"{self._api.endpoint}/datasets/{self.name} (tag {change.version.tag})"

    def settle(self) -> None:
        """Apply the requested visibility and gating if needed, and read them back."""
        if not self._settings:
            return
        with self._explained():
            if self._unsettled():
                wanted: dict[str, Any] = self._settings
                retried(lambda: self._api.update_repo_settings(self.name, repo_type="dataset", **wanted))
                if left := self._unsettled():
                    raise PublishError(
                        f"{self._api.endpoint} accepted the settings of {self.name}, but it is not {left}; nothing "
                        "was uploaded: set that on the repo's settings page, then run again"
                    )

    def tagged(self, version: Version) -> bool:
        with self._explained():
            return self._head is not None and self._is_tagged(version)

    def tag(self, version: Version) -> None:
        with self._explained():
            retried(
                lambda: self._api.create_tag(
                    self.name,
                    tag=version.tag,
                    revision=self._head,
                    # no message: mlcroissant fetches the tag into a branch, which Git refuses for annotated tags
                    repo_type="dataset",
                    exist_ok=True,  # an earlier request may have succeeded although its answer was lost
                )
            )
            self._is_tagged(version)

    def _propose(self, change: Change) -> str:
        """Open a pull request. It is not retried after an error, because that could open a second one."""
        try:
            with self._explained():
                made = self._api.create_commit(
                    self.name,
                    self._operations(change),
                    commit_message=change.summary,
                    repo_type="dataset",
                    parent_commit=self._head,
                    create_pr=True,
                )
        except KeyboardInterrupt:
            self._standing = PROPOSED
            raise
        return f"{made.pr_url} (a pull request; once it is merged, this command run by its maintainers sets the tag)"

    def _operations(self, change: Change) -> list[CommitOperationAdd | CommitOperationDelete]:
        return [
            *(CommitOperationDelete(name) for name in change.delete),
            *(self._sent.get(name) or CommitOperationAdd(name, str(path)) for name, path in change.write.items()),
        ]

    def _commit(self, change: Change) -> str:
        """Commit, and return the new head.

        Safe to repeat after a lost answer: the parent allows only one such commit.
        """
        operations = self._operations(change)
        try:
            return self._api.create_commit(
                self.name,
                operations,
                commit_message=change.summary,
                repo_type="dataset",
                parent_commit=self._head,
            ).oid
        except KeyboardInterrupt:
            self._standing = UNSURE
            raise
        except Exception as error:
            conflict = isinstance(error, errors.HfHubHTTPError) and error.response.status_code == 412
            if not conflict and not passing(error):
                raise
            if conflict or _asked_to_commit(error):
                self._standing = UNSURE
                with self._explained():  # it has its own retries, so it ends these
                    landed = self._landed(change)
                self._standing = UNCHANGED
                if landed is not None:
                    return landed
            if conflict:
                raise published_meanwhile(self.name) from error
            raise

    def _landed(self, change: Change) -> str | None:
        """Return the head if this change produced it; None otherwise."""
        sha: str | None = self._info().sha
        if sha is None or sha == self._head:
            return None
        try:
            there = self._fetch(manifest.NAME, sha).read_bytes()
        except FileNotFoundError:
            return None
        return sha if there == change.write[manifest.NAME].read_bytes() else None

    def _create(self) -> None:
        private = self._settings.get("private", False)
        retried(lambda: self._api.create_repo(self.name, repo_type="dataset", private=bool(private), exist_ok=True))
        info = self._info()
        files = [sibling.rfilename for sibling in info.siblings or []]
        if manifest.NAME in files:
            raise published_meanwhile(self.name)
        self._refuse_foreign(files, info.sha)
        self._head = info.sha

    def _refuse_foreign(self, files: Sequence[str], commit: str | None) -> None:
        """Do what `refuse_foreign` does, but accept the card without text that the Hub's site creates for a licence."""
        if _CARD in files and _HEADER.fullmatch(self._fetch(_CARD, commit).read_text("utf-8", "replace")):
            files = [file for file in files if file != _CARD]
        refuse_foreign(self.name, files)

    def _unsettled(self) -> str:
        """Return the requested settings that are not in effect yet, in words."""
        info = self._info()
        left = [name for name, value in self._settings.items() if getattr(info, name) != value]
        return " and ".join("private" if name == "private" else f"gated ({self._settings[name]})" for name in left)

    def _refuse_or_mend_tags(self, version: Version) -> None:
        """Check that the new version's tag is free. Set the last one's if its publish was interrupted before that."""
        tags = list_tags(self.name, self._api)
        if version.tag in tags:
            raise PublishError(
                f"{self.name} already has a tag {version.tag}, on commit {tags[version.tag][:7]}, which is no "
                "release of that version; delete the tag, or publish another version"
            )
        if self._last is not None and not self._is_tagged(self._last):
            if not self._create_pr:
                self.tag(self._last)
        elif self._last is not None and self._head and tags[self._last.tag] != self._head:
            refuse_changed(self.name, self._last, self._files(tags[self._last.tag]), self._files(self._head))

    def _files(self, commit: str) -> dict[str, str]:
        return {name: stored.digest for name, stored in list_files(self.name, commit, self._api).items()}

    def _is_tagged(self, version: Version) -> bool:
        commit = list_tags(self.name, self._api).get(version.tag)
        if commit is None:
            return False
        if commit != self._head:
            there = self._manifest(version.tag)
            if there is None or there.version != version:
                raise PublishError(
                    f"tag {version.tag} of {self.name} was moved: it names commit {commit[:7]}, which is not version "
                    f"{version}; set it back or delete it, then run again"
                )
        return True

    def _refuse_other_kinds(self) -> None:
        for kind in ("model", "space"):
            if retried(lambda kind=kind: self._api.repo_exists(self.name, repo_type=kind)):  # type: ignore[misc]
                raise PublishError(
                    f"{self.name} is a {kind} at {self._api.endpoint}, not a dataset; name another repo, or make the "
                    f"dataset first: hf repos create {self.name} --type dataset"
                )

    def _info(self) -> DatasetInfo:
        return dataset_info(self.name, self._api)

    def _fetch(self, name: str, revision: str | None) -> Path:
        return fetch(self.name, name, revision, self._api)

    def _manifest(self, revision: str | None) -> Manifest | None:
        try:
            return manifest.load(self._fetch(manifest.NAME, revision).read_bytes())
        except FileNotFoundError:
            return None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Explain errors as `explained` does, and add the state of the target."""
        try:
            with explained(self.name, self._api.endpoint):
                yield
        except HubUnavailable as error:
            text = str(error)
            raise HubUnavailable(text if self._standing in text else f"{text}; {self._standing}") from error


def _asked_to_commit(error: Exception) -> bool:
    """Return whether the commit request itself failed. If so, the commit may have arrived nevertheless."""
    try:
        return "/commit/" in str(error.request.url)  # type: ignore[attr-defined]
    except AttributeError:  # the answer of some request is not JSON; otherwise, an upload failed
        return isinstance(error, ValueError)
    except RuntimeError:  # an HTTP error without a request
        return True
