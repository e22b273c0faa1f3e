"""What an edit changed, found under the noise of an autoencoder; the figures against slow references."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from safetypairs_hf.building.colour import blur, grow, highest, lab, shrink
from safetypairs_hf.building.preservation import Perceptual, box_of, composite, rmse_outside, ssim_map, ssim_outside
from safetypairs_hf.core.records import Box, Distance, Pixels

SIDE = 256
EDIT = Box(80, 100, 150, 160)
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def photo(seed: int, height: int = SIDE, width: int = SIDE) -> Pixels:
    """A smooth picture, as a photograph is."""
    knots = np.random.default_rng(seed).integers(30, 225, (6, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC))


def edited(before: Pixels, box: Box = EDIT, seed: int = 9) -> Pixels:
    """`before` with another picture in the box, whose every pixel differs clearly."""
    after = before.copy()
    inside = before[box.y0 : box.y1, box.x0 : box.x1]
    after[box.y0 : box.y1, box.x0 : box.x1] = np.where(inside < 128, inside + 60, inside - 60)
    return after


def noisy(pixels: Pixels, seed: int, sigma: float = 2.0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int = 75) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def off_by(box: Box | None, other: Box) -> int:
    assert box is not None
    return max(abs(mine - theirs) for mine, theirs in zip(box, other, strict=True))


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        # Of sRGB's primaries, as colour calculators give them for D65.
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
        ((2, 2, 2), (0.548, 0.0, 0.0)),  # on the line below the bend
    ],
)
def test_lab_of_known_colours(colour: tuple[int, int, int], expected: tuple[float, float, float]) -> None:
    found = lab(np.array([[colour]], np.uint8))
    assert found.shape == (3, 1, 1)
    assert found.ravel().tolist() == pytest.approx(expected, abs=0.02)


@given(SHAPES, st.integers(0, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_highest_is_the_maximum_over_a_square(shape: tuple[int, int], radius: int, seed: int) -> None:
    plane = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    expected = [
        [plane[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].max() for x in range(shape[1])]
        for y in range(shape[0])
    ]
    assert highest(plane, radius).tolist() == np.array(expected).tolist()


@given(SHAPES, st.integers(0, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_opening_takes_away_and_closing_adds(shape: tuple[int, int], radius: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random(shape) < 0.5
    opened, closed = grow(shrink(mask, radius), radius), shrink(grow(mask, radius), radius)
    assert not (opened & ~mask).any()
    assert not (mask & ~closed).any()


def test_blur_is_a_gaussian_and_keeps_a_plain_plane() -> None:
    plain = np.full((3, 9, 9), 7.0, np.float32)
    assert blur(plain, 1.5) == pytest.approx(7.0, abs=1e-5)
    point = np.zeros((21, 21), np.float32)
    point[10, 10] = 1.0
    found = blur(point, 1.5)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    assert found[10, 12] / found[10, 10] == pytest.approx(math.exp(-(2**2) / (2 * 1.5**2)), abs=1e-5)


def slow_ssim(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """SSIM of one 11 x 11 window, from the definition: weighted means, variances and covariance."""
    steps = np.arange(-5, 6)
    weights = np.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(top / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)))


def test_ssim_equals_its_definition() -> None:
    before = photo(1, 24, 30)
    after = noisy(before, 2, 12.0)
    x, y = (pixels.astype(float) @ [0.299, 0.587, 0.114] for pixels in (before, after))
    expected = [[slow_ssim(x[r : r + 11, c : c + 11], y[r : r + 11, c : c + 11]) for c in range(20)] for r in range(14)]
    assert ssim_map(before, after) == pytest.approx(np.array(expected), abs=2e-4)


def test_ssim_outside_counts_only_windows_that_hold_no_pixel_of_the_mask() -> None:
    before = photo(1, 40, 40)
    after = before.copy()
    after[5:9, 20:30] = 0
    mask = (before != after).any(axis=2)
    assert ssim_outside(before, after, mask) == 1.0
    assert ssim_outside(before, after, np.zeros((40, 40), bool)) < 0.95
    assert ssim_outside(before, after, np.ones((40, 40), bool)) == 0.0


def test_ssim_of_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="10 x 40 pixels; SSIM needs 11"):
        ssim_map(photo(1, 40, 10), photo(1, 40, 10))


def test_rmse_outside() -> None:
    before = np.full((4, 4, 3), 10, np.uint8)
    after = before.copy()
    after[0] = 250
    after[1] = 13
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    assert rmse_outside(before, after, mask) == pytest.approx(math.sqrt((9 * 4 * 3) / (12 * 3)))
    assert rmse_outside(before, after, np.ones((4, 4), bool)) == 0.0


def test_an_edit_that_leaves_the_rest_exactly_has_its_exact_box() -> None:
    before = photo(1)
    for baseline in (before, None):
        box, found = Perceptual().measure(before, edited(before), baseline)
        assert box == EDIT
        assert found is not None
        assert found.ssim_outside == 1.0
        assert found.changed_fraction == 70 * 60 / SIDE**2
        assert found.distances == (Distance("rmse_outside", 0.0),)


@pytest.mark.parametrize("seed", range(4))
def test_an_edit_is_found_under_noise(seed: int) -> None:
    before = photo(seed)
    after, baseline = noisy(edited(before), 10 + seed), noisy(before, 20 + seed)
    for known in (baseline, None):
        box, found = Perceptual().measure(before, after, known)
        assert off_by(box, EDIT) <= 3
        assert found is not None
        assert found.changed_fraction == pytest.approx(70 * 60 / SIDE**2, rel=0.1)
        assert dict(found.distances)["rmse_outside"] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_an_edit_is_found_behind_a_round_trip_through_jpeg(seed: int) -> None:
    before = photo(seed)
    box, _ = Perceptual().measure(before, jpeg(edited(before)), jpeg(before))
    assert off_by(box, EDIT) <= 8  # JPEG itself spreads an edge over its block of 8 x 8


@pytest.mark.parametrize("seed", range(4))
def test_a_round_trip_alone_is_no_change(seed: int) -> None:
    before = photo(seed)
    rule = Perceptual()
    assert rule.measure(before, before, before) == (None, None)
    assert rule.measure(before, before, None) == (None, None)
    assert rule.measure(before, noisy(before, 1), noisy(before, 2)) == (None, None)
    assert rule.measure(before, noisy(before, 1), None) == (None, None)
    assert rule.measure(before, jpeg(before, 30), jpeg(before, 30)) == (None, None)


def test_the_baseline_excuses_what_the_autoencoder_does() -> None:
    """Fine stripes that an autoencoder washes out are a change without a baseline, and none with it."""
    before = photo(3)
    before = before.copy()
    before[40:80, 40:80:2] = 0
    washed = before.copy()
    washed[40:80, 40:80] = before[40:80, 40:80].mean(axis=1, keepdims=True).astype(np.uint8)
    assert off_by(Perceptual().measure(before, washed, None)[0], Box(40, 40, 80, 80)) <= 2
    assert Perceptual().measure(before, washed, washed) == (None, None)
    both = edited(washed)
    assert off_by(Perceptual().measure(before, both, washed)[0], EDIT) <= 3


def test_a_speck_is_no_change() -> None:
    before = photo(1, 1024, 1024)
    after = before.copy()
    after[500, 500] = 255 - after[500, 500]
    assert Perceptual().measure(before, after, before) == (None, None)


def test_an_edit_at_the_edge_of_the_image_reaches_the_edge() -> None:
    before, corner = photo(1), Box(0, 0, 60, 50)
    assert Perceptual().measure(before, edited(before, corner), before)[0] == corner


def test_measures_are_taken_of_the_whole_image() -> None:
    class Mean:
        name = "mean"

        def distance(self, before: Pixels, after: Pixels) -> float:
            return float(np.abs(before.mean() - after.mean()))

    before = photo(1)
    after = edited(before)
    _, found = Perceptual(measures=(Mean(),)).measure(before, after, None)
    assert found is not None
    assert found.distances[1] == Distance("mean", float(np.abs(before.mean() - after.mean())))


def test_a_negative_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="feather = -1: expected"):
        Perceptual(feather=-1)


@given(st.integers(0, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_composite_is_the_edit_in_the_mask_and_the_original_away_from_it(feather: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.integers(0, 256, (2, 30, 25, 3), dtype=np.uint8)
    mask = np.zeros((30, 25), bool)
    y, x = rng.integers(0, 20), rng.integers(0, 15)
    mask[y : y + 4, x : x + 6] = True
    found = composite(before, after, mask, feather)
    away = ~grow(mask, 2 * -(-feather // 2))
    assert (found[mask] == after[mask]).all()
    assert (found[away] == before[away]).all()
    assert (found >= np.minimum(before, after)).all()
    assert (found <= np.maximum(before, after)).all()


def test_a_composite_puts_the_original_back_under_the_noise() -> None:
    before = photo(1)
    rule = Perceptual(composite=True)
    came, baseline = noisy(edited(before), 1), noisy(before, 2)
    after = rule.finish(before, came, baseline)
    box, found = rule.measure(before, after, baseline)
    assert off_by(box, EDIT) <= 3
    far = ~grow(rule.mask(before, came, baseline), 5)
    assert (after[far] == before[far]).all()
    assert (after[110:150, 90:140] == came[110:150, 90:140]).all()
    assert found is not None
    assert found.ssim_outside > 0.999
    assert Perceptual().finish(before, came, baseline) is came
    assert (rule.finish(before, noisy(before, 1), baseline) == before).all()


def test_the_same_edit_in_a_larger_image_has_the_same_mask_scaled() -> None:
    small, large = photo(1), photo(1, 4 * SIDE, 4 * SIDE)
    one = Perceptual().measure(small, edited(small), None)
    other = Perceptual().measure(large, edited(large, Box(*(4 * side for side in EDIT))), None)
    assert one[0] is not None and other[0] == Box(*(4 * side for side in one[0]))


def test_box_of_a_mask() -> None:
    mask = np.zeros((5, 7), bool)
    assert box_of(mask) is None
    mask[2, 3] = mask[4, 1] = True
    assert box_of(mask) == Box(1, 2, 4, 5)


@pytest.mark.parametrize("is_composite", [False, True])
def test_both_at_once_is_one_after_the_other(is_composite: bool) -> None:
    before = photo(0)
    after, rule = noisy(edited(before), 1), Perceptual(composite=is_composite)
    for baseline in (None, noisy(before, 2)):
        finished = rule.finish(before, after, baseline)
        both = rule.finish_and_measure(before, after, baseline)
        assert np.array_equal(both[0], finished)
        assert both[1:] == rule.measure(before, finished, baseline) and both[1] is not None


def test_figures_of_where_pixels_are_equal() -> None:
    """Only what differs is compared; the figures are those of the whole image."""
    before, mask = photo(3), np.zeros((SIDE, SIDE), bool)
    after = noisy(before, 4)
    after[:, :90], after[200:] = before[:, :90], before[200:]
    mask[100:120, 100:130] = True
    windows = ~grow(mask, 5)[5:-5, 5:-5]
    assert ssim_outside(before, after, mask) == float(ssim_map(before, after)[windows].mean(dtype=np.float64))
    squares = (before.astype(float) - after)[~mask] ** 2
    assert rmse_outside(before, after, mask) == pytest.approx(math.sqrt(squares.mean()), rel=1e-12)
    assert ssim_outside(before, before, mask) == 1.0 and rmse_outside(before, before, mask) == 0.0
