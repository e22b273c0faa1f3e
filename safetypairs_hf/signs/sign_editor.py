"""The editor of the recipe `signs`: erases the sign on a plate and draws the composition that the text asks for.

For controls it replaces a neutral sign, or erases every sign and draws it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safetypairs_hf.core.records import Box, Edited, Instruction, Picture, Reject
from safetypairs_hf.icons.drawing import paint
from safetypairs_hf.icons.editor import crop_of, read_region
from safetypairs_hf.signs.neutral import draw_neutral
from safetypairs_hf.signs.policies import signs_taxonomy
from safetypairs_hf.signs.sign_drawing import around, sign_of, stamp
from safetypairs_hf.signs.sign_reading import likeness, plates_in, templates
from safetypairs_hf.signs.wording import NEUTRAL, asked_for

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.reading import Spot
    from safetypairs_hf.signs.sign_drawing import Sign

# A plate counts as neutral if its ink has at least this contrast (distance in RGB), at most this share of it is
# covered, and its likeness to every composition of the vocabulary is below this (1.0 = exact).
_PLAIN, _LITTLE, _STRANGE = 80.0, 0.002, 0.8


@dataclass(frozen=True)
class SignEditor:
    """Draws another composition on the plate in the instruction's region, as the source draws it, in the old colours.

    The drawing depends only on region, colours and composition, so drawing the same sign again changes no byte. Signs
    that overlap the plate stay unchanged.
    """

    name: str = "sign-editor"
    revision: str = "1"

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """Return for each image the edited (height, width, 3) array, or a Reject with the reason."""
        return [self._one(*each) for each in zip(images, instructions, seeds, strict=True)]

    def _one(self, image: Picture, instruction: Instruction, seed: int) -> Edited | Reject:
        if instruction.text == NEUTRAL:
            return self._neutral(image.pixels, seed)
        composition = asked_for().get(instruction.text)
        if composition is None:
            return Reject("edit", "unknown_sign", f"no sign of the vocabulary is named in: {instruction.text}")
        found = read_region(image.pixels, instruction.region)
        return found if isinstance(found, Reject) else Edited(_drawn_over(image.pixels, found, sign_of(composition)))

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        """Return the images with the ink of each plate read as a mask, wiped, and painted again by that mask."""
        return [_painted_again(image.pixels) for image in images]

    def _neutral(self, pixels: Pixels, seed: int) -> Edited | Reject:
        """Replace a neutral sign by another; the seed chooses both."""
        rng = np.random.default_rng(seed)
        spots = [spot for spot in plates_in(pixels) if _is_neutral(spot)]
        if not spots:
            return Reject("edit", "no_neutral_sign", "there is no whole sign that belongs to no block")
        return Edited(_exchanged(pixels, spots[int(rng.integers(len(spots)))], rng))


def _is_neutral(spot: Spot) -> bool:
    """Return whether a spot is a fully visible plate that shows no composition of any block."""
    reading = spot.reading
    if reading.contrast < _PLAIN or float((~reading.on_line).mean()) > _LITTLE:
        return False
    return all(float(likeness(templates(slug), reading).max(initial=-1)) < _STRANGE for slug in signs_taxonomy().slugs)


def _exchanged(pixels: Pixels, spot: Spot, rng: np.random.Generator) -> Pixels:
    """Return the image with another neutral sign in the place of the spot's ink."""
    edited, reading = pixels.copy(), spot.reading
    crop = crop_of(edited, spot.region)
    crop[reading.cover > 0] = reading.plate.astype(np.uint8)
    x0, y0, x1, y1 = reading.box
    [sign] = draw_neutral(rng, 1)
    stamp(crop, sign, around(Box(x0, y0, x1, y1)), reading.glyph.astype(np.uint8))
    return edited


def _painted_again(pixels: Pixels) -> Pixels:
    painted = pixels.copy()
    for region, reading in plates_in(pixels):
        crop, ink = crop_of(painted, region), reading.cover > 0
        crop[ink] = reading.plate.astype(np.uint8)
        paint(crop, np.where(ink, reading.cover, np.float32(0)), 0, 0, reading.glyph.astype(np.uint8))
    return painted


def _drawn_over(pixels: Pixels, spot: Spot, sign: Sign) -> Pixels:
    edited = pixels.copy()
    crop, reading = crop_of(edited, spot.region), spot.reading
    crop[reading.on_line] = reading.plate.astype(np.uint8)
    stamp(edited, sign, spot.region, reading.glyph.astype(np.uint8))
    crop[~reading.on_line] = crop_of(pixels, spot.region)[~reading.on_line]
    return edited
