"""`load`: a published version as a dataset, or an error if that exact version cannot be had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import HubUnavailable, SafetyPairsError, VersionMismatch, in_a_line
from safetypairs_hf.core.hub import explained, retried
from safetypairs_hf.core.target_name import parse_target_name
from safetypairs_hf.loading import bare_name, resolve

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

    Data: TypeAlias = Dataset | DatasetDict | IterableDataset | IterableDatasetDict


def load(
    repo: str = NAME,
    version: str | None = None,
    config: str = "default",
    split: str | None = None,
    streaming: bool = False,
    token: str | bool | None = None,
    check: str = "error",
    **kwargs: Any,
) -> Data:
    """Load one published version. It is always that exact version, whether or not the Hub is reachable.

    Two things are checked: the tag points to the commit that this machine saw before, and the files of the config
    match the hashes in the manifest. A file is hashed once on a machine and then recognised by its size and
    modification times. A stream from the Hub is checked against the hashes that the Hub lists, then row by row.

    The column `review` holds the human review of a pair as of this version, even if its data file is older.

    Args:
        repo: `org/name` on the Hub, or a folder that `safetypairs publish` wrote; either may end in `@1.2.0` if
            `version` is not given. "safetypairs": the folder ./safetypairs if there is one, else what SAFETYPAIRS_REPO
            names, else what `safetypairs autoload on` saved, each with the version that was set with it
            (SAFETYPAIRS_VERSION) unless `version` is given; else the set that this package carries, which needs no
            network.
        version: "1.2.0" or "v1.2.0". None: the newest tagged version (never an untagged main). If the Hub is not
            reachable or temporarily refuses (429, 5xx), it is the newest version prepared on this machine, and a
            warning names it.
        config: `default`, `by_category` or a category's slug; or, if the version has them, `controls`, `failures` or
            `reviews`.
        split: Passed to `datasets.load_dataset`.
        streaming: Passed to `datasets.load_dataset`.
        token: Passed to `datasets.load_dataset`.
        check: "error" refuses a version whose content is not as it was published. "warn" loads it with a warning, for a
            version that was edited on purpose.
        **kwargs: Passed to `datasets.load_dataset`. `data_files` and `data_dir` are refused: they would select other
            rows.

    Returns:
        What `datasets.load_dataset` returns for this split, config and mode.

    Raises:
        VersionMismatch: There is no such version; the Hub is not reachable and this machine has only other versions;
            its tag was moved; or its content is not as it was published.
        HubUnavailable: There is no network and no local copy; the repo does not exist; or it is private or gated and
            the token has no access.
        SafetyPairsError: There is no such folder, config or split (the message lists those that exist); or a row has no
            images.
    """
    import datasets

    from safetypairs_hf.loading.content import CHECKS

    if "revision" in kwargs:
        raise SafetyPairsError(
            "load takes a version, not a revision; for a branch or a commit use datasets.load_dataset"
        )
    if check not in CHECKS:
        raise SafetyPairsError(f"check is {check!r}; expected one of {', '.join(CHECKS)}")
    bare_name.register()
    asked = resolve.version_of(version) if version else None
    name = parse_target_name(repo, asked)
    options: dict[str, Any] = {"split": split, "streaming": streaming, "token": token, **kwargs}
    if name.is_folder:
        wanted = (name.version or resolve.held_version(name)).tag
        resolve.check_folder(name, wanted)
        options["revision"] = resolve.Pinned("", wanted, check=check, called=name.place)
        place = str(name.path)
    else:
        options["revision"] = resolve.resolve(name.place, name.version.tag if name.version else None, token, check)
        wanted = options["revision"].asked
        place = name.place
    called = name.place  # in messages
    try:
        with explained(called):
            data = retried(lambda: datasets.load_dataset(place, config, **options))
    except ValueError as error:
        raise _wrong_name(place, called, config, options, error) from error
    except datasets.exceptions.DatasetNotFoundError as error:
        raise HubUnavailable(f"{error} Check the name, ask for access, or log in: hf auth login") from error
    except SafetyPairsError:
        raise
    except Exception as error:  # `datasets` and its readers raise any of these for content that others wrote
        cause = error
        if isinstance(error, datasets.exceptions.DatasetGenerationError) and isinstance(error.__cause__, Exception):
            cause = error.__cause__
        if isinstance(cause, SafetyPairsError):
            raise cause from error
        raise SafetyPairsError(
            f"{called} {wanted} could not be prepared: {_said(cause)}; see: safetypairs verify {called}"
        ) from error
    if check == "error":
        _check_came(data, called, wanted)
    return cast("Data", data)


def _check_came(data: Any, repo: str, wanted: str) -> None:
    """Check the version that the card states, which detects a tag that was put on another version's commit."""
    first = next(iter(data.values())) if isinstance(data, dict) else data
    came = str(first.info.version or "0.0.0")
    if came not in ("0.0.0", wanted.removeprefix("v")):
        raise VersionMismatch(f"{repo} {wanted} was asked for, but its card states {came}; tell its publisher")


def _wrong_name(place: str, called: str, config: str, options: dict[str, Any], error: ValueError) -> Exception:
    """Return the error for a config or split that does not exist; any other ValueError is returned unchanged."""
    import datasets

    fault = SafetyPairsError(f"{called} {config} could not be loaded: {_said(error)}; see: safetypairs verify {called}")
    keys = ("revision", "token", "download_config", "download_mode")
    where = {key: options[key] for key in keys if key in options}
    if isinstance(error, SafetyPairsError):
        return error
    try:
        with explained(called):
            configs = retried(lambda: datasets.get_dataset_config_names(place, **where))
    except ValueError:  # the configs cannot be listed either, so their name is not the cause
        return fault
    if config not in configs and not getattr(options.get("revision"), "reachable", True):
        here = ", ".join(configs)
        return HubUnavailable(f"{called} {config}: the Hub cannot be reached; prepared on this machine: {here}")
    if config not in configs:
        return SafetyPairsError(f"{called} has no config {config!r}; there are {', '.join(configs)}")
    with explained(called):
        splits = retried(lambda: datasets.get_dataset_split_names(place, config, **where))
    asked = re.sub(r"\[.*?\]", "", str(options["split"])).split("+")
    if any(name.strip() not in (*splits, "all", "None") for name in asked):
        return SafetyPairsError(f"{called} {config} has no split {options['split']!r}; there are {', '.join(splits)}")
    return fault


def _said(error: BaseException) -> str:
    """Return the message of an error of `datasets` in one line, or words for a class of error that has none."""
    import datasets
    from datasets.table import CastError

    if isinstance(error, CastError):
        return "its files do not have the same columns (" + in_a_line(error).partition(": ")[2] + ")"
    if isinstance(error, datasets.exceptions.DatasetsError) and "splits" in type(error).__name__.lower():
        return "its files do not hold as many rows as its card says"
    return in_a_line(error)
