"""Find the commit of a version, with or without the Hub, and the version of a local folder."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from safetypairs_hf.core import embedded_set
from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import HubUnavailable, PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.hub import fetch, is_out_of_reach, is_unknown_revision, list_tags
from safetypairs_hf.core.target_name import TargetName, no_folder, refuse_run
from safetypairs_hf.core.version import Version, by_version, parse

logger = logging.getLogger(__name__)


def version_of(text: str) -> Version:
    """Parse "1.2.0" or "v1.2.0". Raises VersionMismatch if it is not a version."""
    try:
        return parse(text)
    except PublishError as error:
        raise VersionMismatch(f"{error}; for a branch or a commit use load_dataset with revision=") from error


def tag_or_revision(text: str) -> str:
    """Return the tag of a version. Any other revision (a branch, a commit) is returned unchanged."""
    try:
        return parse(text).tag
    except PublishError:
        return text


def published(repo: str, token: str | bool | None = None) -> dict[Version, str]:
    """Return the versions of a Hub dataset (its tags vX.Y.Z) with their commits, oldest first.

    Raises:
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    from huggingface_hub import HfApi

    return by_version(list_tags(repo, HfApi(token=token), only_if_reached=True))


def known(repo: str) -> dict[Version, str]:
    """Return the versions of a Hub dataset that this machine resolved before, oldest first, with their commits."""
    folder = _refs(repo)
    return by_version({file.name: file.read_text().strip() for file in folder.glob("v*") if file.is_file()})


def _refs(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, f"datasets--{repo.replace('/', '--')}", "refs")


def _ref(repo: str, asked: str) -> str | None:
    """Return the commit that a revision had when it was last resolved here. A commit is returned unchanged."""
    if re.fullmatch("[0-9a-f]{40}", asked):
        return asked
    file = _refs(repo) / asked
    return file.read_text().strip() if file.is_file() else None


def resolve(repo: str, revision: str | None, token: str | bool | None = None, check: str = "error") -> Pinned:
    """Find the commit of a revision of a Hub dataset.

    The answer is saved on disk, and used when the Hub cannot be reached or keeps answering 429 or 5xx. In that case the
    newest version is the newest one that is prepared on this machine.

    Args:
        repo: `org/name`.
        revision: A version, a tag, a branch or a commit; None is the newest version.
        token: The token for the Hub; None is the default one.
        check: "warn" accepts a tag that was moved. The result carries this value.

    Returns:
        The commit.

    Raises:
        VersionMismatch: There is no such version, or its tag was moved since this machine saw it.
        HubUnavailable: The Hub cannot be asked, and this machine does not know the revision.
        SafetyPairsError: The revision has no card, so it was not published by safetypairs.
    """
    from huggingface_hub import HfApi

    from safetypairs_hf.dataset.store.hub_store import newest_release
    from safetypairs_hf.loading.moved_tags import tag_moved

    asked = tag_or_revision(revision) if revision else None
    try:
        there = published(repo, token)
    except HubUnavailable as error:
        if not is_out_of_reach(error):
            raise
        return _resolved_here(repo, asked, error, check)
    api = HfApi(token=token)
    try:
        newest = None if asked else newest_release(repo, there, api)
    except HubUnavailable as error:
        if not is_out_of_reach(error):
            raise
        return _resolved_here(repo, asked, error, check)  # the Hub answered the first request only
    if not asked and not newest:
        raise VersionMismatch(f"{repo} has no version: no tag like v1.0.0; load a branch with load_dataset, revision=")
    asked = asked or str(newest and newest.tag)
    try:
        # Fetch the card: its folder has the commit's name, the ref is saved on disk, and datasets needs the file
        # anyway.
        card = fetch(repo, "README.md", asked, api)
        moved = tag_moved(repo, asked, card.parent.name, api) if asked in {each.tag for each in there} else ""
    except FileNotFoundError as error:
        raise SafetyPairsError(f"{repo} at {asked} has no README.md: it was not published by safetypairs") from error
    except HubUnavailable as error:
        if is_unknown_revision(error):
            raise VersionMismatch(f"{repo} has no {asked}; its versions are {_listed(there)}") from error
        if not is_out_of_reach(error):
            raise
        return _resolved_here(repo, asked, error, check)
    if moved and check != "warn":
        raise VersionMismatch(f'{moved}; ask its publisher why; to load it as it is, on purpose: check="warn"')
    if moved:
        logger.warning("%s", moved)
    return Pinned(card.parent.name, asked, check=check)


def _resolved_here(repo: str, asked: str | None, error: HubUnavailable, check: str) -> Pinned:
    """Return this machine's knowledge of a revision. `error` says why the Hub was not asked."""
    from safetypairs_hf.loading import cached

    here = known(repo)
    if asked is None:
        prepared = [version for version, commit in here.items() if cached.configs(repo, commit)]
        if not prepared:
            raise error
        asked = prepared[-1].tag
        logger.warning("the Hub cannot be reached; %s %s is the newest version on this machine", repo, asked)
    commit = _ref(repo, asked)
    if commit:
        return Pinned(commit, asked, reachable=False, check=check)
    if here:
        raise VersionMismatch(
            f"{repo} {asked} is not among the versions known on this machine ({_listed(here)}); {error}"
        )
    raise error


def held_version(name: TargetName) -> Version:
    """Return the version that a published folder holds.

    Raises:
        SafetyPairsError: There is no such folder, or it has no manifest of safetypairs.
    """
    if not name.path.is_dir():
        raise no_folder(name.place)
    holds = _version_in(name.path)
    if holds is None:
        _refuse_pointer(name.path)
        refuse_run(name.place, name.path)
        first = f"; a folder ./{NAME} comes before the dataset in the package" if name.place == f"./{NAME}" else ""
        raise SafetyPairsError(
            f"{name.place} has no manifest.parquet of safetypairs; "
            f"name a folder that `safetypairs publish` wrote{first}"
        )
    return holds


def _version_in(folder: Path) -> Version | None:
    from safetypairs_hf.dataset import manifest

    try:
        return manifest.version_in(folder / manifest.NAME)
    except PublishError as error:
        raise SafetyPairsError(f"{folder}: {error}") from error


def _refuse_pointer(folder: Path) -> None:
    from safetypairs_hf.dataset import manifest

    if manifest.is_pointer(folder / manifest.NAME):
        raise SafetyPairsError(f"{folder}/{manifest.NAME} {manifest.LFS_ADVICE}")


def check_folder(name: TargetName, asked: str) -> None:
    """Check that a folder holds the requested version (or tag).

    Raises:
        VersionMismatch: It holds another version, or does not state one.
        SafetyPairsError: There is no such folder.
    """
    folder = name.path
    if not folder.is_dir():
        raise no_folder(name.place)
    holds = _version_in(folder)
    if holds is None:
        _refuse_pointer(folder)
        refuse_run(name.place, folder)
        raise VersionMismatch(
            f"{asked} was asked for, but the folder {name.place} does not state its version: it has no manifest"
        )
    if tag_or_revision(asked) != holds.tag:
        if name.is_embedded:
            listed = ", ".join(map(str, embedded_set.versions()))
            raise VersionMismatch(f"{asked} was asked for, but the package has only {listed}")
        raise VersionMismatch(
            f"{asked} was asked for, but the folder {name.place} holds {holds} alone; ask for {holds}"
        )


def _listed(versions: dict[Version, str]) -> str:
    return ", ".join(str(version) for version in versions) or "none"


class Pinned(str):
    """The commit hash to load, or "" for a folder.

    Attributes:
        asked: The version or revision that the user requested.
        reachable: Whether the Hub answered when the commit was found.
        check: What to do about content that is not the published one; see `load`.
        called: The name of a folder in messages.
    """

    asked: str
    reachable: bool
    check: str
    called: str

    def __new__(
        cls, commit: str, asked: str = "", reachable: bool = True, check: str = "error", called: str = ""
    ) -> Pinned:
        pinned = super().__new__(cls, commit)
        pinned.asked = asked
        pinned.reachable = reachable
        pinned.check = check
        pinned.called = called
        return pinned
