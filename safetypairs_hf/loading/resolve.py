"""From a version to the commit that holds it, with the Hub in reach or not; and the version of a local folder."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from safetypairs_hf.core.errors import HubUnavailable, PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.hub import explained
from safetypairs_hf.core.version import Version, by_version, parse

logger = logging.getLogger(__name__)


def version_of(text: str) -> Version:
    """ "1.2.0" or "v1.2.0". Raises VersionMismatch where it is no version."""
    try:
        return parse(text)
    except PublishError as error:
        raise VersionMismatch(f"{error}; for a branch or a commit use load_dataset with revision=") from error


def tag_or_revision(text: str) -> str:
    """The tag of a version; any other revision (a branch, a commit) as it is."""
    try:
        return parse(text).tag
    except PublishError:
        return text


def published(repo: str, token: str | bool | None = None) -> dict[Version, str]:
    """The versions that a Hub dataset has, oldest first, each with its commit: its tags vX.Y.Z.

    Raises HubUnavailable.
    """
    from huggingface_hub import HfApi

    with explained(repo):
        tags = HfApi(token=token).list_repo_refs(_checked(repo), repo_type="dataset").tags
    return by_version({tag.name: tag.target_commit for tag in tags})


def known(repo: str) -> dict[Version, str]:
    """The versions of a Hub dataset that this machine has resolved before, oldest first, each with its commit."""
    folder = _refs(repo)
    return by_version({file.name: file.read_text().strip() for file in folder.glob("v*") if file.is_file()})


def _refs(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, f"datasets--{repo.replace('/', '--')}", "refs")


def _ref(repo: str, asked: str) -> str | None:
    """The commit that a revision had when it was last resolved here; a commit is its own."""
    if re.fullmatch("[0-9a-f]{40}", asked):
        return asked
    file = _refs(repo) / asked
    return file.read_text().strip() if file.is_file() else None


def resolve(repo: str, revision: str | None, token: str | bool | None = None) -> Pinned:
    """The commit of a revision (a version, a tag, a branch, a commit; None: the newest version) of a Hub dataset.

    The answer is kept on disk, so that it can be had again with the Hub out of reach; the newest is then the newest of
    which anything is prepared on this machine. Raises VersionMismatch where there is no such version, HubUnavailable
    where that cannot be known.
    """
    from huggingface_hub import errors, hf_hub_download

    asked = tag_or_revision(revision) if revision else None
    try:
        there = published(repo, token)
    except HubUnavailable as error:
        if not _out_of_reach(error):
            raise
        return _resolved_here(repo, asked, error)
    if not asked and not there:
        raise VersionMismatch(f"{repo} has no version: no tag like v1.0.0; load a branch with load_dataset, revision=")
    asked = asked or list(there)[-1].tag
    try:
        with explained(repo):
            # Its folder is named after the commit, it notes the ref on disk, and datasets needs the file anyway.
            card = hf_hub_download(repo, "README.md", repo_type="dataset", revision=asked, token=token)
    except errors.LocalEntryNotFoundError as error:  # it answered once, then no more
        raise HubUnavailable(f"the Hub stopped answering while {repo} {asked} was looked up; try again") from error
    except errors.EntryNotFoundError as error:
        raise SafetyPairsError(f"{repo} at {asked} has no README.md: it was not published by safetypairs") from error
    except HubUnavailable as error:
        if isinstance(error.__cause__, errors.RevisionNotFoundError):
            raise VersionMismatch(f"{repo} has no {asked}; its versions are {_listed(there)}") from error
        raise
    return Pinned(Path(card).parent.name, asked)


def _resolved_here(repo: str, asked: str | None, error: HubUnavailable) -> Pinned:
    """What this machine knows of a revision; `error` says why the Hub was not asked."""
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
        return Pinned(commit, asked, reachable=False)
    if here:
        raise VersionMismatch(f"{repo} {asked} is not among what this machine knows ({_listed(here)}); {error}")
    raise error


def is_folder(repo: str) -> bool:
    """Whether `repo` names a folder here; else it is a dataset on the Hub. Raises SafetyPairsError: neither."""
    if Path(repo).expanduser().is_dir():
        return True
    if repo.startswith((".", "/", "~")):
        raise SafetyPairsError(f"no folder {repo}; name one that `safetypairs publish` wrote, or org/name on the Hub")
    _checked(repo)
    return False


def folder_version(folder: Path) -> Version | None:
    """The version that a published folder holds; None where the folder has no manifest of ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from safetypairs_hf.dataset import manifest

    try:
        metadata = pq.read_schema(folder / manifest.NAME).metadata or {}
        return parse(json.loads(metadata[manifest.KEY])["version"])
    except (OSError, KeyError, ValueError, PublishError, pa.ArrowInvalid):
        return None


def check_folder(folder: Path, asked: str) -> None:
    """Raise VersionMismatch unless the folder holds the version asked for."""
    holds = folder_version(folder)
    if holds is None:
        raise VersionMismatch(f"{asked} was asked for, and the folder {folder} does not say its version: no manifest")
    if tag_or_revision(asked) != holds.tag:
        raise VersionMismatch(f"{asked} was asked for, and the folder {folder} holds {holds}; ask for that, or move it")


def _listed(versions: dict[Version, str]) -> str:
    return ", ".join(str(version) for version in versions) or "none"


def _checked(repo: str) -> str:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo):
        raise SafetyPairsError(f"{repo!r} is neither a folder here nor a dataset on the Hub; expected org/name")
    return repo


def _out_of_reach(error: HubUnavailable) -> bool:
    """Whether the Hub gave no answer, or a broken one; not where it refused."""
    status = getattr(getattr(error.__cause__, "response", None), "status_code", None)
    return status is None or status >= 500


class Pinned(str):
    """A revision that must be the one loaded: a commit hash.

    `asked` is what the user asked for, for messages. `reachable`: whether the Hub answered when it was resolved.
    """

    asked: str
    reachable: bool

    def __new__(cls, commit: str, asked: str = "", reachable: bool = True) -> Pinned:
        pinned = super().__new__(cls, commit)
        pinned.asked = asked
        pinned.reachable = reachable
        return pinned
