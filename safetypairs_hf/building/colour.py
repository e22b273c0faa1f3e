"""CIE L*a*b* of sRGB pixels, and the filters for comparing two images; needs only numpy."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from safetypairs_hf.core.records import Pixels

Planes = NDArray[np.float32]
Mask = NDArray[np.bool_]
AnyScalar = TypeVar("AnyScalar", np.bool_, np.float32)

# Linear sRGB to XYZ (IEC 61966-2-1), each row divided by the white of D65, so that white is (1, 1, 1).
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_TO_XYZ = (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).astype(np.float32)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
_BEND = (6 / 29) ** 3
_BAND = 64  # rows that stay in the processor's cache through the steps of a filter


def lab(pixels: Pixels) -> Planes:
    """L* (0 to 100), a* and b* of (height, width, 3) uint8 sRGB pixels, as (3, height, width); the white is D65's."""
    height, width, _ = pixels.shape
    found = np.empty((3, height, width), np.float32)
    for first in range(0, height, _BAND // 2):
        band = np.take(_LINEAR, pixels[first : first + _BAND // 2])
        # Not as a product of matrices: the threads of a BLAS cost more than they bring, and it rounds as it likes.
        x, y, z = (_bent(row[0] * band[..., 0] + row[1] * band[..., 1] + row[2] * band[..., 2]) for row in _TO_XYZ)
        found[:, first : first + _BAND // 2] = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    return found


def _bent(values: Planes) -> Planes:
    """The cube root, and near zero, where that is steep, a line (CIE 15:2004)."""
    found = np.cbrt(values)
    low = values < _BEND
    found[low] = values[low] * np.float32(841 / 108) + np.float32(4 / 29)
    return found


def luma(pixels: Pixels) -> Planes:
    """Rec. 601 luma in [0, 255], (height, width): the grey on which SSIM is defined."""
    return np.asarray(pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def kernel(sigma: float, radius: int) -> list[float]:
    """Half of a normalised Gaussian kernel: the weight of the centre, then that of each step away from it."""
    weights = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(radius + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return [weight / total for weight in weights]


def reach(sigma: float) -> int:
    """How many pixels away a pixel still counts in a `blur`."""
    return math.ceil(3 * sigma)


def blur(planes: Planes, sigma: float) -> Planes:
    """A Gaussian blur over the last two axes, edges repeated; the shape stays."""
    radius = reach(sigma)
    pad = [(0, 0)] * (planes.ndim - 2) + [(radius, radius)] * 2
    return weighted(np.pad(planes, pad, mode="edge"), kernel(sigma, radius))


def weighted(planes: Planes, half: list[float]) -> Planes:
    """The mean under a symmetric kernel over the last two axes, at the places where the whole kernel is inside."""
    *others, height, width = planes.shape
    edge = 2 * (len(half) - 1)
    found = np.empty((*others, height - edge, width - edge), np.float32)
    for index in np.ndindex(*others):
        for first in range(0, height - edge, _BAND):
            band = planes[index][first : first + _BAND + edge]
            found[index][first : first + _BAND] = _summed(_summed(band, half).T, half).T
    return found


def _summed(plane: Planes, half: list[float]) -> Planes:
    """`weighted` along the first axis alone."""
    radius, size = len(half) - 1, len(plane) - 2 * (len(half) - 1)
    total = plane[radius : radius + size] * np.float32(half[0])
    for step in range(1, radius + 1):
        both = plane[radius - step :][:size] + plane[radius + step :][:size]
        both *= np.float32(half[step])
        total += both
    return total


def highest(plane: NDArray[AnyScalar], radius: int) -> NDArray[AnyScalar]:
    """The maximum over the square of 2 * radius + 1 around each pixel; what lies outside the image does not count."""
    outside = False if plane.dtype == np.bool_ else -np.inf
    for axis in (0, 1):
        found = np.pad(
            plane, [(radius, radius) if axis == each else (0, 0) for each in (0, 1)], constant_values=outside
        )
        # Windows of 1, 2, 4, ... and then of the whole width: a few passes whatever the radius.
        covered = 1
        while covered < 2 * radius + 1:
            step = min(covered, 2 * radius + 1 - covered)
            along = np.moveaxis(found, axis, 0)
            found = np.moveaxis(np.maximum(along[:-step], along[step:]), 0, axis)
            covered += step
        plane = found
    return plane


def grow(mask: Mask, radius: int) -> Mask:
    """Every pixel within `radius` of the mask, in either direction."""
    return highest(mask, radius)


def shrink(mask: Mask, radius: int) -> Mask:
    """The pixels of the mask with the whole square around them in it; the image's edge does not eat into it."""
    return ~highest(~mask, radius)
