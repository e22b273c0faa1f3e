"""Synthetic images for training small models: a square, red or of another colour, on a noisy or plain background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels

SIDE = 64


def squares(count: int, seed: int) -> tuple[list[Pixels], list[bool]]:
    """Draw images, of which every other one has a red square.

    Backgrounds are blocks of noise, plain colours or gradients, all without red. An image without a red square has a
    square of another colour, or none.

    Returns:
        `count` images, uint8 of shape (64, 64, 3), and for each whether it has a red square.
    """
    rng = np.random.default_rng([seed, count])
    images = [_one(rng, number % 2 == 0) for number in range(count)]
    return images, [number % 2 == 0 for number in range(count)]


def _one(rng: np.random.Generator, red: bool) -> Pixels:
    pixels = _ground(rng)
    side = int(rng.integers(16, 33))
    x, y = rng.integers(0, SIDE - side + 1, 2)
    if red:
        pixels[y : y + side, x : x + side] = (rng.integers(215, 256), *rng.integers(0, 40, 2))
    elif rng.random() < 0.8:
        pixels[y : y + side, x : x + side] = _not_red(rng)
    return pixels


def _ground(rng: np.random.Generator) -> Pixels:
    kind = rng.integers(3)
    if kind == 0:
        grain = int(rng.choice([4, 8, 16]))
        low, high = sorted(rng.integers(0, 256, 2))
        blocks = rng.integers(low, high + 1, (SIDE // grain, SIDE // grain, 3))
        pixels = np.kron(blocks, np.ones((grain, grain, 1))).astype(np.uint8)
        pixels[_is_red(pixels)] = 128
        return pixels
    if kind == 1:
        return np.full((SIDE, SIDE, 3), _not_red(rng), np.uint8)
    ramp = np.linspace(0, 1, SIDE)[:, None, None]
    mixed = ramp * _not_red(rng) + (1 - ramp) * _not_red(rng)
    return np.broadcast_to(mixed, (SIDE, SIDE, 3)).astype(np.uint8)


def _not_red(rng: np.random.Generator) -> Pixels:
    while True:
        colour = rng.integers(0, 256, 3).astype(np.uint8)
        if not _is_red(colour):
            return colour


def _is_red(pixels: Pixels) -> NDArray[np.bool_]:
    """Return for each pixel whether its red exceeds green and blue by more than 60."""
    found: NDArray[np.bool_] = pixels[..., 0].astype(int) - pixels[..., 1:].max(axis=-1) > 60
    return found
