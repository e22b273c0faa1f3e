"""Find the item of the catalogue that a mask shows, by correlation with every item's mask at one small size."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.catalogue import by_phrase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.icons.catalogue import Item
    from safetypairs_hf.icons.reading import Reading

# Large enough to tell texts of three words in two lines apart that differ in one letter.
_SIDE = 28
# The penalty for another aspect ratio, per unit of difference in its logarithm.
_ASPECT_COST = 0.4


class Templates(NamedTuple):
    """`rows`: (n, side * side) float32, each of mean 0 and norm 1. `aspects`: (n,), log of width over height."""

    items: tuple[Item, ...]
    rows: NDArray[np.float32]
    aspects: NDArray[np.float32]


def _row(mask: Image.Image) -> NDArray[np.float32]:
    flat = np.asarray(mask.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32).ravel()
    row: NDArray[np.float32] = flat - flat.mean()
    row /= np.float32(np.linalg.norm(row) + 1e-6)
    return row


@cache
def templates() -> Templates:
    """Return the templates of the whole catalogue."""
    items = tuple(by_phrase().values())
    rows = np.stack([_row(glyphs.master(item)) for item in items])
    return Templates(items, rows, np.array([np.log(glyphs.aspect(item)) for item in items], dtype=np.float32))


def likeness(reading: Reading) -> NDArray[np.float32]:
    """Return how well each item of `templates()` matches the reading: (n,), 1.0 at best."""
    known = templates()
    x0, y0, x1, y1 = reading.box
    row = _row(Image.fromarray(reading.cover[y0:y1, x0:x1]))
    aspect = np.float32(np.log((x1 - x0) / (y1 - y0)))
    scores: NDArray[np.float32] = known.rows @ row - np.float32(_ASPECT_COST) * np.abs(known.aspects - aspect)
    return scores
