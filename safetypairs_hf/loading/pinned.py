"""The module factory of `datasets`, held to the version that was asked for and to its content."""

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
    """What `load_dataset(name)` means here: see `parse_target_name`.

    `revision` wins over the version set. Raises VersionMismatch where a folder holds another version, SafetyPairsError
    where it is not ours.
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
    """The factory's answer for exactly this version, whose builder checks what it reads.

    Raises VersionMismatch where only other versions are here or the files are others, HubUnavailable where none is.
    """
    if given := [name for name in ("data_files", "data_dir") if options.get(name) is not None]:
        raise SafetyPairsError(
            f"{place}: {given[0]} would read other rows under a version's name; name a config and a split, or load the "
            "files by themselves: load_dataset('parquet', data_files=...)"
        )
    if pinned.called == NAME:
        tell_embedded(pinned.asked.removeprefix("v"))
    if Path(place).is_dir():
        return _of_folder(factory, Path(place), pinned, options)
    return _of_hub(factory, place, pinned, options)


@cache  # once a process for each version
def tell_embedded(version: str) -> None:
    """Say on stderr that the set which the package carries is handed out, and how to name another."""
    logger.warning(
        "%s@%s is the set that safetypairs-hf carries: drawn signs, no photographs; to use another, name a folder "
        "or org/name, or set SAFETYPAIRS_REPO",
        NAME,
        version,
    )


def with_own_key(found: DatasetModule, folder: str) -> DatasetModule:
    """A published folder as plain `load_dataset` reads it, with a cache key that changes with every file."""
    return replace(found, hash=content.as_it_is(Path(folder)))


def _of_folder(factory: Factory, folder: Path, pinned: Pinned, options: dict[str, Any]) -> DatasetModule:
    whole = folder.expanduser()
    roots = whole.resolve().as_posix(), whole.absolute().as_posix()  # another one where a link leads to it
    name = f"{pinned.called}@{pinned.asked.removeprefix('v')}"  # as a command takes it
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
            # Where the Hub goes out of reach meanwhile, datasets falls back on what it prepared last, of any version.
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
    """Raise SafetyPairsError for a card that `datasets`, which takes any, would read without end."""
    with reading(f"{name}: {_CARD}", f"see: safetypairs verify {name}"):
        card_header.check(path)


def _content_of(repo: str, commit: Pinned, token: str | bool | None) -> Content:
    """What the commit's manifest names, with what is wrong on the Hub; the Hub is asked once for a commit."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    asked = _version_or_none(commit.asked)
    name = f"{repo}@{asked or commit.asked}"
    file = _fetched(repo, manifest.NAME, commit, api, name)
    place = f"{api.endpoint}/datasets/{repo}"  # of all commits: a release adds files, and few change
    tree = f"{place}@{commit}"
    held = Content(name, place, file, (f"hf://datasets/{repo}@{commit}",), False, commit.check != "warn")
    if reviews.NAME in held.files:
        held = replace(held, reviews=_fetched(repo, reviews.NAME, commit, api, name))
    if asked and held.version != asked:
        raise VersionMismatch(
            f"{repo} {commit.asked} was asked for, and what came says that it is {held.version}; tell its publisher"
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
            f"{held.name} is not as it was published: what comes is no Parquet; see: safetypairs verify {held.name}"
        )
    kwargs = {**found.builder_kwargs, "content": held}
    return replace(found, module_path=CheckedParquet.__module__, hash=key, builder_kwargs=kwargs)


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
