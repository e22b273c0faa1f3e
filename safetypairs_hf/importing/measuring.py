"""Measure what differs between two finished members, whoever made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.core.pictures import changed_box
from safetypairs_hf.core.records import Box, Pixels, Preservation


@dataclass(frozen=True)
class AsItIs:
    """The rule for pairs that came finished: what differs at all where most pixels are equal, else what is seen to.

    Up to then it is as `building.preservation.Exact`. Where more than `everywhere` of the
    pixels differ (a generative editor, or a lossy file), `Perceptual` tells what changed from what is noise; where all
    of it looks like noise, what differs at all counts again, so that every pair of unequal members has a box.
    """

    needs_baseline: ClassVar[bool] = False

    everywhere: float = 0.5

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        return after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        """The smallest box around what changed, and the figures; (None, None) for equal members."""
        box, changed = changed_box(before, after)
        if box is not None and changed > self.everywhere:
            seen = Perceptual().measure(before, after, None)
            if seen[0] is not None:
                return seen
        return (box, Preservation(ssim_outside=1.0, changed_fraction=changed)) if box else (None, None)
