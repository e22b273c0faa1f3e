"""Measure what an edit changed: the box around it, the share of the image, and how well the rest was preserved.

A recipe has a rule for this, a `Preserving`. `Exact` is for editors that leave other pixels unchanged: any pixel that
differs has changed. `Perceptual` is for editors that work in a latent space and alter every pixel: a pixel has changed
if its difference in colour (CIE Lab, blurred) exceeds what a round trip through the autoencoder explains. The unedited
image after that round trip is the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from safetypairs_hf.building.colour import Mask, Planes, blur, grow, highest, kernel, lab, luma, reach, shrink, weighted
from safetypairs_hf.core.pictures import changed_box
from safetypairs_hf.core.records import Box, Distance, Pixels, Preservation

# Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment" (2004): an 11 x 11 Gaussian window of sigma 1.5.
_SSIM_RADIUS, _SSIM_SIGMA = 5, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# The blurred difference of noise is above 4 times its own median at about one pixel in 100,000.
_MEDIANS = 4.0


class Preserving(Protocol):
    """A rule that finishes an edited image and measures what changed.

    Images are (height, width, 3) uint8 RGB pixels, all of one shape. `baseline` is the unedited image after the round
    trip of the editor; None if `needs_baseline` is false, or the editor has no round trip.

    A rule runs in processes next to the editor's model, unless it has `holds_model`.
    """

    @property
    def needs_baseline(self) -> bool: ...

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        """Return the pixels of the safe member, made from the editor's result."""
        ...

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        """Return the smallest box around the change, and the figures; (None, None) if nothing changed."""
        ...


@dataclass(frozen=True)
class Exact:
    """The rule for editors that leave all other pixels unchanged: a pixel that differs at all has changed."""

    needs_baseline: ClassVar[bool] = False

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        return after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        # The box is the smallest one with every changed pixel, so everything outside it is equal and SSIM is exactly 1.
        box, changed = changed_box(before, after)
        return (box, Preservation(ssim_outside=1.0, changed_fraction=changed)) if box else (None, None)


class Measure(Protocol):
    """A distance between the two members, such as LPIPS or the distance of embeddings; 0.0 means equal."""

    @property
    def name(self) -> str: ...

    def distance(self, before: Pixels, after: Pixels) -> float: ...


@dataclass(frozen=True)
class Perceptual:
    """The rule for editors that alter every pixel a little; see `Preserving`.

    Lengths are in pixels of an image of 1024 x 1024; they are scaled by the square root of an image's area.

    Args:
        floor: The least difference in Lab, after the blur, that counts as a change; 2.3 is just noticeable.
        slack: A difference up to this multiple of the autoencoder's largest difference nearby is not a change.
        sigma: The standard deviation of the Gaussian blur.
        near: The distance up to which the baseline counts as nearby.
        speck: An area narrower than 2 * speck + 1 is not a change.
        join: Changed areas at most 2 * join apart become one.
        composite: Restore the original outside the mask, so that nothing else changes.
        margin: The distance around the mask in which the composite keeps the edit unchanged.
        feather: The width of the transition from the edit to the original, beyond the margin.
        measures: Distances between the two members as whole images.
    """

    needs_baseline: ClassVar[bool] = True

    floor: float = 4.0
    slack: float = 1.5
    sigma: float = 1.5
    near: float = 8.0
    speck: float = 2.0
    join: float = 8.0
    composite: bool = False
    margin: float = 4.0
    feather: float = 12.0
    measures: tuple[Measure, ...] = ()

    def __post_init__(self) -> None:
        for name in ("floor", "slack", "sigma", "near", "speck", "join", "margin", "feather"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}: expected a number that is not negative")

    @property
    def holds_model(self) -> bool:
        return any(getattr(measure, "holds_model", False) for measure in self.measures)

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        """Return the edit unchanged; with `composite`, the edit inside the mask and the original outside."""
        return self._composite(before, after, self.mask(before, after, baseline)) if self.composite else after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        """Return the smallest box around the mask, and the figures; (None, None) if the mask is empty.

        The distances are `rmse_outside`, in levels of 0 to 255, and those of `measures`.
        """
        return self._figures(before, after, self.mask(before, after, baseline))

    def finish_and_measure(
        self, before: Pixels, after: Pixels, baseline: Pixels | None
    ) -> tuple[Pixels, Box | None, Preservation | None]:
        """Return the result of `finish`, and that of `measure` for it. The baseline is analysed once for both."""
        ground = self._ground(before, baseline)
        finished = self._composite(before, after, self._mask(ground, after)) if self.composite else after
        return finished, *self._figures(before, finished, self._mask(ground, finished))

    def release(self) -> None:
        """Release the models of `measures`."""
        for measure in self.measures:
            if hasattr(measure, "release"):
                measure.release()

    def mask(self, before: Pixels, after: Pixels, baseline: Pixels | None = None) -> Mask:
        """Return the pixels that changed, as a mask of (height, width).

        A pixel changed if its blurred difference is above `floor`, above 4 times the median of the noise, and above
        `slack` times the largest difference that the autoencoder makes nearby. Without a baseline the noise is the
        difference itself, which is noise in most of the image. Specks are removed and gaps closed. The blur moved the
        edge of the mask outwards: it is moved back to the pixels whose own difference is above the threshold.
        """
        return self._mask(self._ground(before, baseline), after)

    def _ground(self, before: Pixels, baseline: Pixels | None) -> _Ground:
        original = lab(before)
        if baseline is None:
            return _Ground(before, original, None)
        noise = _length(blur(lab(baseline) - original, self.sigma))
        nearby = self.slack * highest(noise, _scaled(self.near, before))
        return _Ground(before, original, np.maximum(self._least(noise), nearby))

    def _least(self, noise: Planes) -> np.float32:
        return np.float32(max(self.floor, _MEDIANS * float(np.median(noise))))

    def _composite(self, before: Pixels, after: Pixels, mask: Mask) -> Pixels:
        kept = grow(mask, _scaled(self.margin, before))
        return composite(before, after, kept, _scaled(self.feather, before))

    def _figures(self, before: Pixels, after: Pixels, mask: Mask) -> tuple[Box | None, Preservation | None]:
        box = box_of(mask)
        if box is None:
            return None, None
        others = (Distance(measure.name, measure.distance(before, after)) for measure in self.measures)
        distances = (Distance("rmse_outside", rmse_outside(before, after, mask)), *others)
        return box, Preservation(ssim_outside(before, after, mask), float(mask.mean()), distances)

    def _mask(self, ground: _Ground, after: Pixels) -> Mask:
        before = ground.before
        difference, seen = np.zeros_like(ground.original), np.zeros(before.shape[:2], np.float32)
        differs = changed_box(before, after)[0]
        if differs is not None:  # equal pixels differ by 0, blurred or not
            own, around = _slices(differs, before), _slices(differs, before, reach(self.sigma))
            difference[:, *own] = lab(after[own]) - ground.original[:, *own]
            seen[around] = _length(blur(difference[:, *around], self.sigma))
        threshold = self._least(seen) if ground.threshold is None else ground.threshold
        return self._tidy(seen > threshold, _length(difference) > threshold)

    def _tidy(self, seen: Mask, own: Mask) -> Mask:
        """Return `seen` without specks, with gaps closed and the edge moved back to the pixels of `own`."""
        mask, box = np.zeros_like(seen), box_of(seen)
        if box is not None:
            speck, join = _scaled(self.speck, seen), _scaled(self.join, seen)
            place = _slices(box, seen, speck + 2 * join)  # nothing farther away can be joined to it
            found = _closed(grow(shrink(seen[place], speck), speck), join)
            mask[place] = _closed(found & own[place], join)
        return mask


class _Ground(NamedTuple):
    """An original prepared for comparison: its Lab, and at each pixel the difference that is not yet a change.

    `threshold` is None without a baseline.
    """

    before: Pixels
    original: Planes
    threshold: Planes | None


def box_of(mask: Mask) -> Box | None:
    """Return the smallest box around the mask; None if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def composite(before: Pixels, after: Pixels, mask: Mask, feather: int) -> Pixels:
    """Blend two images: `after` in the mask, and exactly `before` from `feather` pixels away on.

    Args:
        mask: (height, width).
        feather: the width of the passage between the two in pixels, rounded up to an even number; 0 means none.
    """
    half = -(-feather // 2)
    mixed, box = before.copy(), box_of(mask)
    if box is None:
        return mixed
    place = _slices(box, before, 3 * half)
    wide = np.pad(grow(mask[place], half), half, mode="edge").astype(np.float32)
    # A mean over whole numbers of pixels: exactly 1 in the mask, and exactly 0 from 2 * half away on.
    share = weighted(wide, [1.0] * (half + 1)) / np.float32((2 * half + 1) ** 2)
    mixed[place] = np.rint(before[place] + share[..., None] * (after[place].astype(np.float32) - before[place]))
    return mixed


def ssim_map(before: Pixels, after: Pixels) -> Planes:
    """Return the SSIM (Wang et al., 2004) of each 11 x 11 window inside the image: (height - 10, width - 10).

    It compares Rec. 601 luma, with a Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255; 1.0 means equal.

    Raises:
        ValueError: a side is shorter than 11 pixels.
    """
    side = 2 * _SSIM_RADIUS + 1
    if min(before.shape[:2]) < side:
        raise ValueError(f"an image of {before.shape[1]} x {before.shape[0]} pixels; SSIM needs {side} a side")
    return _ssim(luma(before), luma(after))


def _ssim(x: Planes, y: Planes) -> Planes:
    """Return `ssim_map` of two planes of luma."""
    half = kernel(_SSIM_SIGMA, _SSIM_RADIUS)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = weighted(np.stack([x, y, x * x, y * y, x * y]), half)
    covariance = mean_xy - mean_x * mean_y
    variances = (mean_xx - mean_x**2) + (mean_yy - mean_y**2)
    similar = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return np.asarray(similar / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2)), np.float32)


def ssim_outside(before: Pixels, after: Pixels, mask: Mask) -> float:
    """Return the mean SSIM of the windows without a pixel of the mask; 0.0 if there is no such window."""
    edge = _SSIM_RADIUS
    outside = ~grow(mask, edge)[edge:-edge, edge:-edge]
    if not outside.any():
        return 0.0
    similar, differs = np.ones(outside.shape, np.float32), changed_box(before, after)[0]
    if differs is not None:  # windows of equal pixels have 1.0
        rows, columns = _slices(differs, before, 2 * edge)
        # The luma is of whole images: a product of matrices rounds by the place of a pixel.
        found = _ssim(luma(before)[rows, columns], luma(after)[rows, columns])
        similar[rows.start : rows.stop - 2 * edge, columns.start : columns.stop - 2 * edge] = found
    return float(similar[outside].mean(dtype=np.float64))


def rmse_outside(before: Pixels, after: Pixels, mask: Mask) -> float:
    """Return the root mean squared difference outside the mask, in levels of 0 to 255; 0.0 if nothing is outside."""
    pixels = mask.size - int(mask.sum())
    differs = changed_box(before, after)[0]
    if not pixels or differs is None:
        return 0.0
    place = _slices(differs, before)
    squares = np.square(before[place].astype(np.int32) - after[place])
    total = int(squares.sum(dtype=np.int64)) - int(squares[mask[place]].sum(dtype=np.int64))
    return math.sqrt(total / (3 * pixels))


def _slices(box: Box, pixels: Pixels | Mask, margin: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns of a box with `margin` pixels around it, within the image."""
    height, width = pixels.shape[:2]
    return (
        slice(max(box.y0 - margin, 0), min(box.y1 + margin, height)),
        slice(max(box.x0 - margin, 0), min(box.x1 + margin, width)),
    )


def _closed(mask: Mask, radius: int) -> Mask:
    return shrink(grow(mask, radius), radius) | mask


def _length(planes: Sequence[Planes] | Planes) -> Planes:
    """Return the length of the vector at each pixel."""
    first, second, third = planes
    return np.asarray(np.sqrt(first * first + second * second + third * third), np.float32)


def _scaled(length: float, pixels: Pixels | Mask) -> int:
    """Return a length for 1024 x 1024 pixels scaled to this image; at least 1 unless it is 0."""
    side = float(np.sqrt(pixels.shape[0] * pixels.shape[1]))
    return max(1, round(length * side / 1024)) if length else 0
