"""Drawing a composition: laid out once at a large size, then reduced to the region that it is drawn in.

Where an element stands depends on the form and the block alone, so the two members of a pair differ in no more than the
element that was swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.catalogue import icon
from safetypairs_hf.icons.drawing import paint

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Box, Pixels
    from safetypairs_hf.signs.blocks import Block, Composition

# In pixels of the large size: the em of an icon, its cell (the widest is 1.25 em), and the room between two cells.
_EM, _WIDE, _HIGH, _GAP = 128, 164, 136, 20
# A marked icon: its side, the em of the icon, of a mark at its corner and of one that lies over the whole.
_MARKED, _ITEM_EM, _MARK_EM, _OVER_EM = 190, 112, 88, 150
_OVER: Final = ("slash", "xmark")
# How wide a mark is cut out of the icon that it lies on, to be told from it; and how thick the ring of a ban is.
_HALO, _RING = 7, 14
_WORD_EM, _CAPTION_EM = 72, 44
# Up to so many letters a text stands on one line.
_ONE_LINE: Final = {"words": 8, "captioned": 9}


@cache
def size_of(block: Block) -> tuple[int, int]:
    """Width and height of a block's compositions at the large size: equal for all four."""
    if block.form == "beside":
        return 2 * _WIDE + _GAP, _HIGH
    if block.form == "stacked":
        return _WIDE, 2 * _HIGH + _GAP
    if block.form == "marked":
        return _MARKED, _MARKED
    em = _CAPTION_EM if block.form == "captioned" else _WORD_EM
    texts = [_lines(each) for each in block.compositions]
    wide = max(glyphs.line_width(line, em) for text in texts for line in text)
    high = _text_height(max(map(len, texts)), em)
    return (max(wide, _WIDE), _HIGH + _GAP + high) if block.form == "captioned" else (wide, high)


def _lines(composition: Composition) -> list[str]:
    """Its words as they stand: the four compositions of a block have as many lines, but for single words."""
    longest = max(len(each.words) for each in composition.block.compositions)
    is_long = longest > _ONE_LINE[composition.block.form]
    return (glyphs.two_lines(composition.words) if is_long else composition.words).split("\n")


def _text_height(lines: int, em: int) -> int:
    return round(em * (0.76 + 0.98 * (lines - 1)))


@lru_cache(maxsize=2048)
def master(composition: Composition) -> Image.Image:
    """The composition's mask at the large size: mode L, 255 where the ink is."""
    block = composition.block
    width, height = size_of(block)
    canvas = Image.new("L", (width, height))
    if block.form == "words":
        _write(canvas, _lines(composition), 0, _WORD_EM)
    elif block.form == "captioned":
        _place(canvas, composition.icons[0], width / 2, _HIGH / 2, _EM)
        _write(canvas, _lines(composition), _HIGH + _GAP, _CAPTION_EM)
    elif block.form == "marked":
        mark, item = composition.icons
        _place(canvas, item, width / 2, height / 2, _ITEM_EM)
        _mark(canvas, mark)
    else:
        ends = (_WIDE / 2, _HIGH / 2), (width - _WIDE / 2, height - _HIGH / 2)
        for name, (x, y) in zip(composition.icons, ends, strict=True):
            _place(canvas, name, x, y, _EM)
    return canvas


def _place(canvas: Image.Image, name: str, x: float, y: float, em: int) -> None:
    """Draw an icon with the middle of its ink at (x, y)."""
    mask = glyphs.icon_at(icon(name), em)
    corner = round(x - mask.width / 2), round(y - mask.height / 2)
    canvas.paste(
        ImageChops.lighter(mask, canvas.crop((*corner, corner[0] + mask.width, corner[1] + mask.height))), corner
    )


def _mark(canvas: Image.Image, name: str) -> None:
    """Draw a mark over what is there, with a gap around it."""
    layer = Image.new("L", canvas.size)
    if name == "ban":  # its own ring would leave no room for what is banned
        layer = _ban(canvas.width)
    elif name in _OVER:
        _place(layer, name, canvas.width / 2, canvas.height / 2, _OVER_EM)
    else:
        size = glyphs.icon_at(icon(name), _MARK_EM).size
        _place(layer, name, canvas.width - size[0] / 2, canvas.height - size[1] / 2, _MARK_EM)
    halo = layer.filter(ImageFilter.MaxFilter(2 * _HALO + 1))
    canvas.paste(ImageChops.lighter(ImageChops.subtract(canvas, halo), layer))


def _ban(side: int) -> Image.Image:
    """A ring with a slash, as wide as can be."""
    fine = 4
    large = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(large)
    draw.ellipse((0, 0, side * fine - 1, side * fine - 1), outline=255, width=_RING * fine)
    near = round(side * fine * (0.5 - 0.5**1.5)) + _RING * fine // 2
    draw.line((near, near, side * fine - near, side * fine - near), fill=255, width=_RING * fine)
    return large.reduce(fine)


def _write(canvas: Image.Image, lines: Sequence[str], top: int, em: int) -> None:
    """Draw one or two lines in capitals, centred in what is below `top`."""
    first = top + (canvas.height - top - _text_height(len(lines), em)) / 2
    for number, line in enumerate(lines):
        glyphs.write_line(canvas, line, canvas.width / 2, round(first + em * (0.74 + 0.98 * number)), em)


def fitted(block: Block, region: Box) -> Box:
    """Where in a region a block's compositions are drawn: as large as fits, in the middle."""
    width, height = size_of(block)
    scale = min((region.x1 - region.x0) / width, (region.y1 - region.y0) / height)
    wide, high = max(int(width * scale), 1), max(int(height * scale), 1)
    x, y = (region.x0 + region.x1 - wide) // 2, (region.y0 + region.y1 - high) // 2
    return type(region)(x, y, x + wide, y + high)


def mask(composition: Composition, width: int, height: int) -> Pixels:
    """The composition reduced to (height, width), uint8; 255 where the ink covers the pixel."""
    return np.asarray(master(composition).resize((width, height), Image.Resampling.BOX))


def stamp(canvas: Pixels, composition: Composition, region: Box, ink: Pixels) -> None:
    """Draw a composition in a region of `canvas` (height, width, 3), in place: the one way in which it is drawn."""
    box = fitted(composition.block, region)
    paint(canvas, mask(composition, box.x1 - box.x0, box.y1 - box.y0), box.x0, box.y0, ink)
