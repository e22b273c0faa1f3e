"""Any judge, shown only where the edit was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Judge, Picture, Verdict


@dataclass(frozen=True)
class OnRegion:
    """Crops each image to its region and asks `inner`; an image without a region is shown whole.

    Args:
        margin: how far the crop reaches beyond the region on every side, as a share of its width or height.
        least: the crop has at least so many pixels a side, where the image has them.
    """

    inner: Judge
    margin: float = 0.25
    least: int = 32

    def __post_init__(self) -> None:
        if self.margin < 0 or self.least < 1:
            raise RecipeError(f"margin = {self.margin}, least = {self.least}: expected at least 0 and at least 1")

    @property
    def name(self) -> str:
        return f"{self.inner.name}/region"

    @property
    def family(self) -> str:
        return str(getattr(self.inner, "family", self.inner.name))

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.inner, "holds_model", False))

    @property
    def fidelity(self) -> Any:
        return getattr(self.inner, "fidelity", "common")

    @property
    def revision(self) -> Any:
        return getattr(self.inner, "revision", "")

    def asked(self, slug: str) -> str:
        """What `inner` is asked."""
        return str(self.inner.asked(slug)) if hasattr(self.inner, "asked") else ""

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """What `inner` says of each crop; it is given the region in the crop's own pixels."""
        crops, inside = [], []
        for image, region in zip(images, regions, strict=True):
            crop, box = (image, None) if region is None else self._crop(image, region)
            crops.append(crop)
            inside.append(box)
        return self.inner.judge(crops, categories, inside)

    def release(self) -> None:
        """Let go of the inner judge's model."""
        if hasattr(self.inner, "release"):
            self.inner.release()

    def _crop(self, image: Picture, region: Box) -> tuple[Picture, Box]:
        height, width = image.pixels.shape[:2]
        x0, x1 = self._grown(region.x0, region.x1, width)
        y0, y1 = self._grown(region.y0, region.y1, height)
        crop = encode(np.ascontiguousarray(image.pixels[y0:y1, x0:x1]))
        return crop, Box(region.x0 - x0, region.y0 - y0, region.x1 - x0, region.y1 - y0)

    def _grown(self, start: int, stop: int, size: int) -> tuple[int, int]:
        """A side of the region, grown and cut at the image's edge; a short one is moved into the image instead."""
        span = stop - start
        reach = math.ceil(self.margin * span)
        if span + 2 * reach < self.least:
            start = min(max(start - (self.least - span) // 2, 0), max(size - self.least, 0))
            return start, min(start + self.least, size)
        return max(start - reach, 0), min(stop + reach, size)
