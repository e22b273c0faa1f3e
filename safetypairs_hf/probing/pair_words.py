"""The items and words of the members of a pair, from the texts that a row has.

The critical feature names what the unsafe member has. What an instruction such as "Replace the knife with a spoon" asks
for is what the safe member has; where it only takes something away, the safe member has nothing of its own.
"""

from __future__ import annotations

import re

from safetypairs_hf.probing.lookups import Clue

# Words that no picture shows: articles and what joins words.
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have in into is it its of on or some that the their there this to was "
        "were which with",
    )
)
_ASKED = re.compile(r"\b(?:with|into|to|by)\b\s+(.+)", re.IGNORECASE | re.DOTALL)
_CHANGES = re.compile(
    r"\b(?:replac|swap|chang|turn|convert|transform|exchang|substitut|mak|alter|modif|edit)\w*", re.IGNORECASE
)


def clue(feature: str, instruction: str, group: str) -> Clue:
    """Read the tokens of a pair's members.

    Args:
        feature: What makes the unsafe member unsafe, as the column `critical_feature` has it.
        instruction: The edit, as the column `instruction` has it.
        group: The pair's group.
    """
    unsafe, safe = _tokens(feature), _tokens(asked_for(feature, instruction))
    return Clue(unsafe, safe, unsafe - safe, safe - unsafe, group)


def asked_for(feature: str, instruction: str) -> str:
    """What an instruction wants to see in the place of the feature; "" where it takes something away alone."""
    text = " ".join(instruction.split())
    bare = re.sub(r"^(?:an?|the|some)\s+", "", " ".join(feature.split()), flags=re.IGNORECASE)
    at = text.lower().find(bare.lower()) if bare else -1
    rest = text[at + len(bare) :] if at >= 0 else text
    found = _ASKED.search(rest) if _CHANGES.search(text) else None
    return found[1].strip().rstrip(".") if found else ""


def _tokens(phrase: str) -> frozenset[str]:
    """The item as a whole, and its words."""
    words = [word for word in re.findall(r"\w+(?:['’]\w+)*", phrase.lower()) if word not in _EMPTY]
    return frozenset([*words, " ".join(words)]) if words else frozenset()
