"""Measure traces of an edit in the pixels of one image: noise, spectrum, edges and luminance, and the JPEG grid.

Each is measured over the image, which needs only the image, and in the box of the change, around it and outside, which
requires knowing the box.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from safetypairs_hf.core.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels

    Floats = NDArray[np.float64]
    Levels = NDArray[np.int16]

SIDE = 512  # side in pixels of the part of an image that is measured, around the box
_BLOCK = 8  # side of a JPEG block
_CUTS = (1, 4, 8, 16, 32, 64, 128, 256)  # for absolute differences, in quarters of a level
_TOP = 1024


class View(NamedTuple):
    """The part of an image that is measured.

    Attributes:
        pixels: (h, w, 3) uint8, cropped at multiples of 8, so that the JPEG grid keeps its place.
        luma: (h, w) int16, R + 2 G + B: quarters of a level, 0 to 1020, without rounding.
        box: The box of the change, in coordinates of `pixels`.
        ring: The box with its surroundings.
    """

    pixels: Pixels
    luma: Levels
    box: Box
    ring: Box


def view_of(pixels: Pixels, box: Box) -> View:
    """Crop the part to measure: the image, or `SIDE` x `SIDE` pixels around the box of a larger one."""
    height, width = pixels.shape[:2]
    x, y = _start(box.x0, box.x1, width), _start(box.y0, box.y1, height)
    part = pixels[y : y + SIDE, x : x + SIDE]
    high, wide = part.shape[:2]
    inner = Box(*(min(max(at - of, 0), most) for at, of, most in zip(box, (x, y) * 2, (wide, high) * 2, strict=True)))
    margin = max(_BLOCK, min(inner.x1 - inner.x0, inner.y1 - inner.y0) // 3)
    ring = Box(
        max(inner.x0 - margin, 0), max(inner.y0 - margin, 0), min(inner.x1 + margin, wide), min(inner.y1 + margin, high)
    )
    wide_levels = part.astype(np.int16)
    luma = wide_levels[..., 0] + 2 * wide_levels[..., 1] + wide_levels[..., 2]
    return View(part, luma, inner, ring)


def _start(low: int, high: int, side: int) -> int:
    at = min(max((low + high - SIDE) // 2, 0), max(side - SIDE, 0))
    return at // _BLOCK * _BLOCK


def noise(view: View) -> tuple[Floats, Floats]:
    """Measure the noise residual: luma and colour without their smooth part.

    It is measured over the image and in the box, around it and outside (a second-order residual of Fridrich and
    Kodovsky 2012).
    """
    return _of_maps(view, [_residual(view.luma), _residual(_colour(view.pixels))])


def _residual(levels: Levels) -> Any:
    rows = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    return np.abs(rows[:, :-2].astype(np.int32) - 2 * rows[:, 1:-1] + rows[:, 2:])


def _colour(pixels: Pixels) -> Levels:
    """Return red minus blue."""
    return pixels[..., 0].astype(np.int16) - pixels[..., 2]


def edges(view: View) -> tuple[Floats, Floats]:
    """Measure gradients, luminance and colour, over the image and in the box, around it, outside and at its border."""
    across, down = np.abs(np.diff(view.luma[:-1], axis=1)), np.abs(np.diff(view.luma[:, :-1], axis=0))
    whole, parts = _of_maps(view, [across, down])
    inside = _cut(view.pixels, view.box)
    around = _frame(view)
    light = [*_means(view.pixels), float(view.luma.std())]
    local = [*_means(inside), *_means(around), float(_cut(view.luma, view.box).std())]
    colours = len(np.unique(_packed(inside))) / max(1, inside.shape[0] * inside.shape[1])
    return np.concatenate((whole, light)), np.concatenate((parts, local, [colours], _seam(view, across, down)))


def _means(pixels: Pixels) -> list[float]:
    return [float(each) for each in pixels.reshape(-1, 3).mean(axis=0)] if pixels.size else [0.0] * 3


def _packed(pixels: Pixels) -> Any:
    wide = pixels.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _frame(view: View) -> Any:
    """Return (n, 3) pixels around the box."""
    part, box, ring = _cut(view.pixels, view.ring), view.box, view.ring
    keep = np.ones(part.shape[:2], dtype=np.bool_)
    keep[box.y0 - ring.y0 : box.y1 - ring.y0, box.x0 - ring.x0 : box.x1 - ring.x0] = False
    return part[keep]


def _seam(view: View, across: Levels, down: Levels) -> list[float]:
    """Return the mean step over each side of the box; 0 for a side at the border of the image."""
    x0, y0, x1, y1 = view.box
    height, width = view.luma.shape
    sides = (
        across[y0:y1, x0 - 1] if x0 else across[:0, 0],
        across[y0:y1, x1 - 1] if x1 < width else across[:0, 0],
        down[y0 - 1, x0:x1] if y0 else down[0, :0],
        down[y1 - 1, x0:x1] if y1 < height else down[0, :0],
    )
    return [float(side.mean()) if side.size else 0.0 for side in sides]


def spectrum(view: View) -> tuple[Floats, Floats]:
    """Measure the power in 12 bands of spatial frequency, over the image, and in 8 in the box (radially averaged)."""
    box = view.box
    # A box of a few pixels has no meaningful spectrum, so its surroundings are included.
    local = box if min(box.x1 - box.x0, box.y1 - box.y0) >= 2 * _BLOCK else view.ring
    return _bands(view.luma, 12), _bands(_cut(view.luma, local), 8)


def _bands(levels: Levels, bands: int) -> Floats:
    high, wide = levels.shape
    if min(high, wide) < 4:
        return np.zeros(bands + 2)
    window, place, counts = _rings(high, wide, bands)
    power = np.abs(np.fft.rfft2((levels - levels.mean()).astype(np.float32) * window)) ** 2
    found = np.bincount(place.ravel(), weights=power.ravel(), minlength=bands)[:bands] / counts
    # The power at the highest frequency of each axis, where upscaling leaves its trace.
    axes = [float(power[high // 2 - 1 : high // 2 + 1, :3].mean()), float(power[:3, -2:].mean())]
    return np.log1p(np.concatenate((found, axes)))


@lru_cache(maxsize=256)
def _rings(high: int, wide: int, bands: int) -> tuple[Any, Any, Any]:
    """Return a Hann window, the band of each frequency of `rfft2`, and the number of frequencies in each band."""
    window = np.outer(np.hanning(high + 2)[1:-1], np.hanning(wide + 2)[1:-1]).astype(np.float32)
    radius = np.hypot(np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide)[None, :])
    place = np.minimum((radius / 0.5 * bands).astype(np.int64), bands - 1)
    return window, place, np.maximum(np.bincount(place.ravel(), minlength=bands), 1)


def grid(view: View) -> tuple[Floats, Floats]:
    """Measure the traces of JPEG after decoding: steps between blocks of 8 x 8, and coefficients near 0 in them.

    Both are compared with a grid that is shifted by 4 pixels, which shows the same content and was never coded (after
    Fan and de Queiroz 2003). In the box, the blocks that it touches count.
    """
    return _grid_of(view.luma), _grid_of(_cut(view.luma, _aligned(view)))


def _aligned(view: View) -> Box:
    height, width = view.luma.shape
    x0, y0 = view.box.x0 // _BLOCK * _BLOCK, view.box.y0 // _BLOCK * _BLOCK
    return Box(x0, y0, min(-(-view.box.x1 // _BLOCK) * _BLOCK, width), min(-(-view.box.y1 // _BLOCK) * _BLOCK, height))


def _grid_of(luma: Levels) -> Floats:
    on, off = _near_zero(luma), _near_zero(luma[_BLOCK // 2 :, _BLOCK // 2 :])
    steps = [_steps(luma), _steps(luma.T)]
    return np.array([*on, *(on - off), *steps])


def _near_zero(luma: Levels) -> Floats:
    """Return the share of DCT coefficients of the blocks that are at most half a level, in three bands."""
    high, wide = (side // _BLOCK for side in luma.shape)
    if not high or not wide:
        return np.zeros(len(_BANDS))
    blocks = luma[: high * _BLOCK, : wide * _BLOCK].reshape(high, _BLOCK, wide, _BLOCK).transpose(0, 2, 1, 3)
    busy = blocks.reshape(high * wide, _BLOCK, _BLOCK)
    busy = busy[np.ptp(busy.reshape(len(busy), -1), axis=1) > 8]  # a flat block has no coefficients in any case
    if not len(busy):
        return np.zeros(len(_BANDS))
    found = np.abs(_COSINES @ busy.astype(np.float32) @ _COSINES.T) < 2.0
    share = found.mean(axis=0)
    return np.array([float(share[band].mean()) for band in _BANDS])


def _cosines() -> NDArray[np.float32]:
    """Return the (8, 8) matrix of the orthonormal cosine transform."""
    at = np.arange(_BLOCK)
    matrix: Floats = np.sqrt(2 / _BLOCK) * np.cos(np.pi / _BLOCK * (at[None, :] + 0.5) * at[:, None])
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


_COSINES = _cosines()
_SUM = np.add.outer(np.arange(_BLOCK), np.arange(_BLOCK))
_BANDS = (((_SUM > 0) & (_SUM < 4)), ((_SUM >= 4) & (_SUM < 8)), _SUM >= 8)


def _steps(luma: Levels) -> float:
    """Return the logarithm of the ratio of the steps between blocks to those within blocks."""
    step = np.abs(np.diff(luma, axis=1)).mean(axis=0) if luma.shape[1] > 1 else np.zeros(0)
    between = step[_BLOCK - 1 :: _BLOCK]
    if not len(between):
        return 0.0
    within = (step.sum() - between.sum()) / max(1, len(step) - len(between))
    return float(np.log((between.mean() + 1) / (within + 1)))


def _of_maps(view: View, maps: list[Any]) -> tuple[Floats, Floats]:
    """Summarise maps of absolute differences: over the image, and inside the box, around it and outside."""
    whole, parts = [], []
    for each in maps:
        levels = np.minimum(each, _TOP - 1)
        total, inside, ring = (_histogram(levels), *(_histogram(_cut(levels, box)) for box in (view.box, view.ring)))
        whole.append(_shape(total))
        parts += [_shape(inside), _shape(ring - inside), _shape(total - ring)]
    return np.concatenate(whole), np.concatenate(parts)


def _histogram(levels: Any) -> NDArray[np.int64]:
    return np.bincount(levels.ravel(), minlength=_TOP)


def _shape(counts: NDArray[np.int64]) -> Floats:
    """Return the shares below some cuts, and the logarithms of mean and mean square."""
    total = max(1, int(counts.sum()))
    below = np.cumsum(counts)[np.array(_CUTS) - 1] / total
    mean, square = counts @ _AT / total, counts @ _AT**2 / total
    return np.concatenate((below, np.log1p([mean, square])))


_AT = np.arange(_TOP, dtype=np.float64)


def _cut(array: Any, box: Box) -> Any:
    return array[box.y0 : box.y1, box.x0 : box.x1]
