"""Measure the difference between two finished members, whatever tool edited them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.core.pictures import changed_box
from safetypairs_hf.core.records import Box, Pixels, Preservation


@dataclass(frozen=True)
class AsItIs:
    """The rule for finished pairs: count every different pixel if most pixels are equal, else visible changes.

    It works like `building.preservation.Exact` as long as at most `everywhere` of the pixels differ. If more differ (a
    generative editor, or a lossy file), `Perceptual` separates changes from noise. If it finds only noise, every
    different pixel counts again, so every pair of unequal members has a box.
    """

    needs_baseline: ClassVar[bool] = False

    everywhere: float = 0.5

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        return after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        """Return the smallest box around the change, and the figures; (None, None) for equal members."""
        box, changed = changed_box(before, after)
        if box is not None and changed > self.everywhere:
            seen = Perceptual().measure(before, after, None)
            if seen[0] is not None:
                return seen
        return (box, Preservation(ssim_outside=1.0, changed_fraction=changed)) if box else (None, None)
