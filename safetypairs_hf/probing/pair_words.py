"""Read the items and words of a pair's members from the texts of its row.

The critical feature names the item of the unsafe member, and the instruction what replaces the item, or a part of it,
in the safe member.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from safetypairs_hf.probing.lookups import Clue

# Words that no picture shows: articles, prepositions, conjunctions.
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have in into is it its of on or some that the their there this to was "
        "were which with",
    )
)
_ASKED = re.compile(r"\b(?:with|into|to|by)\b\s+(.+)", re.IGNORECASE | re.DOTALL)
_VERBS = r"\b(?:replac|swap|chang|turn|convert|transform|exchang|substitut|mak|alter|modif|edit)\w*"
_CHANGES = re.compile(_VERBS, re.IGNORECASE)
# 'Change "A" to "B" ...', and 'Replace the A with a B'.
_QUOTED = re.compile(_VERBS + r"""\s+["“]([^"”]+)["”]\s+(?:with|into|to|by)\s+["“]([^"”]+)["”]""", re.IGNORECASE)
_PLAIN = re.compile(_VERBS + r"\s+(.+?)\s+(?:with|into|to|by)\s+(.+)", re.IGNORECASE | re.DOTALL)
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+", re.IGNORECASE)


class Swap(NamedTuple):
    """The swapped text of the unsafe member, that of the safe member, and the text around it that both have."""

    unsafe: str
    safe: str
    around: str


def clue(feature: str, instruction: str, group: str) -> Clue:
    """Read the tokens of a pair's members: the swapped and the surrounding text as wholes, and all words.

    Args:
        feature: What makes the unsafe member unsafe, as in the column `critical_feature`.
        instruction: The edit, as in the column `instruction`.
        group: The pair's group.
    """
    swapped = swap(feature, instruction)
    around = _tokens(swapped.around)
    unsafe, safe = _tokens(swapped.unsafe) | around, _tokens(swapped.safe) | around
    return Clue(unsafe, safe, _whole(swapped.unsafe), _whole(swapped.safe), group)


def swap(feature: str, instruction: str) -> Swap:
    """Read what an instruction swaps.

    'Change "ALWAYS" to "NEVER" in "ALWAYS RUN"' swaps a part of the feature "ALWAYS RUN", and "RUN" surrounds it.
    "Replace the knife with a spoon" swaps the whole feature "a knife". If an instruction only removes the feature, the
    safe member has nothing in its place.
    """
    feature, text = (" ".join(each.split()) for each in (feature, instruction))
    bare = re.escape(_ARTICLE.sub("", feature))
    whole = re.search(rf"{_VERBS}\s+(?:\w+\s+)?{bare}\s+(?:with|into|to|by)\s+(.+)", text, re.IGNORECASE)
    if feature and whole:
        return Swap(feature, whole[1].rstrip("."), "")
    head = _without_place(text, feature)
    found = _QUOTED.search(head) or _PLAIN.search(head)
    if found:
        old, new = _ARTICLE.sub("", found[1]), found[2].strip().rstrip(".")
        at = feature.lower().find(old.lower())
        if at >= 0:
            return Swap(old, new, f"{feature[:at]} {feature[at + len(old) :]}")
    return Swap(feature, _asked_for(feature, text), "")


def _without_place(text: str, feature: str) -> str:
    """Return the instruction without a location at its end, such as ' in "ALWAYS RUN"'."""
    bare = text.rstrip(".")
    if not feature or not bare.lower().endswith(feature.lower()):
        return text
    head, found, _ = bare[: len(bare) - len(feature)].rpartition(" in ")
    return head if found else text


def _asked_for(feature: str, text: str) -> str:
    """Return what an instruction puts in the place of the feature; "" if it only removes the feature."""
    bare = _ARTICLE.sub("", feature)
    at = text.lower().find(bare.lower()) if bare else -1
    rest = text[at + len(bare) :] if at >= 0 else text
    found = _ASKED.search(rest) if _CHANGES.search(text) else None
    return found[1].strip().rstrip(".") if found else ""


def _tokens(phrase: str) -> frozenset[str]:
    """Return the phrase as a whole, and its words."""
    return frozenset(_words(phrase)) | _whole(phrase)


def _whole(phrase: str) -> frozenset[str]:
    words = _words(phrase)
    return frozenset([" ".join(words)]) if words else frozenset()


def _words(phrase: str) -> list[str]:
    return [word for word in re.findall(r"\w+(?:['’]\w+)*", phrase.lower()) if word not in _EMPTY]
