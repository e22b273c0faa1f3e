"""The coordinates in which a model states regions of an image.

Models that were trained to point at things use the convention of their training, whatever the prompt requests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import downscaled_size

AUTO: Final = "auto"
PIXELS: Final = "pixels"
# The conventions, each with the JSON schema of one number: shares of the width and the height, thousandths of them, and
# pixels of the image after the model's processor has resized it.
_NUMBERS: Final[dict[str, dict[str, Any]]] = {
    "shares": {"type": "number", "minimum": 0, "maximum": 1},
    "thousandths": {"type": "integer", "minimum": 0, "maximum": 1000},
    PIXELS: {"type": "integer", "minimum": 0},
}
# Keys are matched with the letters and digits of the `model_type` in transformers, or of a served model's name. Source:
# the models' cards and reports. Any other model is asked for shares.
_OF_FAMILY: Final = {
    "qwen25vl": PIXELS,
    "qwen25omni": PIXELS,
    "qwen2vl": "thousandths",
    "qwen3vl": "thousandths",
    "internvl": "thousandths",
    "glm4v": "thousandths",
    "glm41v": "thousandths",
    "glm45v": "thousandths",
}


class Extent(NamedTuple):
    """The coordinates of an image's right and bottom edge; those of its left and top edge are 0."""

    right: float
    bottom: float


@dataclass(frozen=True)
class Coordinates:
    """A convention, and the extent of an image under it.

    Args:
        convention: "shares", "thousandths" or "pixels".
        factor, least, most: For "pixels", how the processor resizes an image: to sides that are multiples of `factor`,
            with `least` to `most` pixels in total. The defaults are those of the published Qwen2.5-VL models.
        max_side: The longer side to which an image is downscaled before that; 0 does not downscale it.
    """

    convention: str = "shares"
    factor: int = 28
    least: int = 56 * 56
    most: int = 12_845_056
    max_side: int = 0

    def extent(self, width: int, height: int) -> Extent:
        """Return the extent of an image of `width` x `height` pixels."""
        if self.convention == "shares":
            return Extent(1.0, 1.0)
        if self.convention == "thousandths":
            return Extent(1000.0, 1000.0)
        return Extent(*resized(*downscaled_size(width, height, self.max_side), self.factor, self.least, self.most))

    @property
    def number(self) -> dict[str, Any]:
        """The JSON schema of one coordinate."""
        return _NUMBERS[self.convention]

    def asked(self, width: int, height: int) -> str:
        """Return the words of the prompt for an image of `width` x `height` pixels."""
        right, bottom = self.extent(width, height)
        if self.convention == "shares":
            return "as shares of the width and height between 0 and 1"
        if self.convention == "thousandths":
            return "as whole numbers, thousandths of the width and height between 0 and 1000"
        return f"in whole pixels of the image, which is {right:.0f} pixels wide and {bottom:.0f} pixels high"


SHARES: Final = Coordinates()


def check_convention(convention: str) -> None:
    """Raise RecipeError if there is no such convention."""
    known = (AUTO, *_NUMBERS)
    if convention not in known:
        raise RecipeError(f"coordinates = {convention!r}: expected one of {', '.join(known)}")


def convention_of(family: str) -> str:
    """Return the convention of a family of models, by the `model_type` of transformers or the name of a model."""
    plain = "".join(letter for letter in family.lower() if letter.isalnum())
    return next((convention for name, convention in _OF_FAMILY.items() if name in plain), SHARES.convention)


def resized(width: int, height: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """Return the (width, height) to which the processors of the Qwen models resize an image.

    Sides are rounded to multiples of `factor`. If the area is then outside of `least` to `most` pixels, both sides are
    first scaled by the same factor, and rounded so that the area is inside. Source: `smart_resize` in the image
    processor of Qwen2-VL.
    """
    sides = [round(side / factor) * factor for side in (width, height)]
    if sides[0] * sides[1] > most:
        scale = math.sqrt(width * height / most)
        sides = [max(factor, math.floor(side / scale / factor) * factor) for side in (width, height)]
    elif sides[0] * sides[1] < least:
        scale = math.sqrt(least / (width * height))
        sides = [math.ceil(side * scale / factor) * factor for side in (width, height)]
    return sides[0], sides[1]
