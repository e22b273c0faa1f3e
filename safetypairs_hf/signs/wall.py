"""Hang signs on a wall: choose the size and place of each plate, and draw the wall."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from safetypairs_hf.icons.colours import faded
from safetypairs_hf.icons.plates import WORN, Plate, Style, coat, draw, hidden, place, style
from safetypairs_hf.signs.sign_drawing import Sign, room_for, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.colours import Theme

# Lengths are for images with this many pixels per side, and are scaled for others.
_UNIT = 384
# The area of a sign as a share of the image's, and its largest width and height as a share of the image's side.
_MAIN, _OTHER, _LARGEST = (0.075, 0.105), (0.03, 0.065), 0.6
_HIDDEN = 0.05  # how often a neighbour overlaps the critical sign


class Wall(NamedTuple):
    """The plates in drawing order, the critical one, and the style that they share."""

    plates: list[Plate[Sign]]
    main: Plate[Sign]
    manner: Style


def hang(rng: np.random.Generator, size: int, main: Sign, others: Sequence[Sign], look: Theme) -> Wall:
    """Place the critical sign, and as many of the others as fit."""
    scale = size / _UNIT
    manner = style(rng, scale)
    first = place(rng, _dress(rng, main, look, manner, size, _MAIN), (), size)
    assert first is not None  # because no plate is as large as the wall
    if rng.random() < WORN:
        ink = faded(first.colours.ink, first.colours.fill, rng.uniform(0.03, 0.35))
        first = first._replace(colours=first.colours._replace(ink=ink))
    placed = [first]
    for sign in others:
        plate = place(rng, _dress(rng, sign, look, manner, size, _OTHER), placed, size)
        if plate is not None:
            placed.append(plate)
    order = [placed[k] for k in rng.permutation(len(placed))]
    if len(placed) > 1 and rng.random() < _HIDDEN:
        order = hidden(rng, order, first, placed[int(rng.integers(1, len(placed)))])
    return Wall(order, first, manner)


def _dress(
    rng: np.random.Generator, sign: Sign, look: Theme, manner: Style, size: int, share: tuple[float, float]
) -> Plate[Sign]:
    """Return a plate for the sign, not placed yet."""
    rim, colours = coat(rng, look, manner, size / _UNIT)
    wide = min((rng.uniform(*share) * sign.aspect) ** 0.5, _LARGEST, _LARGEST * sign.aspect) * size
    across, down = room_for(wide, wide / sign.aspect)
    shape = str(rng.choice(manner.shapes)) if sign.form == "icon" else "rounded"
    if shape != "rounded":
        half = max(across, down) / 2 * {"disc": 1.2, "diamond": 1.45}.get(shape, 1.25) + rim
        return Plate(sign, shape, 0, 0, half, half, rim, colours, 1.0)
    # Add what `plates.inner_box` takes off for the corners.
    corner = 0.09 / 0.91 * (min(across, down) / 2 + rim + 1)
    half_width, half_height = across / 2 + rim + 1 + corner, down / 2 + rim + 1 + corner
    return Plate(sign, "rounded", 0, 0, half_width, half_height, rim, colours, 1.0)


def paint_wall(canvas: Pixels, wall: Wall) -> None:
    """Draw the plates and their signs on `canvas` (size, size, 3) in place."""
    draw(canvas, wall.plates, wall.manner, _put)


def _put(canvas: Pixels, plate: Plate[Sign]) -> None:
    stamp(canvas, plate.item, plate.region, plate.colours.ink)
