"""Read a plate from pixels only: its colour, the colour of the glyph on it, and the glyph's mask.

Plate and glyph are each one flat colour, so the colour of every pixel of a plate lies on the line between the two. Its
position on that line is the glyph's coverage of the pixel. Colours off that line belong to something else: a
neighbouring plate, a rim, the background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from safetypairs_hf.core.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels

# Rounding to whole levels moves a pixel at most sqrt(3) / 2 levels off the line; twice that for two roundings.
_OFF_LINE = 1.8
# A pixel belongs to the glyph's box from this coverage on.
_COVERED = 0.12
# A flat colour is a plate if it fills at least this share of its own box, and this share of the image.
_FILL, _SHARE = 0.25, 0.0025


class Reading(NamedTuple):
    """`plate`, `glyph`: (3,) float64 colours, 0 to 255. `cover`: (h, w) in [0, 1], the glyph's mask, 0 off the line.
    `on_line`: (h, w), True for plate and glyph. `box`: the glyph's box within the crop. `contrast`: the distance of the
    two colours in RGB, 0 to 441."""

    plate: NDArray[np.float64]
    glyph: NDArray[np.float64]
    cover: NDArray[np.float32]
    on_line: NDArray[np.bool_]
    box: Box
    contrast: float


class Spot(NamedTuple):
    """A part of an image, and its reading."""

    region: Box
    reading: Reading


def _packed(pixels: Pixels) -> NDArray[np.uint32]:
    """Return each colour as one number."""
    wide = pixels.astype(np.uint32)
    return np.asarray((wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2], dtype=np.uint32)


def _unpacked(colour: int) -> NDArray[np.float64]:
    return np.array([colour >> 16, (colour >> 8) & 255, colour & 255], dtype=np.float64)


def _most_common(packed: NDArray[np.uint32]) -> int:
    values, counts = np.unique(packed, return_counts=True)
    return int(values[np.argmax(counts)])


def read(crop: Pixels, plate: int | None = None) -> Reading | None:
    """Read the glyph in `crop` (h, w, 3); return None if the crop has only one colour.

    `plate` is the plate's colour as one number; by default, the most common colour of the crop's border.
    """
    packed = _packed(crop)
    border = np.concatenate([packed[:2].ravel(), packed[-2:].ravel(), packed[:, :2].ravel(), packed[:, -2:].ravel()])
    if plate is None:
        plate = _most_common(border)
    others = packed[packed != plate]
    if not others.size:
        return None
    # A neighbour that overlaps the plate touches the border of the crop; a glyph never does.
    clear = others[~np.isin(others, border)]
    others = clear if clear.size else others
    start = _unpacked(plate)
    toward = (_unpacked(_most_common(others)) - start).astype(np.float32)
    offset = crop.astype(np.float32) - start.astype(np.float32)
    along = offset @ toward / (toward @ toward)
    away = offset - along[..., None] * toward
    on_line = (np.einsum("ijk,ijk->ij", away, away) <= _OFF_LINE**2) & (along > -0.1)
    reach = float(along[on_line].max())
    cover = np.where(on_line, np.clip(along / np.float32(reach), 0, 1), np.float32(0))
    rows, columns = np.flatnonzero((cover > _COVERED).any(axis=1)), np.flatnonzero((cover > _COVERED).any(axis=0))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    glyph = np.rint(start + reach * toward)
    return Reading(start, glyph, cover, on_line, box, float(np.linalg.norm(glyph - start)))


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that are in the mask, or have it on all four sides."""
    down, across = np.logical_or.accumulate(mask, axis=0), np.logical_or.accumulate(mask, axis=1)
    up, back = (
        np.logical_or.accumulate(mask[::-1], axis=0)[::-1],
        np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1],
    )
    return np.asarray(down & across & up & back)


def find(pixels: Pixels, longest: float = 0.6) -> list[Spot]:
    """Read all possible plates of a whole image (height, width, 3), largest first; a false one reads as noise.

    The corners of a plate's box outside its outline are read as plate. A box longer than `longest` times the image's
    side is not a plate.
    """
    packed = _packed(pixels)
    values, counts = np.unique(packed, return_counts=True)
    frequent = np.flatnonzero(counts >= _SHARE * packed.size)
    spots = []
    for k in frequent[np.argsort(-counts[frequent], kind="stable")]:
        mask = packed == values[k]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        spot = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
        if (
            counts[k] < _FILL * height * width
            or max(height, width) > longest * max(packed.shape)
            or min(height, width) < 12
        ):
            continue
        crop = pixels[spot].copy()
        crop[~_hull(mask[spot])] = _unpacked(int(values[k])).astype(np.uint8)
        reading = read(crop, plate=int(values[k]))
        if reading is not None:
            spots.append(Spot(Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1), reading))
    return spots
