from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.guards.classifier import Classifier
from safetypairs_hf.guards.region import OnRegion
from safetypairs_hf.icons.scene_guards import ColourAndClutter


@dataclass(frozen=True)
class Mean:
    """Half the mean red of what it is shown, and of the region that it is given; keeps the shapes."""

    name: str = "mean"
    family: str = "means"
    shapes: list[tuple[int, ...]] = field(default_factory=list, compare=False)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        self.shapes.extend(image.pixels.shape for image in images)
        return [self._one(image, box) for image, box in zip(images, regions, strict=True)]

    def _one(self, image: Picture, box: Box | None) -> Verdict:
        whole = image.pixels[..., 0].mean() / 255
        inside = whole if box is None else image.pixels[box.y0 : box.y1, box.x0 : box.x1, 0].mean() / 255
        return Verdict(float(whole + inside) / 2)


def picture(width: int, height: int, red: Box) -> Picture:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[red.y0 : red.y1, red.x0 : red.x1, 0] = 255
    return encode(pixels)


@pytest.mark.parametrize(
    ("region", "crop"),
    [
        (Box(80, 40, 120, 60), (32, 60)),  # 40x20 and a quarter of each; the height at least 32
        (Box(80, 40, 160, 80), (60, 120)),
        (Box(0, 0, 80, 40), (50, 100)),  # cut at the edges
        (Box(150, 90, 200, 100), (32, 63)),  # a flat one at an edge is moved into the image
        (Box(0, 0, 1, 1), (32, 32)),
        (Box(0, 0, 200, 100), (100, 200)),
        (None, (100, 200)),
    ],
)
def test_the_crop(region: Box | None, crop: tuple[int, int]) -> None:
    inner = Mean()
    (found,) = OnRegion(inner).judge([picture(200, 100, region or Box(0, 0, 200, 100))], ["hate"], [region])
    assert inner.shapes == [(*crop, 3)]
    area = (region.x1 - region.x0) * (region.y1 - region.y0) if region else 20000
    # The region is the red part, so within the crop the inner judge's own region is all red.
    assert found.p_unsafe == pytest.approx((1 + area / (crop[0] * crop[1])) / 2)


def test_an_image_smaller_than_the_least_crop() -> None:
    inner = Mean()
    OnRegion(inner).judge([picture(20, 10, Box(0, 0, 5, 5))], ["hate"], [Box(0, 0, 5, 5)])
    assert inner.shapes == [(10, 20, 3)]


def test_a_small_thing_is_seen_in_the_region_only(red_classifier: Path) -> None:
    """A red square of 1/400 of the image: too small to be seen on the whole, plain on the crop."""
    whole = Classifier(str(red_classifier), {"violence": ("red",)}, ("other",))
    spot = Box(100, 60, 110, 70)
    arguments = [picture(200, 200, spot)], ["violence"], [spot]
    (far,), (near,) = whole.judge(*arguments), OnRegion(whole).judge(*arguments)
    assert far.p_unsafe is not None and near.p_unsafe is not None
    assert far.p_unsafe < 0.5 < near.p_unsafe


def test_it_answers_for_the_inner_judge() -> None:
    guard = OnRegion(Mean())
    assert (guard.name, guard.family, guard.holds_model) == ("mean/region", "means", False)
    assert OnRegion(ColourAndClutter()).family == "colour-and-clutter"
    assert describe(guard) == {
        "class": "OnRegion",
        "inner": {"class": "Mean", "name": "mean", "family": "means"},
        "margin": 0.25,
        "least": 32,
    }
    assert pickle.loads(pickle.dumps(guard)) == guard
    guard.release()
    with pytest.raises(RecipeError, match="margin = -1"):
        OnRegion(Mean(), margin=-1)
