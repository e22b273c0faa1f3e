"""Draw procedural backgrounds: about twenty families with random parameters, in the colours of a scene's theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from safetypairs_hf.icons.fields import blend, grid, noise, ramp, steps, turned, wave

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.colours import Theme
    from safetypairs_hf.icons.fields import Field

_F = np.float32


def _gradient(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    along, across = turned(size, rng.uniform(0, 6.3))
    bend = rng.uniform(0.05, 0.3) * np.sin(across * _F(rng.uniform(3, 9)) + _F(rng.uniform(0, 6.3)))
    return ramp(along * _F(0.8) + _F(0.5) + bend.astype(np.float32), theme.backdrop(rng, 4))


def _radial(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    x, y = grid(size)
    r = np.hypot(x - _F(rng.uniform(0.1, 0.9)), (y - _F(rng.uniform(0.1, 0.9))) * _F(rng.uniform(0.7, 1.4)))
    colours = theme.backdrop(rng, int(rng.integers(4, 8)))
    return steps(r * _F(rng.uniform(0.8, 1.5)), colours, rng.uniform(0.04, 0.9))


def _rays(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    x, y = grid(size)
    dx, dy = x - _F(rng.uniform(0.2, 0.8)), y - _F(rng.uniform(0.2, 1.1))
    turns = np.arctan2(dy, dx) / _F(2 * np.pi) * _F(rng.integers(7, 19)) + _F(rng.random())
    r = np.hypot(dx, dy)
    cover = np.clip((np.abs(turns % 1 - _F(0.5)) - _F(0.25)) * r * _F(size / 4) + _F(0.5), 0, 1)
    a, b, c = theme.backdrop(rng, 3)
    return blend(ramp(r, np.stack([a, c])), cover * _F(0.8), b)


def _stripes(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    t, _ = turned(size, rng.uniform(0, 3.2))
    period = rng.uniform(0.09, 0.3)
    a, b, c = theme.backdrop(rng, 3)
    wide = blend(np.broadcast_to(a, (size, size, 3)), wave(t + _F(rng.random()), size, period, 0.5), b)
    return blend(wide, wave(t + _F(rng.random()), size, period, rng.uniform(0.06, 0.2)), c)


def _plaid(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    u, v = turned(size, rng.choice([0.0, np.pi / 4]) + rng.normal(0, 0.05))
    colours = theme.backdrop(rng, 4)
    out = np.broadcast_to(colours[0], (size, size, 3))
    period = rng.uniform(0.16, 0.34)
    for t in (u, v):
        for share, colour in ((rng.uniform(0.3, 0.55), colours[2]), (rng.uniform(0.05, 0.14), colours[3])):
            out = blend(out, _F(0.5) * wave(t + _F(rng.random()), size, period, share), colour)
    return out


def _checks(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    u, v = turned(size, rng.uniform(0, 1.6))
    period = rng.uniform(0.14, 0.4)
    p, q = wave(u + _F(rng.random()), size, period), wave(v + _F(rng.random()), size, period)
    a, b, c = theme.backdrop(rng, 3)
    return blend(ramp(v + _F(0.5), np.stack([a, b])), np.abs(p - q), c)


def _waves(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    u, v = turned(size, rng.uniform(-0.5, 0.5))
    bend = _F(rng.uniform(0.02, 0.08)) * np.sin(u * _F(rng.uniform(8, 26)) + _F(rng.uniform(0, 6.3)))
    bend = bend + _F(rng.uniform(0.01, 0.05)) * np.sin(u * _F(rng.uniform(3, 9)) + v * _F(rng.uniform(2, 9)))
    colours = theme.backdrop(rng, int(rng.integers(5, 11)))
    return steps(v + _F(0.5) + bend, colours, rng.uniform(0.03, 0.12))


def _hills(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    x, y = grid(size)
    sky = theme.backdrop(rng, 3)
    out = ramp(np.broadcast_to(y * _F(1.3), (size, size)), sky)
    radius = rng.uniform(0.06, 0.14)
    sun = np.hypot(x - _F(rng.uniform(0.1, 0.9)), y - _F(rng.uniform(0.1, 0.4))) - _F(radius)
    out = blend(out, np.clip(_F(0.5) - sun * _F(size), 0, 1) * _F(0.8), sky[2] * _F(0.4) + _F(150))
    ranges = int(rng.integers(3, 6))
    for k, colour in enumerate(theme.backdrop(rng, ranges)):
        level = 0.35 + 0.5 * (k + rng.uniform(0.2, 0.9)) / ranges
        ridge = level + sum(
            rng.uniform(0.2, 1) * 0.09 / n * np.sin(x * _F(rng.uniform(3, 6) * n) + rng.uniform(0, 6.3))
            for n in (1, 2, 5)
        )
        out = blend(out, np.clip((y - ridge.astype(np.float32)) * _F(size) + _F(0.5), 0, 1), colour)
    return out


def _blobs(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    t = noise(rng, size, int(rng.integers(4, 9)))
    return steps((t - _F(0.1)) * _F(1.25), theme.backdrop(rng, int(rng.integers(3, 7))), rng.uniform(0.02, 0.2))


def _contours(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    t = noise(rng, size, int(rng.integers(4, 8)))
    a, b, c = theme.backdrop(rng, 3)
    phase = np.abs((t * _F(rng.uniform(6, 14))) % 1 - _F(0.5))
    line = np.clip((phase - _F(rng.uniform(0.3, 0.42))) * _F(10), 0, 1)
    return blend(ramp(t, np.stack([a, b])), line * _F(0.7), c)


def _discs(rng: np.random.Generator, size: int, theme: Theme, blur: float) -> Field:
    """Draw translucent discs over a gradient: bokeh if blurred, confetti if sharp."""
    out = _gradient(rng, size, theme).copy()
    colours = theme.backdrop(rng, 5)
    for _ in range(int(rng.integers(16, 34))):
        radius = int(size * (rng.uniform(0.02, 0.11) if blur > 2 else rng.uniform(0.015, 0.06)))
        x, y = rng.integers(0, size, 2)
        x0, x1, y0, y1 = max(x - radius, 0), min(x + radius, size), max(y - radius, 0), min(y + radius, size)
        far = np.hypot(np.arange(x0, x1, dtype=np.float32)[None] - x, np.arange(y0, y1, dtype=np.float32)[:, None] - y)
        cover = np.clip((_F(radius) - far) / _F(blur), 0, 1) * _F(rng.uniform(0.25, 0.7))
        out[y0:y1, x0:x1] = blend(out[y0:y1, x0:x1], cover, colours[rng.integers(5)] * _F(rng.uniform(0.95, 1.15)))
    return out


def _bokeh(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    return _discs(rng, size, theme, blur=rng.uniform(3, 9) * size / 384)


def _confetti(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    return _discs(rng, size, theme, blur=1.0)


def _brick(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    x, y = grid(size)
    height = rng.uniform(0.05, 0.11)
    width = height * rng.uniform(1.8, 2.8)
    u, v = x / _F(width) + _F(rng.random()), y / _F(height) + _F(rng.random())
    row = np.floor(v)
    u = u + (row % 2) * _F(0.5)
    rows, columns = int(1 / height) + 3, int(1 / width) + 4
    colours = theme.backdrop(rng, 5)
    shade = rng.random((rows, columns), dtype=np.float32)[row.astype(np.int16), np.floor(u).astype(np.int16)]
    fu, fv = np.abs(u % 1 - _F(0.5)) * _F(width), np.abs(v % 1 - _F(0.5)) * _F(height)
    gap = _F(rng.uniform(0.003, 0.008))
    face = np.minimum(_F(width / 2) - gap - fu, _F(height / 2) - gap - fv)
    mortar = _F(1) - np.clip(face * _F(size) + _F(0.5), 0, 1)
    return blend(ramp(shade, colours[:4]), mortar, colours[4] * _F(1.12))


def _dots(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    u, v = turned(size, rng.uniform(0, 1.6))
    period = rng.uniform(0.07, 0.17)
    u, v = u / _F(period) + _F(rng.random()), v / _F(period) + _F(rng.random())
    u = u + np.floor(v) % _F(2) * _F(0.5)
    far: Field = np.hypot(u % 1 - _F(0.5), v % 1 - _F(0.5)) - _F(rng.uniform(0.16, 0.36))
    a, b, c = theme.backdrop(rng, 3)
    return blend(ramp(v * _F(period) + _F(0.5), np.stack([a, b])), np.clip(_F(0.5) - far * _F(period * size), 0, 1), c)


def _scales(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    x, y = grid(size)
    period = _F(rng.uniform(0.12, 0.24))
    u, v = x / period + _F(rng.random()), y / period * _F(2) + _F(rng.random())
    rings = np.full((size, size), 9, dtype=np.float32)
    for step in (1, 0, -1):  # the lowest scale lies on top, so it is drawn last
        row = np.floor(v) + _F(step)
        du = (u + (row % 2) * _F(0.5)) % 1 - _F(0.5)
        r = np.hypot(du, (v - row) / 2)
        rings = np.where(r < _F(0.52), r, rings)
    return steps(rings / _F(0.52), theme.backdrop(rng, int(rng.integers(3, 6))), rng.uniform(0.08, 0.3))


def _mosaic(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    half = size // 2
    x, y = grid(half)
    points = rng.random((int(rng.integers(14, 34)), 2), dtype=np.float32)
    far = np.stack([(x - px) ** 2 + (y - py) ** 2 for px, py in points])
    tile = np.argmin(far, axis=0).astype(np.uint8)
    colours = ramp(rng.random((len(points), 1), dtype=np.float32), theme.backdrop(rng, 5))[:, 0].astype(np.uint8)
    return np.asarray(Image.fromarray(colours[tile]).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def _planks(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    _, y = grid(size)
    count = int(rng.integers(4, 9))
    board = np.floor(y * count).astype(np.int16)
    grain = noise(rng, size, 4, 40) * _F(0.5) + noise(rng, size, 7, 14) * _F(0.3)
    shift = rng.random(count, dtype=np.float32)[board] * _F(0.45)
    out = ramp(grain + shift, theme.backdrop(rng, 4))
    seam = np.clip(_F(1.6) - np.abs((y * count) % 1 - _F(0.5) - _F(0.5)) * _F(size / count), 0, 1)
    out = out * (_F(1) - _F(0.35) * np.broadcast_to(seam, (size, size)))[..., None]
    return out.transpose(1, 0, 2) if rng.random() < 0.5 else out


def _skyline(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    out = ramp(np.broadcast_to(grid(size)[1], (size, size)), theme.backdrop(rng, 3)).copy()
    for k, colour in enumerate(theme.backdrop(rng, 3)):
        left = -int(rng.integers(0, size // 10))
        while left < size:
            wide = int(rng.integers(size // 14, size // 6))
            top = int(size * rng.uniform(0.25 + 0.2 * k, 0.5 + 0.2 * k))
            out[top:, max(left, 0) : left + wide] = colour
            if k == 2 or rng.random() < 0.5:
                gap = max(size // 32, 6)
                for row in range(top + gap // 2, size - gap, gap):
                    for column in range(max(left, 0) + gap // 2, min(left + wide, size) - gap // 2, gap):
                        out[row : row + gap // 2, column : column + gap // 3] = colour * _F(1.18)
            left += wide + int(rng.integers(0, size // 24))
    return out


def _facets(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    u, v = turned(size, rng.uniform(0, 1.1))
    period = _F(rng.uniform(0.13, 0.28))
    u, v = u / period + _F(9.5), v / period + _F(9.5)
    u = u + v * _F(0.5)
    upper = ((u % 1) + (v % 1) > 1).astype(np.int16)
    shade = rng.random((32, 32, 2), dtype=np.float32)[np.floor(v).astype(np.int16), np.floor(u).astype(np.int16), upper]
    return ramp(shade * _F(0.7) + v * _F(0.02), theme.backdrop(rng, 5))


FAMILIES: tuple[Callable[[np.random.Generator, int, Theme], Field], ...] = (
    *(_gradient, _radial, _rays, _stripes, _plaid, _checks, _waves, _hills, _blobs, _contours),
    *(_bokeh, _confetti, _brick, _dots, _scales, _mosaic, _planks, _skyline, _facets),
)


def _wall(rng: np.random.Generator, size: int, theme: Theme) -> Field:
    """Draw a wall that is lighter at the top, a skirting board and a floor."""
    _, y = grid(size)
    a, b, c, d = theme.backdrop(rng, 4)
    out = ramp(np.broadcast_to(y, (size, size)), np.stack([b, c])).copy()
    edge = int(size * rng.uniform(0.7, 0.92))
    out[edge:] = a
    out[edge : edge + max(int(size * rng.uniform(0.012, 0.04)), 2)] = d
    return out


# Families with small PNG files: flat surfaces, and gradients along one axis.
QUIET: tuple[Callable[[np.random.Generator, int, Theme], Field], ...] = (
    *(_wall, _hills, _skyline, _brick, _waves, _mosaic),
)


def quiet(rng: np.random.Generator, size: int, theme: Theme) -> Pixels:
    """Return a (size, size, 3) uint8 background of a family that compresses well, evenly lit."""
    picture = QUIET[int(rng.integers(len(QUIET)))](rng, size, theme)
    return np.clip(picture, 0, 255).astype(np.uint8)


def background(rng: np.random.Generator, size: int, theme: Theme) -> Pixels:
    """Return a (size, size, 3) uint8 background of a random family, unevenly lit.

    Because of the uneven light no part of it is one flat colour, so that only plates are flat.
    """
    picture = FAMILIES[int(rng.integers(len(FAMILIES)))](rng, size, theme)
    light = noise(rng, size, 3) * _F(0.16) + _F(0.92)
    x, y = grid(size)
    light = light - _F(rng.uniform(0.0, 0.5)) * ((x - _F(0.5)) ** 2 + (y - _F(0.5)) ** 2)
    return np.clip(picture * light[..., None], 0, 255).astype(np.uint8)
