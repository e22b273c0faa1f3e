"""Resize source images to a few standard sizes, with a narrow crop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from safetypairs_hf.core.decoding import UnusableError, decode
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import PILLOW, check_encoder
from safetypairs_hf.core.records import Pixels

# Editors halve an image several times, so its sides must be multiples of this.
_STEP = 16


@dataclass(frozen=True)
class Frame:
    """Resizes an image to about `size` x `size` pixels in area, with sides that are multiples of 16.

    The shape is kept. Images of similar shape get the same sides, so that an editor can process them in one batch. The
    excess over a multiple of 16 is cropped, half at each end. This is less than 1% of an image at 1024.

    Args:
        size: The side of a square image of that area, in pixels.
        min_side: The smallest accepted shorter side, in pixels; None for half of `size`.
        max_aspect: The largest accepted ratio of the longer to the shorter side.
        encoder: The encoder of the run's PNG files, for both members of a pair; see `core.pictures.ENCODERS`.
    """

    size: int = 1024
    min_side: int | None = None
    max_aspect: float = 3.0
    encoder: str = PILLOW

    def __post_init__(self) -> None:
        if self.size < 64:
            raise RecipeError(f"size is {self.size}; editors need sides of at least 64 pixels: give more")
        if self.max_aspect < 1:
            raise RecipeError(f"max_aspect is {self.max_aspect}; it is the longer side by the shorter: give 1 or more")
        check_encoder(self.encoder)

    def open(self, data: bytes) -> Image.Image:
        """Decode an image upright to 8-bit sRGB, at its own size. Raises UnusableError."""
        image = decode(data, (self.size + 1) // 2 if self.min_side is None else self.min_side)
        if max(image.size) > self.max_aspect * min(image.size):
            raise UnusableError(
                "extreme_aspect", f"{image.width} x {image.height} pixels; at most {self.max_aspect:g} to 1 is taken"
            )
        return image

    def fit(self, image: Image.Image) -> Pixels:
        """Return the image in the size of its bucket, (height, width, 3) uint8. Such a size is not resampled."""
        width, height = self.sides(*image.size)
        scale = max(width / image.width, height / image.height)
        crop_x, crop_y = image.width - width / scale, image.height - height / scale
        inner = (crop_x / 2, crop_y / 2, image.width - crop_x / 2, image.height - crop_y / 2)
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box=inner))

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the bucket with the nearest shape; of equally near ones, the nearest area."""
        aspect = math.sqrt(width / height)

        def far(sides: tuple[int, int]) -> tuple[float, float]:
            shape = abs(math.log(sides[0] / sides[1] / aspect**2))
            return round(shape, 9), abs(math.log(sides[0] * sides[1] / self.size**2))

        widths, heights = _around(self.size * aspect), _around(self.size / aspect)
        return min(((x, y) for x in widths for y in heights), key=far)


def _around(length: float) -> tuple[int, int]:
    below = max(1, math.floor(length / _STEP)) * _STEP
    return below, below + _STEP
