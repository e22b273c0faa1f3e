"""The instructor of the icons recipe: puts the source's own labels into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetypairs_hf.core.records import Answer, Box, Candidate, Instruction, Reject


def definite(phrase: str) -> str:
    """Return the phrase with the definite article: "a gun" -> "the gun"."""
    first, _, rest = phrase.partition(" ")
    if first in ("a", "an"):
        return f"the {rest}"
    return phrase if first == "the" else f"the {phrase}"


@dataclass(frozen=True)
class IconInstructor:
    """Reads `candidate.hint` ("item", "twin", "region") and asks to replace the item with the twin."""

    name: str = "icon-labels"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Return an Answer for each candidate: an Instruction, or a Reject if its source gave no labels."""
        return [Answer(self._one(candidate.hint)) for candidate in batch]

    def _one(self, hint: dict[str, object]) -> Instruction | Reject:
        item, twin, region = hint.get("item"), hint.get("twin"), hint.get("region")
        if not isinstance(item, str) or not isinstance(twin, str):
            return Reject("instruct", "no_labels", "the source names no critical item, or nothing to replace it")
        if not isinstance(region, list | tuple) or len(region) != 4:
            return Reject("instruct", "no_region", f"the source does not say where {item} is")
        return Instruction(item, f"Replace {definite(item)} with {twin}.", Box(*map(int, region)))
