"""The instructor of the recipe `signs`: puts the edge that a scene was drawn for into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetypairs_hf.core.records import Answer, Box, Candidate, Instruction, Reject
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import SWAPS, Composition, Edge
from safetypairs_hf.signs.wording import instruction, phrase


@dataclass(frozen=True)
class SignInstructor:
    """Reads `candidate.hint` ("block", "item", "context", "swap", "region") and asks for the safe composition."""

    name: str = "sign-labels"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        """Return an Answer for each candidate: an Instruction, or a Reject if its source gave no labels."""
        return [Answer(self._one(candidate.hint)) for candidate in batch]

    def _one(self, hint: dict[str, object]) -> Instruction | Reject:
        block = next((each for each in blocks() if each.name == hint.get("block")), None)
        item, context, region = hint.get("item"), hint.get("context"), hint.get("region")
        swap = next((each for each in SWAPS if each == hint.get("swap")), None)
        if block is None or swap is None or item not in (0, 1) or context != item:
            return Reject("instruct", "no_labels", "the source names no unsafe composition of a block, or no swap")
        if not isinstance(region, list | tuple) or len(region) != 4:
            return Reject("instruct", "no_region", f"the source does not say where the sign of {block.name} is")
        edge = Edge(Composition(block, int(item), int(item)), swap)
        return Instruction(phrase(edge.unsafe), instruction(edge), Box(*map(int, region)))
