"""Semantic versions of a dataset: patch for changed card or metadata, minor for added pairs, major for removed ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from safetypairs_hf.core.errors import PublishError, counted, verb

LARGEST = 999_999  # a mistyped huge number would stay forever, because each release must be above the last one


class Version(NamedTuple):
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        return f"v{self}"


def parse(text: str) -> Version:
    """Return "1.2.0" or "v1.2.0" as a Version.

    Raises:
        PublishError: The text is not three whole numbers up to LARGEST.
    """
    match = re.fullmatch(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", text)
    if not match:
        raise PublishError(f"{text!r} is not a version; expected three whole numbers such as 1.2.0")
    if any(len(number) > len(str(LARGEST)) for number in match.groups()):
        raise PublishError(f"{text[:40]!r} is not a version; none of its three numbers may be above {LARGEST}")
    return Version(*(int(number) for number in match.groups()))


def by_version(tags: Mapping[str, str]) -> dict[Version, str]:
    """Return the tags of the form that `publish` makes (v1.2.0), oldest first, each with its commit."""
    found = {}
    for tag, commit in tags.items():
        try:
            version = parse(tag)
        except PublishError:  # a tag with another purpose
            continue
        if tag == version.tag:
            found[version] = commit
    return dict(sorted(found.items()))


def least(last: Version, added: int, removed: int) -> Version:
    """Return the smallest version that the difference from `last` allows. Relabelled pairs count as removed."""
    if removed:
        return Version(last.major + 1, 0, 0)
    if added:
        return Version(last.major, last.minor + 1, 0)
    return Version(last.major, last.minor, last.patch + 1)


def check(version: Version, last: Version | None, added: int, removed: int, relabelled: int = 0) -> None:
    """Check that a version is above the last one, and a large enough step for the difference.

    Raises:
        PublishError: It is not; the message has the smallest version that is.
    """
    if last is None:
        return
    smallest = least(last, added, removed + relabelled)
    if version <= last:
        raise PublishError(f"version {version} is not above the last one, {last}; give {smallest} or more")
    if version < smallest:
        counts = (removed, "removed"), (relabelled, "relabelled"), (added, "added")
        what = next(f"{counted(count, 'pair')} {verb(count, 'is')} {done}" for count, done in counts if count)
        raise PublishError(f"version {version} is too small a step from {last}: {what}; give {smallest} or more")
