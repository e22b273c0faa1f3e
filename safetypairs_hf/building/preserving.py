"""How much of an image an edit left alone: the protocol, and the rule for editors that work on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from safetypairs_hf.records import Box, Pixels, Preservation


class Preserving(Protocol):
    """Finishes an edited image and measures what changed.

    `needs_baseline`: whether it wants each unedited image through the editor's autoencoder and back.
    """

    @property
    def needs_baseline(self) -> bool: ...

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        """The safe member's pixels, from the editor's."""
        ...

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        """The smallest box around what changed, and the figures; (None, None) where nothing did."""
        ...


@dataclass(frozen=True)
class Exact:
    """Every pixel that differs at all has changed. For editors that leave the others as they were."""

    needs_baseline: ClassVar[bool] = False

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        return after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        # The box is the smallest that holds every changed pixel, so what lies outside it is equal: SSIM is 1 exactly.
        box, changed = changed_box(before, after)
        return (box, Preservation(ssim_outside=1.0, changed_fraction=changed)) if box else (None, None)


def changed_box(before: Pixels, after: Pixels) -> tuple[Box | None, float]:
    """The smallest box around the pixels that differ (None where none does) and their share of the image, in [0, 1]."""
    mask = (before != after).any(axis=2)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None, 0.0
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box, int(mask.sum()) / mask.size
