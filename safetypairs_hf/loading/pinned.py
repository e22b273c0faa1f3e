"""The module factory of `datasets`, held to the commit that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from datasets.exceptions import DatasetNotFoundError
from datasets.load import DatasetModule

from safetypairs_hf.core.errors import HubUnavailable, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.hub import explained, is_out_of_reach, retried
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.loading import cached, resolve
from safetypairs_hf.loading.resolve import Pinned

Factory = Callable[..., DatasetModule]


def bare_name(factory: Factory, name: str, revision: str | None, options: dict[str, Any]) -> DatasetModule:
    """What `load_dataset(name)` means here: the folder of that name, else the repo and version set.

    `revision` wins over the version set. Raises VersionMismatch where a folder holds another version.
    """
    meant = parse_target_name(name)
    wanted = revision or (meant.version.tag if meant.version else None)
    if meant.is_folder:
        if wanted:
            resolve.check_folder(meant, wanted)
        return factory(str(meant.path), **options)
    return module(factory, meant.place, resolve.resolve(meant.place, wanted, _token(options)), options)


def module(factory: Factory, repo: str, commit: Pinned, options: dict[str, Any]) -> DatasetModule:
    """The factory's answer for exactly this commit, from the Hub or prepared on this machine.

    Raises VersionMismatch where only other versions are here, HubUnavailable where none is.
    """
    refused: HubUnavailable | None = None
    if commit.reachable:
        try:
            with explained(repo):
                found = retried(lambda: factory(repo, revision=str(commit), **options))
            # Where the Hub goes out of reach meanwhile, datasets falls back on what it prepared last, of any version.
            if found.hash == commit:
                return found
        except DatasetNotFoundError as error:
            raise HubUnavailable(f"{error} Check the name, ask for access, or log in: hf auth login") from error
        except HubUnavailable as error:
            if not is_out_of_reach(error):
                raise
            refused = error
    here = cached.module(repo, commit, options.get("cache_dir"))
    if here is None and refused:
        raise refused
    if here is None:
        raise _nothing_here(repo, commit, options.get("cache_dir"))
    return here


def _nothing_here(repo: str, commit: Pinned, cache_dir: str | None) -> SafetyPairsError:
    commits = dict.fromkeys(of for _, _, of in cached.prepared(repo, cache_dir))
    if not commits:
        return HubUnavailable(
            f"{repo} {commit.asked}: the Hub cannot be reached, and nothing is prepared on this machine"
        )
    tags = {of: str(version) for version, of in resolve.known(repo).items()}
    there = ", ".join(sorted(tags.get(of, f"commit {of[:8]}") for of in commits))
    return VersionMismatch(
        f"{repo} {commit.asked} was asked for and the Hub cannot be reached; prepared on this machine: {there}"
    )


def _token(options: dict[str, Any]) -> str | bool | None:
    download_config = options.get("download_config")
    token: str | bool | None = download_config.token if download_config else options.get("token")
    return token
