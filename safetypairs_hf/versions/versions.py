"""List the versions of a dataset that its releases and tags name."""

from __future__ import annotations

from typing import NamedTuple

from safetypairs_hf.core.errors import HubUnavailable, SafetyPairsError
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset.store.base import Published, version_of


class Line(NamedTuple):
    """A version, as `versions` shows it.

    `released`: main's manifest knows it. `commit`: its tag's, if it has one. `note`: what is wrong with the tag, or "".
    """

    version: str
    pairs: int | None
    added: int | None
    removed: int | None
    recipe: str | None
    code: str | None
    released: bool
    commit: str | None
    note: str = ""


def versions(dataset: Published) -> list[Line]:
    """Every version that a release or a tag names, newest first. See `Published.open` for what it raises."""
    newest, tags = dataset.newest(), dataset.tags() or {}
    known = {parse(release["version"]): release for release in (newest.releases if newest else [])}
    lines = []
    for version in sorted({*known, *tags}, reverse=True):
        of = known.get(version, {})
        pairs, added, removed, recipe, code = map(of.get, ("pairs", "added", "removed", "recipe", "code"))
        note = _note(dataset, version) if version in tags else ""
        lines.append(Line(str(version), pairs, added, removed, recipe, code, version in known, tags.get(version), note))
    return lines


def _note(dataset: Published, version: Version) -> str:
    """What the manifest on the tag's commit says against the tag."""
    try:
        held = version_of(dataset.open(version).head)
    except HubUnavailable:
        raise
    except SafetyPairsError:
        return "no release: its commit has no manifest of ours"
    return "" if held == version else f"no release: it is on the commit of {held}"
