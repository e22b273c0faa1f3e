"""Draw a sign: lay it out once at a large size, then reduce it to its region.

The position of an element depends only on the form and the block, so the two members of a pair differ only in the
swapped element.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from safetypairs_hf.core.records import Box
from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.catalogue import icon
from safetypairs_hf.icons.drawing import paint

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.signs.blocks import Composition

# In pixels of the large size: the em of an icon, its cell (the widest icon has 1.25 em), and the gap between cells.
_EM, _WIDE, _HIGH, _GAP = 128, 164, 136, 20
# A marked icon: its side, and the em of the icon, of a corner mark and of a mark over the whole icon.
_MARKED, _ITEM_EM, _MARK_EM, _OVER_EM = 190, 112, 88, 150
_OVER: Final = ("slash", "xmark")
# The gap between a mark and the icon below it, and the thickness of the ring of a ban.
_HALO, _RING = 7, 14
# The em of the letters by form, and the most letters of a block's longest text that fit on one line.
_LETTERS: Final = {"words": 72, "captioned": 44}
_ONE_LINE: Final = {"words": 8, "captioned": 9}
# The empty border of a region, as a share of its shorter side and in pixels. A reader relies on it.
_BORDER, _LEAST_BORDER = 0.12, 4


class Sign(NamedTuple):
    """The input of a drawing: form, icons, lines of text, and width and height at the large size.

    The form "icon" is a sign of a single icon; no block has it.
    """

    form: str
    icons: tuple[str, ...]
    lines: tuple[str, ...]
    width: int
    height: int

    @property
    def aspect(self) -> float:
        return self.width / self.height


@lru_cache(maxsize=4096)
def sign_of(composition: Composition) -> Sign:
    """Return the sign of a composition. The four signs of a block have the same size."""
    texts = [each.words for each in composition.block.compositions]
    return _sign(composition.block.form, composition.icons, composition.words, texts)


def plain_sign(form: str, icons: tuple[str, ...] = (), words: str = "") -> Sign:
    """Return a sign that belongs to no block."""
    return _sign(form, icons, words, [words])


def _sign(form: str, icons: tuple[str, ...], words: str, texts: Sequence[str]) -> Sign:
    """Return the sign with these words, large enough for each of `texts`, and with the same line breaks."""
    em, lines = _LETTERS.get(form, 0), _broken(form, texts)
    wide = max(glyphs.line_width(line, em) for text in texts for line in lines[text]) if em else 0
    high = _text_height(max(map(len, lines.values())), em)
    width, height = {
        "icon": (_WIDE, _HIGH),
        "beside": (2 * _WIDE + _GAP, _HIGH),
        "stacked": (_WIDE, 2 * _HIGH + _GAP),
        "marked": (_MARKED, _MARKED),
        "captioned": (max(wide, _WIDE), _HIGH + _GAP + high),
        "words": (wide, high),
    }[form]
    return Sign(form, icons, lines[words], width, height)


def _broken(form: str, texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the lines of each text. Texts with equally many words break after the same word, so no word moves."""
    if max(map(len, texts)) <= _ONE_LINE.get(form, 0):
        return {text: (text,) for text in texts}
    words = [text.split() for text in texts]
    if len(set(map(len, words))) > 1:
        return {text: tuple(glyphs.two_lines(text).split("\n")) for text in texts}
    broken = [[(" ".join(each[:k]), " ".join(each[k:])) for each in words] for k in range(1, len(words[0]))]
    best = min(broken, key=lambda lines: max(len(line) for pair in lines for line in pair), default=None)
    return {text: (text,) for text in texts} if best is None else dict(zip(texts, best, strict=True))


def _text_height(lines: int, em: int) -> int:
    return round(em * (0.76 + 0.98 * (lines - 1)))


@lru_cache(maxsize=4096)
def master(sign: Sign) -> Image.Image:
    """Return the sign's mask at the large size: mode L, 255 for ink."""
    canvas = Image.new("L", (sign.width, sign.height))
    if sign.form == "words":
        _write(canvas, sign.lines, 0, _LETTERS["words"])
    elif sign.form == "captioned":
        _place(canvas, sign.icons[0], sign.width / 2, _HIGH / 2, _EM)
        _write(canvas, sign.lines, _HIGH + _GAP, _LETTERS["captioned"])
    elif sign.form == "marked":
        mark, item = sign.icons
        _place(canvas, item, sign.width / 2, sign.height / 2, _ITEM_EM)
        _mark(canvas, mark)
    else:
        ends = (_WIDE / 2, _HIGH / 2), (sign.width - _WIDE / 2, sign.height - _HIGH / 2)
        for name, (x, y) in zip(sign.icons, ends, strict=False):
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
    """Draw a mark over the icon, with a gap around the mark."""
    layer = Image.new("L", canvas.size)
    if name == "ban":  # the icon's own ring would leave no room for the banned thing
        layer = _ban(canvas.width)
    elif name in _OVER:
        _place(layer, name, canvas.width / 2, canvas.height / 2, _OVER_EM)
    else:
        size = glyphs.icon_at(icon(name), _MARK_EM).size
        _place(layer, name, canvas.width - size[0] / 2, canvas.height - size[1] / 2, _MARK_EM)
    halo = layer.filter(ImageFilter.MaxFilter(2 * _HALO + 1))
    canvas.paste(ImageChops.lighter(ImageChops.subtract(canvas, halo), layer))


def _ban(side: int) -> Image.Image:
    """Draw a ring with a slash, as wide as possible."""
    fine = 4
    large = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(large)
    draw.ellipse((0, 0, side * fine - 1, side * fine - 1), outline=255, width=_RING * fine)
    near = round(side * fine * (0.5 - 0.5**1.5)) + _RING * fine // 2
    draw.line((near, near, side * fine - near, side * fine - near), fill=255, width=_RING * fine)
    return large.reduce(fine)


def _write(canvas: Image.Image, lines: Sequence[str], top: int, em: int) -> None:
    """Draw one or two lines in capitals, centred in the area below `top`."""
    first = top + (canvas.height - top - _text_height(len(lines), em)) / 2
    for number, line in enumerate(lines):
        glyphs.write_line(canvas, line, canvas.width / 2, round(first + em * (0.74 + 0.98 * number)), em)


def inner(sign: Sign, region: Box) -> Box:
    """Return the box of a sign in a region: in the middle, as large as the border allows."""
    wide, high = region.x1 - region.x0, region.y1 - region.y0
    border = max(_BORDER * min(wide, high), _LEAST_BORDER)
    scale = min((wide - 2 * border) / sign.width, (high - 2 * border) / sign.height)
    across, down = max(int(sign.width * scale), 1), max(int(sign.height * scale), 1)
    x, y = (region.x0 + region.x1 - across) // 2, (region.y0 + region.y1 - down) // 2
    return Box(x, y, x + across, y + down)


def room_for(width: float, height: float) -> tuple[float, float]:
    """Return width and height of the region for a sign of this size: the inverse of `inner`."""
    border = max(_BORDER / (1 - 2 * _BORDER) * min(width, height), _LEAST_BORDER)
    return width + 2 * border, height + 2 * border


def around(ink: Box) -> Box:
    """Return the region in which a sign is drawn no larger than this box."""
    wide, high = room_for(ink.x1 - ink.x0, ink.y1 - ink.y0)
    x, y = (ink.x0 + ink.x1 - wide) / 2, (ink.y0 + ink.y1 - high) / 2
    return Box(round(x), round(y), round(x + wide), round(y + high))


def mask(sign: Sign, width: int, height: int) -> Pixels:
    """Return the sign reduced to (height, width), uint8; 255 for a pixel that the ink covers."""
    return np.asarray(master(sign).resize((width, height), Image.Resampling.BOX))


def stamp(canvas: Pixels, sign: Sign, region: Box, ink: Pixels) -> None:
    """Draw a sign in a region of `canvas` (height, width, 3), in place. All signs are drawn by this function."""
    box = inner(sign, region)
    paint(canvas, mask(sign, box.x1 - box.x0, box.y1 - box.y0), box.x0, box.y0, ink)
