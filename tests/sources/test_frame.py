"""Images brought to the sides of their bucket."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, picture
from PIL import Image

from safetypairs_hf.core.decoding import UnusableError
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.sources import Frame


@pytest.mark.parametrize(
    ("size", "given_sides", "expected"),
    [
        (1024, (1024, 1024), (1024, 1024)),
        (1024, (4032, 3024), (1168, 880)),
        (1024, (6000, 4000), (1248, 832)),
        (1024, (4000, 6000), (832, 1248)),
        (512, (1920, 1080), (688, 384)),
        (64, (640, 640), (64, 64)),
    ],
)
def test_the_sides_of_known_shapes(size: int, given_sides: tuple[int, int], expected: tuple[int, int]) -> None:
    assert Frame(size).sides(*given_sides) == expected


@given(st.integers(256, 5000), st.integers(256, 5000))
@settings(max_examples=200)
def test_a_bucket_has_nearly_the_shape_and_the_area(width: int, height: int) -> None:
    if max(width, height) > 3 * min(width, height):
        return
    sides = Frame(1024).sides(width, height)
    assert sides[0] % 16 == sides[1] % 16 == 0
    assert sides[0] * sides[1] == pytest.approx(1024**2, rel=0.04)
    scale = max(sides[0] / width, sides[1] / height)
    cropped = (scale * width - sides[0], scale * height - sides[1])
    assert min(cropped) == pytest.approx(0, abs=1e-6)
    assert max(cropped) <= 16  # the grid
    assert Frame(1024).sides(height, width) == sides[::-1]


def test_an_image_of_its_buckets_sides_is_not_touched() -> None:
    image = picture(1, 128, 128)
    assert np.array_equal(Frame(128).fit(image), np.asarray(image))


def test_the_crop_is_from_the_centre() -> None:
    image = Image.new("RGB", (200, 128), "white")
    image.paste("black", (95, 0, 105, 128))
    pixels = Frame(160).fit(image)
    assert pixels.shape == (128, 208, 3) or pixels.shape == (128, 192, 3)
    dark = np.flatnonzero(pixels[:, :, 0].mean(axis=0) < 128)
    assert (dark[0] + dark[-1]) / 2 == pytest.approx((pixels.shape[1] - 1) / 2, abs=0.51)


def test_what_is_too_small_or_too_long_is_refused() -> None:
    with pytest.raises(UnusableError) as small:
        Frame(256).open(encoded(picture(1, 200, 127)))
    assert small.value.args == ("too_small", "200 x 127 pixels; at least 128 a side are needed")
    assert Frame(256, min_side=127).open(encoded(picture(1, 200, 127))).size == (200, 127)
    with pytest.raises(UnusableError) as long:
        Frame(128).open(encoded(picture(1, 400, 100)))
    assert long.value.args == ("extreme_aspect", "400 x 100 pixels; at most 3 to 1 is taken")
    assert Frame(128, max_aspect=4).open(encoded(picture(1, 400, 100))).size == (400, 100)


def test_settings_that_make_no_frame() -> None:
    with pytest.raises(RecipeError, match="size is 63"):
        Frame(63)
    with pytest.raises(RecipeError, match=r"max_aspect is 0\.5"):
        Frame(128, max_aspect=0.5)
