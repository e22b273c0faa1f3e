"""Errata: what a release corrected of a published pair, what that was before, why, and who says so.

A pair keeps its id, its group and its split under every erratum. Its id is the hash of its images and category as they
were first published, so after a relabel it is the errata that tell why the id is what it is: see `first_labels`.

`was` and `now` hold the values that an erratum changed, by the name of a column of the manifest (`category`,
`unsafe_sha256`, `safe_sha256`) or of the data (`policy`, `critical_feature`, `instruction`). Of a drop `now` is empty
and `was` says what the pair was; of an undone drop it is the other way round. A swapped policy pair has the same image
as before, and the values that change are `category`, `unsafe_policy` and `safe_policy`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from safetypairs_hf.core.tables import WIDTH
from safetypairs_hf.core.version import Version, parse

if TYPE_CHECKING:
    from safetypairs_hf.dataset.manifest import Manifest

NAME: Final = "errata.json"
ACTIONS: Final = {
    "swap": "the unsafe member is the safe one, and the other way round; of a policy pair, its two policies",
    "category": "the pair is of another category",
    "text": "other words in critical_feature or instruction",
    "drop": "the pair leaves the dataset, for a fault that no relabel mends",
    "undo": "what the last erratum of the pair changed is as it was before",
}
TEXTS: Final = ("critical_feature", "instruction")
IMAGES: Final = ("unsafe_sha256", "safe_sha256")
POLICIES: Final = ("unsafe_policy", "safe_policy")
_SWAPPED: Final = {IMAGES[0], POLICIES[0]}  # one of these is in what a swap changes
LABELS: Final = ("category", *IMAGES)

Erratum = Mapping[str, Any]


def erratum(
    pair_id: str,
    action: str,
    was: Mapping[str, str],
    now: Mapping[str, str],
    reason: str,
    by: str,
    version: Version,
) -> dict[str, Any]:
    """An erratum as JSON. `version` is the release that brought it."""
    return {
        "pair_id": pair_id,
        "action": action,
        "was": dict(was),
        "now": dict(now),
        "reason": reason,
        "by": by,
        "version": str(version),
    }


def first_labels(errata: Iterable[Erratum]) -> dict[str, dict[str, str]]:
    """Pair id -> category and images as they were before the first of its errata, as far as errata changed them."""
    found: dict[str, dict[str, str]] = {}
    for each in reversed(list(errata)):
        labels = {name: value for name, value in each["was"].items() if name in LABELS}
        found.setdefault(each["pair_id"], {}).update(labels)
    return found


def last_labels(errata: Iterable[Erratum]) -> dict[str, dict[str, str]]:
    """Pair id -> category and images as the last of its errata left them, as far as errata changed them."""
    found: dict[str, dict[str, str]] = {}
    for each in errata:
        labels = {name: value for name, value in each["now"].items() if name in LABELS}
        found.setdefault(each["pair_id"], {}).update(labels)
    return found


def dropped(errata: Iterable[Erratum]) -> set[str]:
    """The pairs that errata took out of the dataset, and did not bring back."""
    gone: set[str] = set()
    for each in errata:
        if not each["now"]:
            gone.add(each["pair_id"])
        elif not each["was"]:
            gone.discard(each["pair_id"])
    return gone


def swapped(errata: Iterable[Erratum]) -> set[str]:
    """The pairs whose members, or whose two policies, any of the errata swapped."""
    return {each["pair_id"] for each in errata if each["was"] and not _SWAPPED.isdisjoint(each["now"])}


def reworded(errata: Iterable[Erratum]) -> set[str]:
    """The pairs whose words any of the errata changed."""
    return {each["pair_id"] for each in errata if not each["now"].keys().isdisjoint(TEXTS)}


def standing(errata: Sequence[Erratum]) -> set[str]:
    """The pairs that errata have left another category, other members or no place in the dataset."""
    first, last = first_labels(errata), last_labels(errata)
    return dropped(errata) | {
        pair_id for pair_id, labels in last.items() if not labels.items() <= first[pair_id].items()
    }


def between(errata: Iterable[Erratum], one: Version, other: Version) -> list[dict[str, Any]]:
    """The errata that releases after the older of two versions brought, up to the newer one."""
    old, new = sorted((one, other))
    return [dict(each) for each in errata if old < parse(each["version"]) <= new]


def in_words(erratum: Erratum) -> str:
    """What an erratum changed, in words."""
    was, now = erratum["was"], erratum["now"]
    undone = "undone: " if erratum["action"] == "undo" else ""
    if not now:
        return f"{undone}dropped from {was.get('category', '?')}"
    if not was:
        return f"{undone}back in {now.get('category', '?')}"
    if POLICIES[0] in now:
        return f"{undone}policies swapped: unsafe by {now[POLICIES[0]]}, safe by {now[POLICIES[1]]}"
    what = ["members swapped"] if IMAGES[0] in now else []
    what += [f"{was.get('category', '?')} to {now['category']}"] if "category" in now else []
    what += [f"other {name}" for name in TEXTS if name in now]
    return undone + ", ".join(what)


def told(erratum: Erratum, *, whole: bool = True) -> str:
    """An erratum as lines of at most 80 columns; `whole`: with its version and who says so."""
    text = f"{erratum['pair_id']}  {in_words(erratum)}: {erratum['reason']}"
    text = f"{erratum['version']}  {text} (by {erratum['by']})" if whole else f"  {text}"
    return textwrap.fill(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def render(manifest: Manifest) -> dict[str, str]:
    """errata.json of a version; nothing where no pair was ever corrected."""
    if not manifest.errata:
        return {}
    # Sorted, as the manifest keeps them: read back from it, the text is the same to the byte.
    return {NAME: json.dumps(manifest.errata, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}
