"""Find older versions on the Hub that still hold taken-down pairs, and remove them.

A commit that a branch or a tag reaches can be downloaded forever. So versions that hold the pairs lose their tag, and
every other version is moved to a new commit with the same files and no history.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from huggingface_hub import GitRefs, HfApi, errors

from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import explained, fetch, list_refs, retried
from safetypairs_hf.dataset import failure_rows, manifest
from safetypairs_hf.dataset.control_rows import control_file
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.takedown import images_of

_DRAFT = "safetypairs-rewrite-"  # plus a tag: the branch that leads to the new commit of that version

# The SHA-256 of a pair's two images, which a relabelling does not change. The order is ignored: an erratum may swap
# them.
Images = tuple[str, str]


class Traces(NamedTuple):
    """Where pairs are still available.

    Attributes:
        tags: The versions that hold them.
        reaching: The tags that do not hold them but whose history does.
        others: The branches and pull requests, except main, that hold them or whose history does.
        files: The SHA-256 of each large file that holds a pair.
        main: Whether the history of main reaches them.
    """

    tags: list[str]
    reaching: list[str]
    others: list[str]
    files: list[str]
    main: bool


class Rewritten(NamedTuple):
    """The result of a rewrite.

    Attributes:
        deleted: The tags that were deleted.
        moved: The tags that were moved to new commits.
        removed: The number of files removed from storage.
        left: What remains to be done by hand.
        main: Whether main lost its history.
    """

    deleted: list[str]
    moved: list[str]
    removed: int
    left: list[str]
    main: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return self._asdict()

    def __str__(self) -> str:
        if not any(self):
            return "no other version holds them: nothing to rewrite"
        lost = "deleted: the history of main. " if self.main else ""
        return (
            f"versions deleted: {', '.join(self.deleted) or 'none'}; they can no longer be loaded\n"
            f"versions with the same files on a new commit: {', '.join(self.moved) or 'none'}\n"
            f"data files removed from storage: {self.removed}\n"
            f"{lost}Copies that others downloaded or forked are not affected."
        )


@dataclass(frozen=True)
class Older:
    """Older versions on the Hub that still hold taken-down pairs, with advice.

    Attributes:
        target: The dataset.
        pair_ids: The pairs.
        traces: Where they are still available.
        advice: How to remove each branch and pull request of `traces.others`.
    """

    target: str
    pair_ids: tuple[str, ...]
    traces: Traces
    advice: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return where the pairs still are, as JSON values."""
        return {**self.traces._asdict(), "others": dict(self.advice)}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        found = self.traces
        ours = found.tags or found.reaching or found.main
        if not ours and not found.others:
            yield "no other version holds them"
        if ours:
            yield f"older versions that hold them: {', '.join(found.tags) or 'none with a tag, but the history does'}"
            yield f"to purge them: safetypairs takedown {self.target} {' '.join(self.pair_ids)} --rewrite-history"
        if found.tags:
            yield "to delete the versions only (their commits can still be read by id):"
        yield from (f"  hf repos tag delete {self.target} {tag} --type dataset --yes" for tag in found.tags)
        if found.others:
            yield "other branches and pull requests that reach them, and what to do about each:"
        yield from (f"  {name}: {said}" for name, said in self.advice.items())


def older(repo: str, pair_ids: Sequence[str], images: Collection[Images]) -> Older:
    """Find the versions of a Hub dataset that still hold pairs.

    Args:
        repo: `org/name`.
        pair_ids: The pairs.
        images: The SHA-256s of the images of these pairs.

    Raises:
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    history = History(repo)
    traces = history.traces(images)
    return Older(repo, tuple(pair_ids), traces, {name: history.advice(name) for name in traces.others})


def purge(target: str, pair_ids: Sequence[str]) -> Rewritten:
    """Remove taken-down pairs from the older versions on the Hub. This cannot be undone.

    Versions that hold the pairs lose their tag. Every other version is moved to a new commit with the same files and no
    history. After an interruption, the same call continues.

    Args:
        target: `org/name` on the Hub.
        pair_ids: Pairs that `takedown` removed.

    Returns:
        The versions that were deleted and moved, the data files that were removed, and what remains to be done by hand.

    Raises:
        PublishError: A pair was not taken down, or `target` is a local folder, which holds one version only.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    place = parse_target(target)
    if isinstance(place, LocalTarget):
        raise PublishError(f"{target} is a local folder, which holds one version only: there is no older one to purge")
    images = images_of(place, pair_ids)
    if images is None:
        raise PublishError(
            f"{target} still holds {'them' if len(pair_ids) > 1 else 'it'}: take pairs down first, with "
            f"safetypairs takedown {target} {' '.join(pair_ids)} --reason TEXT --version X.0.0"
        )
    return History(place.name).rewrite(images)


class History:
    """The refs of a dataset repo. Every method raises HubUnavailable if the Hub refuses or does not answer."""

    def __init__(self, repo: str, api: HfApi | None = None) -> None:
        self.repo = repo
        self._api = api or HfApi()
        self._held: dict[str, set[str]] = {}  # commit -> files of it that hold the pairs
        self._clean: set[str] = set()  # files of commits without the pairs, which must not be removed

    def traces(self, gone: Collection[Images]) -> Traces:
        """Find the pairs in every commit that any ref reaches, by the manifest of each."""
        with explained(self.repo, self._api.endpoint):
            refs = self._refs()
            tags, reaching, others, files, main = [], [], [], set[str](), False
            for ref in [*refs.tags, *refs.branches, *refs.converts, *(refs.pull_requests or [])]:
                found = [self._holding(commit, gone) for commit in self._commits(ref.target_commit)]
                files.update(*found)
                if ref in refs.tags and found[0]:
                    tags.append(ref.name)
                elif ref in refs.tags and any(found):
                    reaching.append(ref.name)
                elif ref.ref == "refs/heads/main":
                    main = any(found)
                elif any(found):
                    others.append(ref.name)
        return Traces(tags, reaching, others, sorted(files - self._clean), main)

    def rewrite(self, gone: Collection[Images]) -> Rewritten:
        """Remove the pairs from everything that main and the tags reach, then from storage.

        Can be repeated if stopped.
        """
        with explained(self.repo, self._api.endpoint):
            self._recover()
            traces = self.traces(gone)
            # First: when no commit names the files any more, a second run could not find them.
            removed, unremoved = self._remove(traces.files)
            refs = self._refs()
            commits = {ref.ref: ref.target_commit for ref in [*refs.tags, *refs.branches]}
            if traces.main:
                message = "History squashed: pairs were taken down, see takedowns.json"
                self._api.super_squash_history(self.repo, repo_type="dataset", commit_message=message)
            for tag in traces.reaching:
                self._move_tag(tag, squashed=commits[f"refs/tags/{tag}"] == commits["refs/heads/main"])
            for tag in traces.tags:
                self._api.delete_tag(self.repo, tag=tag, repo_type="dataset")
            left = [f"{name} still reaches them; {self.advice(name)}" for name in traces.others]
            if unremoved:  # a storage may refuse to delete what a commit names
                more, unremoved = self._remove(traces.files)
                removed += more
        return Rewritten(traces.tags, traces.reaching, removed, [*left, *unremoved], traces.main)

    def advice(self, ref: str) -> str:
        """Return how to delete a branch or a pull request, which this program does not do itself."""
        if pull := re.fullmatch(r"refs/pr/(\d+)", ref):
            page = f"{self._api.endpoint}/datasets/{self.repo}/discussions/{pull[1]}"
            return f"hf discussions close {self.repo} {pull[1]} --type dataset, then delete its ref at {page}"
        return f"hf repos branch delete {self.repo} {shlex.quote(ref)} --type dataset"

    def _refs(self) -> GitRefs:
        return list_refs(self.repo, self._api, pull_requests=True)

    def _recover(self) -> None:
        """Complete an interrupted rewrite: a version that lost its tag is on its draft branch."""
        refs = self._refs()
        tags = {tag.name for tag in refs.tags}
        for branch in refs.branches:
            if branch.name.startswith(_DRAFT):
                tag = branch.name.removeprefix(_DRAFT)
                if tag not in tags:
                    self._api.create_tag(self.repo, tag=tag, revision=branch.name, repo_type="dataset")
                self._api.delete_branch(self.repo, branch=branch.name, repo_type="dataset")

    def _move_tag(self, tag: str, squashed: bool) -> None:
        """Move a tag to a commit with the same files and no history, or to main's commit if main is `squashed`.

        A tag cannot be moved in one request: while it does not exist, the draft branch records its commit.
        """
        draft = f"{_DRAFT}{tag}"
        self._api.create_branch(self.repo, branch=draft, revision="main" if squashed else tag, repo_type="dataset")
        if not squashed:
            self._api.super_squash_history(self.repo, branch=draft, repo_type="dataset", commit_message=tag)
        self._api.delete_tag(self.repo, tag=tag, repo_type="dataset")
        self._api.create_tag(self.repo, tag=tag, revision=draft, repo_type="dataset")
        self._api.delete_branch(self.repo, branch=draft, repo_type="dataset")

    def _remove(self, hashes: Sequence[str]) -> tuple[int, list[str]]:
        """Remove large files from storage. Return their number, and a line about those that could not be removed."""
        if not hashes:
            return 0, []
        by_hand = f"remove them in {self._api.endpoint}/datasets/{self.repo}/settings, List LFS files"
        try:
            stored = [file for file in self._api.list_lfs_files(self.repo, repo_type="dataset") if file.oid in hashes]
            # No history to rewrite: no remaining history names these files.
            self._api.permanently_delete_lfs_files(self.repo, stored, rewrite_history=False, repo_type="dataset")
        except errors.HfHubHTTPError as error:
            status = error.response.status_code
            stay = f"{counted(len(hashes), 'data file')} {verb(len(hashes), 'stays')}"
            return 0, [f"{stay} in the Hub's storage (it answered {status}): {by_hand}"]
        lost = len(set(hashes)) - len({file.oid for file in stored})
        missing = f"{counted(lost, 'data file')} {verb(lost, 'was')} not found in the Hub's storage: {by_hand}"
        return len(stored), [missing] if lost else []

    def _commits(self, start: str) -> Iterator[str]:
        """Yield a commit and all commits before it."""
        yield start
        listed = retried(lambda: self._api.list_repo_commits(self.repo, repo_type="dataset", revision=start))
        yield from (commit.commit_id for commit in listed if commit.commit_id != start)

    def _holding(self, commit: str, gone: Collection[Images]) -> set[str]:
        if commit not in self._held:
            found, either = self._manifest(commit), set(map(frozenset, gone))
            names = {each.file for each in found.entries if frozenset((each.unsafe_sha256, each.safe_sha256)) in either}
            names |= {control_file(name) for name in names} & found.files.keys()
            if failure_rows.NAME in found.files:
                unsafe = set(itertools.chain(*gone))
                with reading(f"{failure_rows.NAME} of {self.repo} at commit {commit[:8]}", "", PublishError):
                    failed = failure_rows.load(self._download(failure_rows.NAME, commit))
                names |= {each.file for each in failed if each.unsafe_sha256 in unsafe}
            self._held[commit] = {found.files[name].sha256 for name in names}
            if not names:
                self._clean |= {file.sha256 for file in found.files.values()}
        return self._held[commit]

    def _manifest(self, commit: str) -> Manifest:
        try:
            return manifest.load(self._download(manifest.NAME, commit)) or Manifest()
        except FileNotFoundError:  # the first commit, and commits before safetypairs published here
            return Manifest()

    def _download(self, name: str, commit: str) -> bytes:
        return fetch(self.repo, name, commit, self._api).read_bytes()
