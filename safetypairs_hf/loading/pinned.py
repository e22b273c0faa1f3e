"""The module factory of `datasets`, restricted to the requested version and its published content."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.exceptions import DatasetNotFoundError
from datasets.load import DatasetModule

from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import HubUnavailable, PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.hub import explained, fetch, is_out_of_reach, list_files, retried
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import card_header, manifest, reviews
from safetypairs_hf.loading import cached, content, resolve
from safetypairs_hf.loading.content import Content
from safetypairs_hf.loading.resolve import Pinned

if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

_CARD = "README.md"
Factory = Callable[..., DatasetModule]


def bare_name(factory: Factory, name: str, revision: str | None, options: dict[str, Any]) -> DatasetModule:
    """Return the module for the bare name, whose meaning `parse_target_name` finds.

    `revision` has precedence over the configured version.

    Raises:
        VersionMismatch: A folder holds another version.
        SafetyPairsError: A folder was not published by safetypairs.
    """
    meant = parse_target_name(name, _version_or_none(revision or ""))
    wanted = revision or (meant.version.tag if meant.version else None)
    if meant.is_folder:
        held = resolve.held_version(meant).tag
        if wanted:
            resolve.check_folder(meant, wanted)
        return module(factory, str(meant.path), Pinned("", held, called=meant.place), options)
    return module(factory, meant.place, resolve.resolve(meant.place, wanted, _token(options)), options)


def module(factory: Factory, place: str, pinned: Pinned, options: dict[str, Any]) -> DatasetModule:
    """Return the factory's module for exactly this version. Its builder checks what it reads.

    Raises:
        VersionMismatch: Only other versions are available, or the files are not the published ones.
        HubUnavailable: The Hub cannot be reached and no version is on this machine.
        SafetyPairsError: An option would select other rows.
    """
    if given := [name for name in ("data_files", "data_dir") if options.get(name) is not None]:
        raise SafetyPairsError(
            f"{place}: {given[0]} would read other rows under the name of a version; name a config and a "
            "split, or load the files by themselves: load_dataset('parquet', data_files=...)"
        )
    if pinned.called == NAME:
        tell_embedded(pinned.asked.removeprefix("v"))
    if Path(place).is_dir():
        return _of_folder(factory, Path(place), pinned, options)
    return _of_hub(factory, place, pinned, options)


@cache  # once per process and version
def tell_embedded(version: str) -> None:
    """Log that the dataset included in the package is used, and how to name another one."""
    logger.warning(
        "%s@%s is the dataset included in safetypairs-hf: drawn signs, no photographs; to use another, name a folder "
        "or org/name, or set SAFETYPAIRS_REPO",
        NAME,
        version,
    )


def with_own_key(found: DatasetModule, folder: str) -> DatasetModule:
    """Return a published folder's module for plain `load_dataset`, with a cache key that changes with every file."""
    return replace(found, hash=content.as_it_is(Path(folder)))


def _of_folder(factory: Factory, folder: Path, pinned: Pinned, options: dict[str, Any]) -> DatasetModule:
    whole = folder.expanduser()
    roots = whole.resolve().as_posix(), whole.absolute().as_posix()  # they differ if the path contains a link
    name = f"{pinned.called}@{pinned.asked.removeprefix('v')}"  # the form that commands accept
    held = Content(name, roots[0], whole / manifest.NAME, roots, True, pinned.check != "warn")
    if reviews.NAME in held.files:
        held = replace(held, reviews=whole / reviews.NAME)
    if (whole / _CARD).exists():
        _check_card(whole / _CARD, name)
    found = factory(str(folder), **options)
    key = f"checked-{held.digest()}" if held.strict else content.as_it_is(folder)
    return _checked(found, held, key)


def _of_hub(factory: Factory, repo: str, commit: Pinned, options: dict[str, Any]) -> DatasetModule:
    from huggingface_hub import HfApi

    refused: HubUnavailable | None = None
    if commit.reachable:
        try:
            _check_card(fetch(repo, _CARD, str(commit), HfApi(token=_token(options))), f"{repo}@{commit.asked}")
            with explained(repo):
                found = retried(lambda: factory(repo, revision=str(commit), **options))
            # If the Hub becomes unreachable meanwhile, datasets falls back to what it prepared last, of any version.
            if found.hash == commit:
                held = _content_of(repo, commit, _token(options))
                return _checked(found, held, cached.checked(commit) if held.strict else str(commit))
        except DatasetNotFoundError as error:
            raise HubUnavailable(f"{error} Check the name, ask for access, or log in: hf auth login") from error
        except HubUnavailable as error:
            if not is_out_of_reach(error):
                raise
            refused = error
    here = cached.module(repo, commit, options.get("cache_dir"))
    if here is None and commit.check == "warn":
        here = cached.module(repo, commit, options.get("cache_dir"), strict=False)
    if here is None and refused:
        raise refused
    if here is None:
        raise _nothing_here(repo, commit, options.get("cache_dir"))
    return here


def _check_card(path: Path, name: str) -> None:
    """Raise SafetyPairsError for a card that would take `datasets`, which accepts any, unbounded time to read."""
    with reading(f"{name}: {_CARD}", f"see: safetypairs verify {name}"):
        card_header.check(path)


def _content_of(repo: str, commit: Pinned, token: str | bool | None) -> Content:
    """Return what the commit's manifest lists, and what is wrong on the Hub, which is asked once for each commit."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    asked = _version_or_none(commit.asked)
    name = f"{repo}@{asked or commit.asked}"
    file = _fetched(repo, manifest.NAME, commit, api, name)
    place = f"{api.endpoint}/datasets/{repo}"  # the same for all commits, because a release changes few files
    tree = f"{place}@{commit}"
    held = Content(name, place, file, (f"hf://datasets/{repo}@{commit}",), False, commit.check != "warn")
    if reviews.NAME in held.files:
        held = replace(held, reviews=_fetched(repo, reviews.NAME, commit, api, name))
    if asked and held.version != asked:
        raise VersionMismatch(
            f"{repo} {commit.asked} was asked for, but its manifest states {held.version}; tell its publisher"
        )
    if content.is_tree_right(tree):
        return held
    wrong = content.other_tree(held, list_files(repo, str(commit), api))
    if not wrong:
        content.remember_tree(tree)
    return replace(held, wrong=wrong)


def _fetched(repo: str, file: str, commit: Pinned, api: HfApi, name: str) -> Path:
    try:
        return fetch(repo, file, str(commit), api)
    except FileNotFoundError as error:
        raise SafetyPairsError(f"{name} has no {file}: it was not published by safetypairs") from error


def _version_or_none(text: str) -> Any:
    try:
        return parse(text)
    except PublishError:
        return None


def _checked(found: DatasetModule, held: Content, key: str) -> DatasetModule:
    from datasets.packaged_modules.parquet.parquet import Parquet

    from safetypairs_hf.loading.checked_parquet import CheckedParquet

    if found.module_path != Parquet.__module__:
        raise VersionMismatch(
            f"{held.name} is not as it was published: its data are not Parquet; see: safetypairs verify {held.name}"
        )
    kwargs = {**found.builder_kwargs, "content": held}
    return replace(found, module_path=CheckedParquet.__module__, hash=key, builder_kwargs=kwargs)


def _nothing_here(repo: str, commit: Pinned, cache_dir: str | None) -> SafetyPairsError:
    commits = dict.fromkeys(of for _, _, of in cached.prepared(repo, cache_dir))
    if not commits:
        return HubUnavailable(
            f"{repo} {commit.asked}: the Hub cannot be reached, and no version is prepared on this machine"
        )
    tags = {of: str(version) for version, of in resolve.known(repo).items()}
    there = ", ".join(sorted(tags.get(of, f"commit {of[:8]}") for of in commits))
    return VersionMismatch(
        f"{repo} {commit.asked} was asked for, but the Hub cannot be reached; prepared on this machine: {there}"
    )


def _token(options: dict[str, Any]) -> str | bool | None:
    download_config = options.get("download_config")
    token: str | bool | None = download_config.token if download_config else options.get("token")
    return token
