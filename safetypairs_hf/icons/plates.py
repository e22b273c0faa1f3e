"""Place, style and draw plates, and the items on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from safetypairs_hf.core.records import Box
from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.colours import PlateColours, Theme, faded
from safetypairs_hf.icons.drawing import SHAPES, distance, inner_box, inside, paint, shadow

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.catalogue import Item

# Lengths are for images with this many pixels per side, and are scaled for others.
_UNIT = 384
# How often a plate is hard to read, as on real walls: worn paint, a tight fit, or a plate over the critical one.
WORN, _TIGHT, _HIDDEN = 0.08, 0.14, 0.10

Shown = TypeVar("Shown")  # the type of a plate's content


class Plate(NamedTuple, Generic[Shown]):
    """A plate, in pixels: its centre, half its size, its rim's width, and the share of it that the glyph fills."""

    item: Shown
    shape: str
    x: int
    y: int
    half_width: float
    half_height: float
    rim: float
    colours: PlateColours
    fit: float

    @property
    def region(self) -> Box:
        """The box inside the plate's rim that holds the glyph."""
        wide, high, up = inner_box(self.shape, self.half_width, self.half_height, self.rim + 1)
        middle = self.y - round(up)
        return Box(self.x - int(wide), middle - int(high), self.x + int(wide), middle + int(high))


class Shade(NamedTuple):
    """The plates' shadow: its blur and its shift in pixels, and its strength in [0, 1]."""

    blur: float
    strength: float
    dx: int
    dy: int


class Style(NamedTuple):
    """The style that the plates of one scene share."""

    rims: str
    shapes: tuple[str, ...]
    poles: bool
    shade: Shade


def style(rng: np.random.Generator, scale: float) -> Style:
    """Draw a scene's style: stickers with white rims, signs with rims in the ink's colour, or flat badges."""
    rims = str(rng.choice(["sticker", "sign", "none", "mixed"]))
    shapes = tuple(rng.choice(SHAPES, int(rng.integers(1, 4)), replace=False).tolist())
    dx, dy = round(rng.uniform(-3, 3) * scale), round(rng.uniform(1, 6) * scale)
    shade = Shade(rng.uniform(3, 9) * scale, rng.uniform(0.18, 0.45), dx, dy)
    return Style(rims, shapes, bool(rng.random() < 0.25), shade)


def coat(rng: np.random.Generator, look: Theme, manner: Style, scale: float) -> tuple[float, PlateColours]:
    """Draw the width of a plate's rim, and its colours."""
    rims = str(rng.choice(["sticker", "sign", "none"])) if manner.rims == "mixed" else manner.rims
    rim = 0.0 if rims == "none" else float(rng.uniform(2.5, 5.0) * scale)
    colours = look.plate(rng)
    if rims == "sticker":
        colours = colours._replace(rim=np.array([253, 253, 250], dtype=np.uint8))
    return rim, colours


def _dress(rng: np.random.Generator, item: Item, look: Theme, manner: Style, scale: float) -> Plate[Item]:
    """Return a plate for the item, not placed yet."""
    rim, colours = coat(rng, look, manner, scale)
    if rng.random() < WORN:
        colours = colours._replace(ink=faded(colours.ink, colours.fill, rng.uniform(0.03, 0.35)))
    fit = rng.uniform(0.92, 1.0) if rng.random() < _TIGHT else rng.uniform(0.72, 0.88)
    if item.is_placard:
        half_width = rng.uniform(46, 66) * scale
        half_height = max(half_width / glyphs.aspect(item) * rng.uniform(0.95, 1.25), 17 * scale) + rim
        return Plate(item, "rounded", 0, 0, half_width + rim, half_height, rim, colours, fit)
    shape = str(rng.choice(manner.shapes))
    half = rng.uniform(29, 46) * scale * (1.2 if shape == "diamond" else 1.0)
    return Plate(item, shape, 0, 0, half, half, rim, colours, fit)


def place(
    rng: np.random.Generator, plate: Plate[Shown], placed: Sequence[Plate[Any]], size: int
) -> Plate[Shown] | None:
    """Return the plate at a free spot, somewhat smaller if none is large enough; None if no spot is free."""
    for shrink in (1.0, 0.9, 0.8):
        wide, high = plate.half_width * shrink, plate.half_height * shrink
        spots = rng.uniform((wide + 4, high + 4), (size - wide - 4, size - high - 4), size=(60, 2))
        free = np.ones(len(spots), dtype=bool)
        for other in placed:
            free &= (abs(spots[:, 0] - other.x) > wide + other.half_width + 6) | (
                abs(spots[:, 1] - other.y) > high + other.half_height + 6
            )
        if free.any():
            x, y = spots[int(np.argmax(free))]
            return plate._replace(x=int(x), y=int(y), half_width=wide, half_height=high)
    return None


def layout(rng: np.random.Generator, size: int, items: Sequence[Item], look: Theme) -> tuple[list[Plate[Item]], Style]:
    """Return plates in drawing order, and their style. The first of `items` is the critical one."""
    scale = size / _UNIT
    manner = style(rng, scale)
    # The fewer the plates, the larger they are, so that they fill the wall equally.
    large = scale * min(max((6.5 / len(items)) ** 0.5, 0.95), 1.3)
    placed: list[Plate[Item]] = []
    for item in items:
        plate = place(rng, _dress(rng, item, look, manner, large), placed, size)
        if plate is not None:
            placed.append(plate)
    main, others = placed[0], placed[1:]
    order = [placed[k] for k in rng.permutation(len(placed))]
    if rng.random() < _HIDDEN:
        order = hidden(rng, order, main, others[int(rng.integers(len(others)))])
    return order, manner


def hidden(
    rng: np.random.Generator, order: Sequence[Plate[Shown]], main: Plate[Shown], over: Plate[Shown]
) -> list[Plate[Shown]]:
    """Return the plates in drawing order, with `over` on top and covering a part of `main`."""
    angle, near = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.8)
    x = main.x + round(near * float(np.cos(angle)) * (main.half_width + over.half_width))
    y = main.y + round(near * float(np.sin(angle)) * (main.half_height + over.half_height))
    return [plate for plate in order if plate is not over] + [over._replace(x=x, y=y)]


def draw(
    canvas: Pixels, plates: Sequence[Plate[Shown]], manner: Style, put: Callable[[Pixels, Plate[Shown]], None]
) -> None:
    """Draw the plates on `canvas` (size, size, 3) in place; all poles and shadows first, so that none falls on a plate.

    `put` draws the item on a plate that has been painted.
    """
    scale = canvas.shape[0] / _UNIT
    fields = []
    for plate in plates:
        reach = int(max(plate.half_width, plate.half_height) + 12 * scale) + 1
        fields.append((reach, distance(plate.shape, plate.half_width, plate.half_height, reach)))
    if manner.poles:
        for plate in plates:
            pole = np.ones((canvas.shape[0], max(round(5 * scale), 2)), dtype=np.float32)
            paint(canvas, pole * np.float32(0.85), plate.x - pole.shape[1] // 2, plate.y, (118, 120, 126))
            paint(canvas, pole[:, :1] * np.float32(0.5), plate.x - pole.shape[1] // 2, plate.y, (235, 236, 240))
    shade = manner.shade
    for plate, (reach, field) in zip(plates, fields, strict=True):
        paint(
            canvas,
            shadow(field, shade.blur, shade.strength),
            plate.x - reach + shade.dx,
            plate.y - reach + shade.dy,
            (12, 12, 20),
        )
    for plate, (reach, field) in zip(plates, fields, strict=True):
        if plate.rim:
            paint(canvas, inside(field), plate.x - reach, plate.y - reach, plate.colours.rim)
        paint(canvas, inside(field, -plate.rim), plate.x - reach, plate.y - reach, plate.colours.fill)
        put(canvas, plate)


def put_glyph(canvas: Pixels, plate: Plate[Item]) -> None:
    """Draw the plate's item in the middle of its space."""
    x0, y0, x1, y1 = plate.region
    aspect = glyphs.aspect(plate.item)
    width = plate.fit * min(x1 - x0, (y1 - y0) * aspect)
    across, down = max(round(width), 2), max(round(width / aspect), 2)
    mask = glyphs.mask(plate.item, across, down)
    paint(canvas, mask, (x0 + x1 - across) // 2, (y0 + y1 - down) // 2, plate.colours.ink)
