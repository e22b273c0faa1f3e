"""Parse the names of datasets that users type: `TARGET[@VERSION]`.

`TARGET` is a local folder (`./x`, `/x`, `~/x` or any existing folder) or a dataset on the Hub (`org/name`). All
commands, options, integrations and functions parse such names here, so a name means the same everywhere.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from safetypairs_hf.core import default_dataset, embedded_set
from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import PublishError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.version import Version, parse

logger = logging.getLogger(__name__)

RUN_MARK = "recipe.json"  # the file that makes a folder a run

# The Hub's rules for an owner or a name. `huggingface_hub` refuses anything else.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_PAGE = re.compile(r"https?://[^/]+/datasets/([^/?#]+/[^/?#]+)(?:/(?:tree|blob|resolve)/([^/?#]+))?(?:[/?#].*)?")
_URL = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/?")  # an address with a longer path may be a run folder


class TargetName(NamedTuple):
    """The name of a dataset, and possibly of one version of it.

    Attributes:
        place: The folder as the user typed it, the Hub id `org/name`, or `safetypairs` for the set that the package
            carries, which is in a folder too.
        version: The version; None if the name has none.
        is_folder: Whether `place` is a folder.
    """

    place: str
    version: Version | None
    is_folder: bool

    @property
    def path(self) -> Path:
        """The folder's path. Raises VersionMismatch if the package does not carry that version of its set."""
        if self.is_embedded:
            return embedded_set.folder(self.version)
        return Path(self.place).expanduser()

    @property
    def is_embedded(self) -> bool:
        """Whether this is the set that the package carries. A folder ./safetypairs is named by its path."""
        return self.is_folder and self.place == NAME

    def __str__(self) -> str:
        return f"{self.place}@{self.version}" if self.version else self.place


def parse_target_name(text: str | os.PathLike[str], version: Version | None = None) -> TargetName:
    """Parse `TARGET[@VERSION]`.

    The text is split at `@` only if a version follows, and if no folder has the whole text as its name. The bare name
    `safetypairs` is the folder ./safetypairs if that exists, else the dataset that is set (see
    `default_dataset.current`), else the newest version of the set that the package carries. A version that is set
    applies to all three.

    Args:
        text: What the user typed. A path object is always a folder.
        version: A version that the user gave separately.

    Returns:
        The name. A folder that begins with `.`, `/` or `~` need not exist.

    Raises:
        SafetyPairsError: The text is not a name, or names both a local folder and a dataset on the Hub.
        VersionMismatch: The text after `@` is not a version or differs from `version`, or the package does not carry
            that version of its set.
    """
    if isinstance(text, os.PathLike):
        path = os.fspath(text)
        return TargetName(path if _is_spelt_as_folder(path) else f"./{path}", version, True)
    whole = _without_slash(text)
    place, typed = _split(whole)
    if place != NAME or (typed and _is_folder(whole)):
        name = _read(text)
        typed = name.version
    else:
        name = _bare(typed or version or _set_version())
    if typed and version and typed != version:
        raise VersionMismatch(f"{text} names one version, and {version} was given separately; leave one of them out")
    return name._replace(version=version) if version else name


def parse_place(text: str | os.PathLike[str]) -> TargetName:
    """Parse a `TARGET` without a version: a place to publish to, or a dataset with all of its versions.

    Raises:
        SafetyPairsError: As for `parse_target_name`, or the text names a version.
    """
    name = parse_target_name(text)
    if name.version and _split(_without_slash(os.fspath(text)))[1]:
        raise SafetyPairsError(f"{text} names a version, and here a whole dataset is named; write {name.place}")
    return name._replace(version=None)


def recorded_name(text: str) -> TargetName:
    """Parse a name that `str(TargetName)` wrote, perhaps on another machine, without looking for a folder."""
    place, version = _split(text)
    return TargetName(place, version, not is_hub_id(place))


def is_hub_id(text: str, *, owner: bool = True) -> bool:
    """Return whether `text` can be the id of a repo on the Hub: `org/name`.

    Args:
        text: A whole name, without a version.
        owner: Whether an owner is required. False also accepts old ids such as `mnist`.
    """
    pattern = f"{_PART}/{_PART}" if owner else f"(?:{_PART}/)?{_PART}"
    return bool(re.fullmatch(pattern, text)) and "--" not in text and ".." not in text and not text.endswith(".git")


def is_hub_address(text: str) -> bool:
    """Return whether `text` is the address of a dataset on a Hub: a web page or `hf://datasets/org/name`."""
    return _id_of(text) is not None


def refuse_run(place: str, path: Path) -> None:
    """Raise SafetyPairsError if a folder that should be a dataset is a run."""
    if (path / RUN_MARK).is_file():
        raise SafetyPairsError(
            f"{place} is a run, which has no version yet; publish it, and name what was published: "
            f"safetypairs publish {place} ./my-pairs --version 1.0.0"
        )


def no_folder(place: str) -> SafetyPairsError:
    """Return the error for a folder that does not exist."""
    target, at, version = place.rpartition("@")
    hint = f" ({version!r} is not a version)" if at and _is_folder(target) else ""
    return SafetyPairsError(
        f"no folder {place}{hint}; name one that `safetypairs publish` wrote, or org/name on the Hub"
    )


@cache  # once per process
def _warn_of_folder() -> None:
    logger.warning("%s is the folder ./%s here; elsewhere it is the set that the package carries", NAME, NAME)


def _bare(asked: Version | None) -> TargetName:
    """Return what the bare name means in the current folder, with the requested version."""
    if _is_folder(NAME):
        _warn_of_folder()
        return TargetName(f"./{NAME}", asked, True)
    repo = default_dataset.current().repo
    place, version = _split(repo)
    if place != NAME:
        name = _read(repo)
        return name._replace(version=asked or name.version)
    return TargetName(NAME, embedded_set.carried(asked or version), True)


def _set_version() -> Version | None:
    text = default_dataset.current().version
    try:
        return parse(text) if text else None
    except PublishError as error:
        raise VersionMismatch(f"the version that is set for {NAME!r}: {error}") from error


def _read(text: str) -> TargetName:
    """Parse any text except the bare name; see `parse_target_name`."""
    whole = _without_slash(text)
    place, version = _split(whole)
    if is_hub_id(place):
        if found := next(filter(_is_folder, (whole, place)), None):
            refuse_run(found, Path(found))
            raise SafetyPairsError(
                f"{found} is a folder here and could be a Hub id too; for the folder write ./{whole}; for the dataset "
                "on the Hub run this in another folder"
            )
        return TargetName(place, version, False)
    if version and _is_folder(whole):
        place, version = whole, None
    if _is_spelt_as_folder(place) or _is_folder(place):
        name = TargetName(place, version, True)
        try:
            name.path.stat()
        except RuntimeError as error:
            raise SafetyPairsError(
                f"{text!r} is no target: no user of this machine has the home {place.partition('/')[0]}"
            ) from error
        except ValueError as error:
            raise SafetyPairsError(f"{text!r} is no target: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
                raise SafetyPairsError(f"{text[:200]!r} is no target: {error.strerror}") from error
        return name
    raise _no_target(text, whole, place)


def _split(text: str) -> tuple[str, Version | None]:
    """Split a text at its last `@` if a version follows; else return the whole text and None."""
    place, at, after = text.rpartition("@")
    try:
        return (_without_slash(place), parse(after)) if at and place else (text, None)
    except PublishError:
        return text, None


def _without_slash(text: str) -> str:
    return text.rstrip("/") or text[:1]


def _is_folder(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().is_dir()
    except (OSError, RuntimeError):  # a name that is too long; the home of an unknown user
        return False


def _is_spelt_as_folder(text: str) -> bool:
    return text.startswith((".", "/", "~"))


def _no_target(text: str, whole: str, place: str) -> SafetyPairsError:
    """Return the error for a text that names nothing, with what to type instead."""
    if address := _id_of(text):
        return SafetyPairsError(f"{text!r} is no target; for that dataset write {address}")
    before, at, after = whole.rpartition("@")
    if at and before and place == whole and "/" not in after and "://" not in text:
        return VersionMismatch(
            f"{after!r} is not a version; expected three whole numbers such as {before}@1.2.0, or a folder ./{whole}"
        )
    if "/" not in place and place:
        return SafetyPairsError(
            f"{text!r} is no target: there is no folder of that name here; write ./{whole} for a folder, or "
            f"org/{whole} for a dataset on the Hub"
        )
    if re.fullmatch(r"[\w.-]+/[\w.-]+", place):
        return SafetyPairsError(
            f"{place!r} is no Hub id: an owner and a name have letters, digits, '_', '-' and '.', no '--' or '..', no "
            f"'-' or '.' at an end and no '.git'; for a folder write ./{whole}"
        )
    folder = "pairs" if not whole or "://" in whole else whole
    return SafetyPairsError(
        f"{text!r} is no target; expected org/name on the Hub, or a local folder such as ./{folder}"
    )


def _id_of(address: str) -> str | None:
    """Return `org/name` from the address of a dataset, with the version if it has one; None for any other text."""
    found = _PAGE.fullmatch(address) or _URL.fullmatch(address)
    if found is None or not is_hub_id(found[1]):
        return None
    try:
        return f"{found[1]}@{parse(found[2] or '')}"
    except PublishError:
        return found[1]
