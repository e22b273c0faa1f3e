"""Random changes that are equal for both members of a pair, so that they still differ in one thing only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class PairAugmentation:
    """Crop, mirror and change the light of images. One random draw is applied to all images of a call.

    If the edit box of the pair is given, every crop contains the whole box: a crop without it would show two equal
    images with two labels.

    Args:
        least: The least share of the image's area that a crop keeps, in (0, 1].
        mirror: The probability of mirroring, in [0, 1]; use 0 if the images contain text.
        light: The change of brightness, contrast and colour: factors in [1 - light, 1 + light], 0 <= light < 1.

    Raises:
        SafetyPairsError: A number is outside its range.
    """

    least: float = 0.6
    mirror: float = 0.5
    light: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1 or not 0 <= self.mirror <= 1 or not 0 <= self.light < 1:
            raise SafetyPairsError(
                f"least {self.least}, mirror {self.mirror}, light {self.light}; expected (0, 1], [0, 1] and [0, 1)"
            )

    def __call__(
        self, images: Sequence[Image], rng: random.Random, edit_box: Sequence[int] | None = None
    ) -> list[Image]:
        """Return the images with equal changes; sizes do not change.

        Args:
            images: The members of a pair, of equal size; or one image.
            rng: The random generator for the draw.
            edit_box: x0, y0, x1, y1 in pixels, x1 and y1 exclusive.

        Raises:
            SafetyPairsError: The images differ in size.
        """
        from PIL import Image as Images
        from PIL import ImageEnhance, ImageOps

        sizes = {image.size for image in images}
        if len(sizes) != 1:
            raise SafetyPairsError(f"the members of a pair differ in size: {', '.join(map(str, sorted(sizes)))}")
        size = sizes.pop()
        crop = self._crop(size, rng, edit_box)
        mirrored = rng.random() < self.mirror
        factors = [rng.uniform(1 - self.light, 1 + self.light) for _ in range(3)]
        changed = []
        for image in images:
            image = image.convert("RGB").resize(size, Images.Resampling.BICUBIC, box=crop)
            if mirrored:
                image = ImageOps.mirror(image)
            for enhance, factor in zip(
                (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), factors, strict=True
            ):
                image = enhance(image).enhance(factor)
            changed.append(image)
        return changed

    def _crop(
        self, size: tuple[int, int], rng: random.Random, edit_box: Sequence[int] | None
    ) -> tuple[float, float, float, float]:
        """Return the part to keep, in the image's own shape. It contains the edit box, and grows if that is needed."""
        width, height = size
        x0, y0, x1, y1 = edit_box or (width / 2, height / 2, width / 2, height / 2)
        scale = max(rng.uniform(self.least, 1) ** 0.5, (x1 - x0) / width, (y1 - y0) / height)
        wide, high = min(scale * width, width), min(scale * height, height)
        left = rng.uniform(max(x1 - wide, 0), min(x0, width - wide)) if edit_box else rng.uniform(0, width - wide)
        top = rng.uniform(max(y1 - high, 0), min(y0, height - high)) if edit_box else rng.uniform(0, height - high)
        return left, top, left + wide, top + high
