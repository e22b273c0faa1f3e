"""Find the composition that a plate shows, by correlation with the drawing of each composition."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from safetypairs_hf.core.records import Box
from safetypairs_hf.icons.reading import Spot, find
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.sign_drawing import inner, mask, master, sign_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.reading import Reading
    from safetypairs_hf.signs.blocks import Composition

    Floats = NDArray[np.float32]

# Wide enough to distinguish the letters of two lines.
_WIDE, _HIGH = 64, 32
# The penalty for another aspect ratio, per unit of difference in its logarithm.
_ASPECT_COST = 0.4
_LONGEST = 0.8  # the longest plate, as a share of the image's side
_TRIED = 8  # how many of the best matches are drawn in the region and compared in full


class Templates(NamedTuple):
    """The drawings of compositions.

    `rows`: (n, wide * high) float32, each of mean 0 and norm 1. `aspects`: (n,), log of width over height of the ink.
    `is_unsafe`: (n,).
    """

    compositions: tuple[Composition, ...]
    rows: Floats
    aspects: Floats
    is_unsafe: NDArray[np.bool_]


def _row(ink: Image.Image) -> Floats:
    return _normed(np.asarray(ink.resize((_WIDE, _HIGH), Image.Resampling.BOX), dtype=np.float32).ravel())


def _normed(values: Floats) -> Floats:
    row: Floats = values - values.mean()
    row /= np.float32(np.linalg.norm(row) + 1e-6)
    return row


@cache
def templates(category: str) -> Templates:
    """Return the templates of the compositions of a category (a slug)."""
    found = tuple(each for block in blocks() if block.category == category for each in block.compositions)
    inks = [_ink(master(sign_of(each))) for each in found]
    aspects = np.array([np.log(ink.width / ink.height) for ink in inks], dtype=np.float32)
    rows = np.stack([_row(ink) for ink in inks]) if inks else np.zeros((0, _WIDE * _HIGH), np.float32)
    return Templates(found, rows, aspects, np.array([each.is_unsafe for each in found], dtype=bool))


def _ink(whole: Image.Image) -> Image.Image:
    return whole.crop(whole.getbbox())


def plates_in(pixels: Pixels) -> list[Spot]:
    """Return the possible plates of a whole image (height, width, 3), largest first, without their ink and rims."""
    spots = [spot for spot in find(pixels, _LONGEST) if _prevails(pixels, spot)]
    return [spot for spot in spots if not any(_is_ink_of(spot, other) for other in spots)]


def _prevails(pixels: Pixels, spot: Spot) -> bool:
    """Return whether a spot has more plate than ink."""
    x0, y0, x1, y1 = spot.region
    plate, ink = (
        int((pixels[y0:y1, x0:x1] == colour).all(axis=2).sum()) for colour in (spot.reading.plate, spot.reading.glyph)
    )
    return plate > ink


def _is_ink_of(spot: Spot, plate: Spot) -> bool:
    (x0, y0, x1, y1), (left, top, right, bottom) = spot.region, plate.region
    within = left <= x0 and top <= y0 and x1 <= right and y1 <= bottom
    return within and float(np.abs(spot.reading.plate - plate.reading.glyph).max()) <= 1


def likeness(known: Templates, reading: Reading) -> Floats:
    """Return how well the ink that was read, at any position, matches each template: (n,), 1.0 at best."""
    x0, y0, x1, y1 = reading.box
    row = _row(Image.fromarray(reading.cover[y0:y1, x0:x1]))
    aspect = np.float32(np.log((x1 - x0) / (y1 - y0)))
    scores: Floats = known.rows @ row - np.float32(_ASPECT_COST) * np.abs(known.aspects - aspect)
    return scores


def likeness_in(known: Templates, reading: Reading) -> Floats:
    """Return how well a region's reading matches each template drawn in that region: (n,), 1.0 at best.

    Only the best matches of each label are drawn; the others get -1.
    """
    rough = likeness(known, reading)
    high, wide = reading.cover.shape
    row = _normed(reading.cover.ravel())
    scores = np.full(len(rough), -1, dtype=np.float32)
    for label in (True, False):
        of_label = np.flatnonzero(known.is_unsafe == label)
        for k in of_label[np.argsort(-rough[of_label], kind="stable")[:_TRIED]]:
            scores[k] = _normed(_drawn(known.compositions[k], wide, high).ravel()) @ row
    return scores


def _drawn(composition: Composition, wide: int, high: int) -> Floats:
    sign = sign_of(composition)
    x0, y0, x1, y1 = inner(sign, Box(0, 0, wide, high))
    canvas = np.zeros((high, wide), dtype=np.float32)
    drawn: Pixels = mask(sign, x1 - x0, y1 - y0)
    canvas[y0:y1, x0:x1] = drawn
    return canvas
