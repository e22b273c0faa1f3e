"""Compute scalar fields over a square image, and colour them: the building blocks of the backgrounds.

A field is (size, size) float32; a picture is (size, size, 3) float32 in 0 to 255. Lengths are in image widths.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

_F = np.float32


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[Field, Field]:
    """Return x of shape (1, size) and y of shape (size, 1), both from 0 to 1."""
    line = (np.arange(size, dtype=np.float32) + _F(0.5)) / _F(size)
    return line[None, :], line[:, None]


def turned(size: int, angle: float) -> tuple[Field, Field]:
    """Return coordinates about the centre, turned by `angle` radians: two (size, size) fields in about [-0.7, 0.7]."""
    x, y = grid(size)
    c, s = _F(np.cos(angle)), _F(np.sin(angle))
    x, y = x - _F(0.5), y - _F(0.5)
    return c * x + s * y, c * y - s * x


def noise(rng: np.random.Generator, size: int, cells: int, cells_y: int | None = None) -> Field:
    """Return smooth noise in about [0, 1]: random knots with cubic interpolation."""
    knots = rng.random((cells_y or cells, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(knots).resize((size, size), Image.Resampling.BICUBIC))


def ramp(t: Field, colours: Field) -> Field:
    """Return the colours along t in [0, 1] (clipped): (size, size, 3)."""
    knots = np.linspace(0, 1, len(colours))
    table = np.stack([np.interp(np.linspace(0, 1, 1024), knots, colours[:, k]) for k in range(3)], axis=1)
    return table.astype(np.float32)[(np.clip(t, 0, 1) * 1023).astype(np.int16)]


def steps(t: Field, colours: Field, softness: float) -> Field:
    """Return colours as `ramp` does, in flat bands with soft edges; `softness` is the edge's share of a band."""
    scaled = np.clip(t, 0, 1) * _F(len(colours) - 1)
    whole = np.floor(scaled)
    edge = np.clip((scaled - whole - _F(0.5)) / _F(softness) + _F(0.5), 0, 1)
    return ramp((whole + edge) / _F(len(colours) - 1), colours)


def wave(t: Field, size: int, period: float, share: float = 0.5) -> Field:
    """Return 1 for `share` of each period of t, else 0, with edges one pixel wide; t and period in image widths."""
    phase = np.abs((t / _F(period)) % 1 - _F(0.5)) * _F(period)
    cover: Field = np.clip((_F(share * period / 2) - phase) * _F(size) + _F(0.5), 0, 1)
    return cover


def blend(under: Field, cover: Field, over: Field) -> Field:
    """Blend `over` (a picture or one colour) onto the picture `under`, with opacity `cover` in [0, 1]."""
    return under + cover[..., None] * (over - under)
