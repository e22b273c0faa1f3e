"""Errata: what a release corrected in a published pair, the old values, the reason and the author.

A pair keeps its id, group and split under every erratum. Its id is the hash of its images and category as first
published, so after a relabel the errata explain why the id does not match; see `first_labels`.

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
from safetypairs_hf.dataset.policy_pair_rows import POLICIES

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
    """Return an erratum as JSON values. `version` is the release that brought it."""
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
    """Return by pair id the category and images before the pair's first erratum, as far as errata changed them."""
    found: dict[str, dict[str, str]] = {}
    for each in reversed(list(errata)):
        labels = {name: value for name, value in each["was"].items() if name in LABELS}
        found.setdefault(each["pair_id"], {}).update(labels)
    return found


def last_labels(errata: Iterable[Erratum]) -> dict[str, dict[str, str]]:
    """Return by pair id the category and images after the pair's last erratum, as far as errata changed them."""
    found: dict[str, dict[str, str]] = {}
    for each in errata:
        labels = {name: value for name, value in each["now"].items() if name in LABELS}
        found.setdefault(each["pair_id"], {}).update(labels)
    return found


def dropped(errata: Iterable[Erratum]) -> set[str]:
    """Return the pairs that errata removed from the dataset and did not bring back."""
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
    """Return the pairs whose texts were changed by an erratum."""
    return {each["pair_id"] for each in errata if not each["now"].keys().isdisjoint(TEXTS)}


def standing(errata: Sequence[Erratum]) -> set[str]:
    """Return the pairs that, after all errata, have another category or other members, or are dropped."""
    first, last = first_labels(errata), last_labels(errata)
    return dropped(errata) | {
        pair_id for pair_id, labels in last.items() if not labels.items() <= first[pair_id].items()
    }


def between(errata: Iterable[Erratum], one: Version, other: Version) -> list[dict[str, Any]]:
    """Return the errata of the releases after the older of two versions, up to the newer one."""
    old, new = sorted((one, other))
    return [dict(each) for each in errata if old < parse(each["version"]) <= new]


def in_words(erratum: Erratum) -> str:
    """Say in words what an erratum changed."""
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
    """Return errata.json of a version; empty if no pair was ever corrected."""
    if not manifest.errata:
        return {}
    # Sorted as in the manifest, so that the text made from a manifest that was read back is equal to the byte.
    return {NAME: json.dumps(manifest.errata, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}
