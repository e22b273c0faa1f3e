"""The editor of the icons recipe: erases the item on a plate and draws another one, from pixels and words only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safetypairs_hf.core.records import Edited, Instruction, Picture, Reject
from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.catalogue import Item, by_phrase
from safetypairs_hf.icons.drawing import paint
from safetypairs_hf.icons.reading import Reading, Spot, read

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Box, Pixels


def asked_for(text: str) -> Item | None:
    """Return the item that an instruction asks for: the phrase after " with "."""
    parts = text.strip().rstrip(".").split(" with ")
    # Try the longest phrase first: "a house with a laptop" is an item, and so is "a laptop".
    phrases = (" with ".join(parts[k:]) for k in range(1, len(parts)))
    return next((by_phrase()[phrase] for phrase in phrases if phrase in by_phrase()), None)


def _size(reading: Reading, item: Item, factor: float) -> tuple[int, int]:
    """Return the width and height at which the item looks as large as the old one, between equal box and equal ink."""
    x0, y0, x1, y1 = reading.box
    area = (x1 - x0) * (y1 - y0)
    old_density = float(reading.cover.sum()) / area
    target = factor * area * math.sqrt(old_density / glyphs.density(item))
    aspect = glyphs.aspect(item)
    return max(round(math.sqrt(target * aspect)), 2), max(round(math.sqrt(target / aspect)), 2)


@dataclass(frozen=True)
class IconEditor:
    """Replaces the glyph on the plate in the instruction's region by the item that its text asks for.

    The new item has the old one's colour, place and, within `spread` (the standard deviation of the log of its area),
    size. It is not clipped to the region: if it is too wide for its plate it sticks out, which a judge must detect.
    """

    spread: float = 0.04
    name: str = "icon-editor"
    revision: str = "1"

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Return for each image the edited (height, width, 3) array, or a Reject with the reason."""
        return [self._one(*each) for each in zip(images, instructions, seeds, strict=True)]

    def _one(self, image: Picture, instruction: Instruction, seed: int) -> Edited | Reject:
        item = asked_for(instruction.text)
        if item is None:
            return Reject("edit", "unknown_item", f"no item of the catalogue is named in: {instruction.text}")
        found = read_region(image.pixels, instruction.region)
        if isinstance(found, Reject):
            return found
        rng = np.random.default_rng(seed)
        return Edited(_replace(image.pixels, found, item, rng, self.spread))


def read_region(pixels: Pixels, region: Box | None) -> Spot | Reject:
    """Read the plate in a region; return a Reject of the edit stage if it cannot be read."""
    if region is None:
        return Reject("edit", "no_region", "the instruction does not say where to edit")
    reading = read(crop_of(pixels, region)) if _whole(pixels, region) else None
    if reading is None:
        return Reject("edit", "nothing_to_replace", f"the region {tuple(region)} holds one colour or none")
    return Spot(region, reading)


def _whole(pixels: Pixels, region: Box) -> bool:
    """Return whether the region lies in the image and is large enough to be read."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = region
    return x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height and min(x1 - x0, y1 - y0) >= 4


def crop_of(pixels: Pixels, region: Box) -> Pixels:
    """Return a view of the pixels of a region."""
    return pixels[region.y0 : region.y1, region.x0 : region.x1]


def _replace(pixels: Pixels, spot: Spot, item: Item, rng: np.random.Generator, spread: float) -> Pixels:
    region, reading = spot
    edited = pixels.copy()
    crop_of(edited, region)[reading.on_line] = reading.plate.astype(np.uint8)
    width, height = _size(reading, item, math.exp(spread * rng.standard_normal()))
    x0, y0, x1, y1 = reading.box
    # A spare half pixel goes to a random side: a fixed side would reveal which member of a pair was edited.
    x, y = (x0 + x1 - width + int(rng.integers(2))) // 2, (y0 + y1 - height + int(rng.integers(2))) // 2
    paint(edited, glyphs.mask(item, width, height), region.x0 + x, region.y0 + y, reading.glyph.astype(np.uint8))
    return edited
