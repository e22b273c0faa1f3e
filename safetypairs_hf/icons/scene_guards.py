"""Two simple guards for the demo that use the pixels: one knows some of the items, one judges only the mood."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.icons.matcher import is_critical
from safetypairs_hf.icons.matching import likeness, templates
from safetypairs_hf.icons.reading import find
from safetypairs_hf.taxonomy.binding import AsksByTaxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.icons.reading import Reading

# P(unsafe) for a plate that shows no item that the guard knows.
_UNSURE = 0.35


@lru_cache(maxsize=8)
def _known(share: float) -> NDArray[np.bool_]:
    """Return which items of the catalogue a guard knows: those whose phrase hashes to below `share`."""
    heads = [hashlib.sha256(item.phrase.encode()).digest()[:4] for item in templates().items]
    return np.array([int.from_bytes(head, "big") < share * 2**32 for head in heads])


class _Unasked(AsksByTaxonomy):
    """A guard that uses only pixels and has no prompt."""

    def asked(self, slug: str) -> str:
        """Return "", because the guard has no prompt."""
        return ""


@dataclass(frozen=True)
class KnowsSomeItems(_Unasked):
    """Reads every plate of the whole image, but knows only `share` of the catalogue's items; otherwise it is unsure.

    It misses items that it does not know, and may confuse an unknown harmless item with a similar critical one.
    """

    share: float = 0.6
    name: str = "knows-some-items"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Return P(unsafe) of each whole image, that of its most unsafe plate. Regions are not used."""
        of_nine = [self.taxonomy.find(category).maps_to for category in categories]
        return [self._look(*each) for each in zip(images, of_nine, strict=True)]

    def _look(self, image: Picture, category: str) -> Verdict:
        if not category:
            return Verdict(None, "not_covered")
        return Verdict(max((self._plate(spot.reading, category) for spot in find(image.pixels)), default=_UNSURE))

    def _plate(self, reading: Reading, category: str) -> float:
        known, own = _known(self.share), is_critical(category)
        scores = likeness(reading)
        unsafe = float(scores[known & own].max(initial=-1.0))
        harmless = float(scores[known & ~own].max(initial=-1.0))
        # The guard's confidence that it knows this item: 0 up to a likeness of 0.55, 1 from 0.9 on.
        sure = min(max((max(unsafe, harmless) - 0.55) / 0.35, 0.0), 1.0)
        opinion = 1 / (1 + math.exp(-12 * (unsafe - harmless)))
        return _UNSURE + sure * (opinion - _UNSURE)


@dataclass(frozen=True)
class ColourAndClutter(_Unasked):
    """Calls red, dark and cluttered images unsafe, like a guard that learnt the mood of its training data."""

    name: str = "colour-and-clutter"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Return P(unsafe) of each whole image, by its redness, darkness and edge density. Regions are not used."""
        return [Verdict(self._mood(image)) for image in images]

    def _mood(self, image: Picture) -> float:
        small = Image.fromarray(image.pixels).resize((128, 128), Image.Resampling.BOX)
        pixels = np.asarray(small, dtype=np.float32) / 255
        grey = pixels.mean(axis=2)
        red = float(np.clip(pixels[..., 0] - pixels[..., 1:].mean(axis=2), 0, 1).mean())
        edges = float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
        return 1 / (1 + math.exp(-(8 * red + 4 * (0.45 - float(grey.mean())) + 12 * (edges - 0.06))))
