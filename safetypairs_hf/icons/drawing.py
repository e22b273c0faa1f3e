"""Paint flat colours through masks, and describe the outlines of plates as signed distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels

    Field = NDArray[np.float32]

SHAPES = ("disc", "rounded", "diamond", "octagon", "hexagon", "shield")


def paint(canvas: Pixels, mask: Pixels | Field, x: int, y: int, colour: Pixels | tuple[int, int, int]) -> None:
    """Paint a flat colour on `canvas` (height, width, 3) in place, with the mask's top left corner at (x, y).

    `mask`: (h, w), uint8 with 255 = covered, or float32 in [0, 1]. The mask is clipped to the canvas.
    """
    height, width = mask.shape
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    cover = mask[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = cover.astype(np.float32) / 255 if cover.dtype == np.uint8 else cover
    under = canvas[y0:y1, x0:x1].astype(np.float32)
    over = np.asarray(colour, dtype=np.float32)
    canvas[y0:y1, x0:x1] = np.rint(under + alpha[..., None] * (over - under)).astype(np.uint8)


def distance(shape: str, half_width: float, half_height: float, reach: int) -> Field:
    """Return the signed distance in pixels to a plate's outline, negative inside: (2 * reach, 2 * reach), centred."""
    line = np.arange(-reach, reach, dtype=np.float32) + np.float32(0.5)
    x, y = np.abs(line)[None, :], np.abs(line)[:, None]
    wide, high = np.float32(half_width), np.float32(half_height)
    field: Field
    if shape == "disc":
        field = np.hypot(x, y) - wide
    elif shape == "diamond":
        field = (x + y - wide * np.float32(1.12)) * np.float32(0.5**0.5)
    elif shape == "octagon":
        field = np.maximum(np.maximum(x, y), (x + y) * np.float32(0.5**0.5)) - wide * np.float32(0.96)
    elif shape == "hexagon":
        field = np.maximum(y, np.float32(0.866) * x + np.float32(0.5) * y) - wide * np.float32(0.93)
    elif shape == "shield":
        below = np.maximum(line[:, None] + np.float32(0.25) * high, 0) * np.float32(0.8)
        field = np.maximum(np.hypot(x, below) - wide, -line[:, None] - high)
    else:
        radius = np.float32(0.3) * min(wide, high)
        dx, dy = x - wide + radius, y - high + radius
        field = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius
    return field


def inner_box(shape: str, half_width: float, half_height: float, inset: float) -> tuple[float, float, float]:
    """Return half the width, half the height and the upward shift of the glyph's box inside the plate's rim."""
    if shape == "rounded":
        corner = 0.09 * min(half_width, half_height)
        return half_width - corner - inset, half_height - corner - inset, 0.0
    # The largest share whose corners lie within the outline. A rim takes at least 0.75 of its width off both sides.
    share = {"disc": 0.70, "diamond": 0.55, "octagon": 0.67, "hexagon": 0.67, "shield": 0.68}[shape]
    up = 0.1 * half_height if shape == "shield" else 0.0
    return half_width * share - 0.8 * inset, half_height * share - 0.8 * inset, up


def inside(field: Field, offset: float = 0.0) -> Field:
    """Return the coverage of the shape, grown by `offset` pixels and antialiased over one pixel."""
    cover: Field = np.clip(np.float32(0.5 + offset) - field, 0, 1)
    return cover


def shadow(field: Field, blur: float, strength: float) -> Field:
    """Return the coverage of a soft shadow: `strength` inside, fading to 0 over `blur` pixels beyond the outline."""
    t: Field = np.clip((np.float32(blur) - field) / np.float32(2 * blur), 0, 1)
    return np.float32(strength) * t * t * (3 - 2 * t)
