"""The items and words of the members of a pair, from the texts that a row has.

Where both members have a caption, its words are theirs. Else the critical feature names what the unsafe member has, and
what an instruction such as "Replace a knife with a spoon" asks for is what the safe member has; where it only takes
something away, the safe member has nothing of its own.
"""

from __future__ import annotations

import re

from safetypairs_hf.probing.lookups import Clue

# Words that no picture shows: articles and what joins words.
_EMPTY = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in", "into", "is", "it", "its", "of", "on", "or", "some", "that", "the", "their", "there", "this", "to", "was", "were", "which", "with"]
)
_ASKED = re.compile(r"\b(?:with|into|to|by)\b\s+(.+)", re.IGNORECASE | re.DOTALL)
_CHANGES = re.compile(
    r"\b(?:replac|swap|chang|turn|convert|transform|exchang|substitut|mak|alter|modif|edit)\w*", re.IGNORECASE
)


def clue(feature: str, instruction: str, group: str, captions: tuple[str, str] = ("", "")) -> Clue:
    """Read the tokens of a pair's members.

    Args:
        feature: What makes the unsafe member unsafe, as the column `critical_feature` has it.
        instruction: The edit, as the column `instruction` has it.
        group: The pair's group.
        captions: What describes the unsafe and the safe member, where both are described.
    """
    if all(captions):
        unsafe, safe = (_words(caption) for caption in captions)
    else:
        unsafe, safe = _tokens(feature), _tokens(asked_for(feature, instruction))
    return Clue(unsafe, safe, unsafe - safe, safe - unsafe, group)


def asked_for(feature: str, instruction: str) -> str:
    """What an instruction wants to see in the place of the feature; "" where it takes something away alone."""
    text = " ".join(instruction.split())
    bare = " ".join(word for word in feature.split() if word.lower() not in ("a", "an", "the", "some"))
    at = text.lower().find(bare.lower()) if bare else -1
    rest = text[at + len(bare) :] if at >= 0 else text
    found = _ASKED.search(rest) if _CHANGES.search(text) else None
    return found[1].strip().rstrip(".") if found else ""


def _tokens(phrase: str) -> frozenset[str]:
    """The item as a whole, and its words."""
    words = [word for word in _split(phrase) if word not in _EMPTY]
    return frozenset([*words, " ".join(words)]) if words else frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(_split(text)) - _EMPTY


def _split(text: str) -> list[str]:
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())
