"""The editor of the recipe `signs`: wipes what is on a plate and draws the composition that the text asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safetypairs_hf.core.records import Edited, Instruction, Picture, Reject
from safetypairs_hf.icons.editor import crop_of, read_region
from safetypairs_hf.signs.sign_drawing import sign_of, stamp
from safetypairs_hf.signs.wording import asked_for

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.editor import Spot
    from safetypairs_hf.signs.sign_drawing import Sign


@dataclass(frozen=True)
class SignEditor:
    """Draws another composition on the plate in the instruction's region, as the source draws it, in the old colours.

    What is drawn depends on region, colours and composition alone, so that drawing once more what is there already
    changes no byte. What hangs over the plate stays as it is.
    """

    name: str = "sign-editor"
    revision: str = "1"

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        """One edited (height, width, 3) array an image, or a Reject that says why there is none."""
        return [self._one(*each) for each in zip(images, instructions, seeds, strict=True)]

    def _one(self, image: Picture, instruction: Instruction, seed: int) -> Edited | Reject:
        composition = asked_for().get(instruction.text)
        if composition is None:
            return Reject("edit", "unknown_sign", f"no sign of the vocabulary is asked for in: {instruction.text}")
        found = read_region(image.pixels, instruction.region)
        return found if isinstance(found, Reject) else Edited(_drawn_over(image.pixels, found, sign_of(composition)))


def _drawn_over(pixels: Pixels, spot: Spot, sign: Sign) -> Pixels:
    edited = pixels.copy()

    crop, reading = crop_of(edited, spot.region), spot.reading
    crop[reading.on_line] = reading.plate.astype(np.uint8)
    stamp(edited, sign, spot.region, reading.glyph.astype(np.uint8))
    crop[~reading.on_line] = crop_of(pixels, spot.region)[~reading.on_line]
    return edited
