"""Draw matching colours in OKLCH (Ottosson 2020), in which equal lightness looks equally light at every hue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.core.records import Pixels

# Colour schemes: steps from the scene's own hue, in degrees. A scene has one scheme.
_SCHEMES = ((0, 25, -25, 180), (0, 30, 60, -30), (0, 120, 240, 30), (0, 180, 150, 210), (0, 90, 180, 270))

_TO_LMS = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklch(lightness: float, chroma: float, hue: float) -> Pixels:
    """Return an sRGB colour, (3,) uint8. `lightness` in [0, 1], `chroma` 0 (grey) to about 0.3, `hue` in degrees."""
    angle = math.radians(hue)
    lab = np.array([lightness, chroma * math.cos(angle), chroma * math.sin(angle)])
    linear = np.clip(_TO_RGB @ (_TO_LMS @ lab) ** 3, 0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colour: Pixels = np.rint(srgb * 255).astype(np.uint8)
    return colour


class PlateColours(NamedTuple):
    """The flat colours of one plate, each (3,) uint8."""

    fill: Pixels
    ink: Pixels
    rim: Pixels


class Theme(NamedTuple):
    """The colour theme of a scene: its hue, and the steps to the hues that match it."""

    hue: float
    scheme: tuple[int, ...]
    dark: bool

    def backdrop(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Return soft colours of neighbouring hues, dark to light or reversed: (count, 3) float32, 0 to 255."""
        low = rng.uniform(0.24, 0.42) if self.dark else rng.uniform(0.62, 0.78)
        high = low + rng.uniform(0.10, 0.24)
        turn = rng.uniform(-70, 70)
        chroma = rng.uniform(0.04, 0.125)
        steps = np.linspace(0, 1, count)
        if rng.random() < 0.5:
            steps = steps[::-1]
        colours = [oklch(low + (high - low) * s, chroma * rng.uniform(0.7, 1.2), self.hue + turn * s) for s in steps]
        return np.array(colours, dtype=np.float32)

    def plate(self, rng: np.random.Generator) -> PlateColours:
        """Draw the colours of a plate that stands out, with ink that is legible on it."""
        hue = self.hue + 180 + self.scheme[int(rng.integers(len(self.scheme)))] + rng.uniform(-9, 9)
        kind = rng.choice(4, p=(0.38, 0.34, 0.12, 0.16))
        if kind == 0:  # a light plate with deep ink
            fill = oklch(rng.uniform(0.91, 0.985), rng.uniform(0.0, 0.035), hue)
            ink = oklch(rng.uniform(0.26, 0.5), rng.uniform(0.05, 0.17), hue + rng.choice([0, 0, 180, 40]))
        elif kind == 1:  # a vivid plate with light ink
            fill = oklch(rng.uniform(0.5, 0.64), rng.uniform(0.11, 0.19), hue)
            ink = oklch(rng.uniform(0.95, 0.99), rng.uniform(0.0, 0.03), hue)
        elif kind == 2:  # a bright plate with dark ink
            fill = oklch(rng.uniform(0.78, 0.88), rng.uniform(0.11, 0.17), hue)
            ink = oklch(rng.uniform(0.2, 0.32), rng.uniform(0.02, 0.07), hue)
        else:  # a dark plate with tinted light ink
            fill = oklch(rng.uniform(0.22, 0.34), rng.uniform(0.02, 0.07), hue)
            ink = oklch(rng.uniform(0.82, 0.96), rng.uniform(0.02, 0.14), hue + rng.choice([0, 180, 60]))
        return PlateColours(fill, ink, ink)


def theme(rng: np.random.Generator) -> Theme:
    """Draw a scene's theme."""
    return Theme(rng.uniform(0, 360), _SCHEMES[int(rng.integers(len(_SCHEMES)))], bool(rng.random() < 0.38))


def faded(ink: Pixels, fill: Pixels, share: float) -> Pixels:
    """Return the ink's colour, faded so that `share` in [0, 1] of its difference from the fill remains."""
    start = fill.astype(np.float64)
    return np.rint(start + share * (ink.astype(np.float64) - start)).astype(np.uint8)
