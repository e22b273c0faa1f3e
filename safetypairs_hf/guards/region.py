"""Show any judge only the edited region of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Judge, Picture, Verdict
from safetypairs_hf.guards.base import Guard
from safetypairs_hf.guards.user_guard import as_guard, as_judge
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy


def _of_inner(name: str) -> Any:
    """Return a property that reads an attribute of the inner guard."""
    return property(lambda self: getattr(self._guard, name))


@dataclass(frozen=True)
class OnRegion(Guard):
    """Crops each image to its region and asks `inner`. An image without a region is shown whole.

    Args:
        inner: Any judge.
        margin: How far the crop extends beyond the region on every side, as a share of its width or height.
        least: The least side of a crop in pixels, if the image is large enough.

    Raises:
        RecipeError: The margin is negative, or the least side is below one pixel.
    """

    inner: Judge
    margin: float = 0.25
    least: int = 32
    uses_regions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.margin < 0 or self.least < 1:
            raise RecipeError(f"margin = {self.margin}, least = {self.least}: expected at least 0 and at least 1")
        object.__setattr__(self, "inner", as_judge(self.inner))

    @property
    def name(self) -> str:
        return f"{self.inner.name}/region"

    revision = _of_inner("revision")
    family = _of_inner("family")
    holds_model = _of_inner("holds_model")
    dtype = _of_inner("dtype")
    seed = _of_inner("seed")
    expects = _of_inner("expects")

    @property
    def fidelity(self) -> str:
        return self._guard.fidelity or "common"

    def asked(self, slug: str) -> str:
        return self._guard.asked(slug)

    def under(self, taxonomy: Taxonomy) -> Self:
        bound = super().under(taxonomy)
        if bound is not self:
            object.__setattr__(bound, "inner", bind(self.inner, taxonomy))
        return bound

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Ask `inner` about the crops. It gets each region in the pixel coordinates of its crop."""
        crops, inside = [], []
        for image, region in zip(images, regions, strict=True):
            crop, box = (image, None) if region is None else self._crop(image, region)
            crops.append(crop)
            inside.append(box)
        return self.inner.judge(crops, categories, inside)

    def release(self) -> None:
        self._guard.release()

    @property
    def _guard(self) -> Guard:
        return as_guard(self.inner).under(self.taxonomy)

    def _crop(self, image: Picture, region: Box) -> tuple[Picture, Box]:
        height, width = image.pixels.shape[:2]
        x0, x1 = self._grown(region.x0, region.x1, width)
        y0, y1 = self._grown(region.y0, region.y1, height)
        crop = encode(np.ascontiguousarray(image.pixels[y0:y1, x0:x1]))
        crop.name = image.name
        return crop, Box(region.x0 - x0, region.y0 - y0, region.x1 - x0, region.y1 - y0)

    def _grown(self, start: int, stop: int, size: int) -> tuple[int, int]:
        """Return one dimension of the crop: extended, and cut at the image's edge.

        A crop that is too short is moved into the image.
        """
        span = stop - start
        reach = math.ceil(self.margin * span)
        if span + 2 * reach < self.least:
            start = min(max(start - (self.least - span) // 2, 0), max(size - self.least, 0))
            return start, min(start + self.least, size)
        return max(start - reach, 0), min(stop + reach, size)
