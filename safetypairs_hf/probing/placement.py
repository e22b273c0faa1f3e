"""Measure where the object in the box is placed on its ground, to a fraction of a pixel, from one image.

The ground is the flat colour around the box. The cover of a pixel is its distance from the ground's colour, relative to
that of the object. The edges of an object are soft, so the cover locates them between two pixels. An object that was
drawn again, with another placement rule or another rasteriser, is displaced, even if only by half a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.probing.pixel_traces import View

    Floats = NDArray[np.float64]

_SAME = 6  # levels, summed over the channels, by which a colour of the ground may vary
_INK = 0.12  # the least cover of a pixel of the object
COUNT = 27  # numbers that are measured


def placement(view: View) -> Floats:
    """Measure the placement of the object in the box.

    Returns:
        (27,) the centre of the object, from its soft edges and as its centre of mass, relative to the centres of its
        ground and of the box, along both axes: signed, absolute and within a pixel; its soft size; the room on each
        side of it; the shares of soft and of full cover. All 0 if nothing differs from the ground.
    """
    ring = view.ring
    pixels = view.pixels[ring.y0 : ring.y1, ring.x0 : ring.x1].astype(np.int32)
    box = Box(view.box.x0 - ring.x0, view.box.y0 - ring.y0, view.box.x1 - ring.x0, view.box.y1 - ring.y0)
    if not pixels.size:
        return np.zeros(COUNT)
    ground = _ground(pixels, box)
    apart = np.abs(pixels - ground).sum(axis=2)
    inside = np.zeros(apart.shape)
    inside[box.y0 : box.y1, box.x0 : box.x1] = apart[box.y0 : box.y1, box.x0 : box.x1]
    strongest = _strength(inside)
    if not strongest:
        return np.zeros(COUNT)
    cover = np.minimum(inside / strongest, 1.0)
    found: list[float] = []
    for axis in (0, 1):
        found += _along(axis, cover, box, _room(view, ground, axis), ring)
    soft = (cover > _INK) & (cover < 1 - _INK)
    full = cover >= 1 - _INK
    area = max(1, (box.x1 - box.x0) * (box.y1 - box.y0))
    return np.array([*found, soft.sum() / area, full.sum() / area, soft.sum() / max(1, full.sum())])


def _ground(pixels: Any, box: Box) -> Any:
    """Return the most frequent colour along the border of the box, one pixel to either side."""
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    y0, x0 = max(box.y0 - 1, 0), max(box.x0 - 1, 0)
    part = packed[y0 : box.y1 + 1, x0 : box.x1 + 1]
    border = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    values, counts = np.unique(border, return_counts=True)
    colour = int(values[np.argmax(counts)])
    return np.array([colour >> 16, (colour >> 8) & 255, colour & 255])


def _strength(inside: Any) -> float:
    """Return the distance of the object's own colour from the ground: the most frequent one except the ground's."""
    far = inside[inside > _SAME].astype(np.int64)
    if not far.size:
        return 0.0
    counts = np.bincount(far)
    # A flat object has one colour. Of many colours, take the upper end.
    return float(np.argmax(counts)) if counts.max() > far.size / 5 else float(np.sort(far)[int(far.size * 0.9)])


def _room(view: View, ground: Any, axis: int) -> tuple[float, float]:
    """Return how far the flat ground extends before and after the box along an axis, on lines through it, in pixels."""
    x0, y0, x1, y1 = view.box
    lines, start, stop = (view.pixels[:, x0:x1].swapaxes(0, 1), y0, y1) if axis else (view.pixels[y0:y1], x0, x1)
    flat = np.abs(lines - ground).sum(axis=2) <= _SAME
    return _longest(flat[:, :start][:, ::-1]), _longest(flat[:, stop:])


def _longest(lines: Any) -> float:
    if not lines.size:
        return 0.0
    blocked = ~lines
    first = np.where(blocked.any(axis=1), blocked.argmax(axis=1), lines.shape[1])
    return float(first.max())


def _along(axis: int, cover: Floats, box: Box, room: tuple[float, float], ring: Box) -> list[float]:
    """Return the numbers of one axis; 0 is x."""
    profile = cover.max(axis=axis)
    mass = cover.sum(axis=axis)
    there = np.flatnonzero(profile > _INK)
    start, stop = (box.y0, box.y1) if axis else (box.x0, box.x1)
    if not len(there):
        return [0.0] * 12
    first, last = int(there[0]), int(there[-1])
    # The outermost pixel is partly covered, and the cover gives the position of the edge in it.
    low, high = first + 1 - float(profile[first]), last + float(profile[last])
    centre = (low + high) / 2
    weight = float(mass @ (np.arange(len(mass)) + 0.5) / mass.sum())
    ground = (start - room[0] + stop + room[1]) / 2
    hard = (first + last + 1) / 2
    of_ground, of_box, hard_of_ground = centre - ground, centre - (start + stop) / 2, hard - ground
    offset = ring.y0 if axis else ring.x0
    return [
        of_ground,
        abs(of_ground),
        of_box,
        abs(of_box),
        hard_of_ground,
        abs(hard_of_ground),
        weight - ground,
        (2 * (centre + offset)) % 1.0,
        (2 * hard) % 2,
        high - low,
        float(profile[first]),
        float(profile[last]),
    ]
