"""Draw masks of items: once per process at a large size, then reduced to the requested size."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from safetypairs_hf.core.errors import RecipeError

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels
    from safetypairs_hf.icons.catalogue import Item

# Large enough that a reduction to a plate's size is smooth, small enough that 300 masters take about 10 MB.
_ICON_EM = 192
_TEXT_EM = 72
# Pillow's built-in font has one weight only, so a stroke makes the letters bold.
_TEXT_STROKE = 2.0


@cache
def _font_awesome() -> tuple[ImageFont.FreeTypeFont, dict[str, str]]:
    """Return the solid font, and a mapping from icon name to character."""
    try:
        import fontawesomefree
    except ImportError:
        raise RecipeError(
            "the icons recipe needs the package fontawesomefree, which is not installed; "
            "install it with: pip install 'safetypairs-hf[demo]'"
        ) from None
    root = Path(fontawesomefree.__file__).parent / "static" / "fontawesomefree"
    metadata = json.loads((root / "metadata" / "icons.json").read_text(encoding="utf-8"))
    characters = {name: chr(int(entry["unicode"], 16)) for name, entry in metadata.items() if "solid" in entry["free"]}
    return ImageFont.truetype(root / "webfonts" / "fa-solid-900.ttf", _ICON_EM), characters


def icon_names() -> Collection[str]:
    """Return the names of all icons."""
    return _font_awesome()[1].keys()


def two_lines(text: str) -> str:
    """Break the text in two at the space that makes the longer line shortest."""
    words = text.split()
    broken = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words))]
    return "\n".join(min(broken, key=lambda pair: max(map(len, pair)))) if broken else text


@cache
def master(item: Item) -> Image.Image:
    """Return the item's mask at a large size, cropped to its ink: mode L, 255 for ink."""
    canvas = Image.new("L", (1024, 512))
    draw = ImageDraw.Draw(canvas)
    if item.is_placard:
        font = ImageFont.load_default(_TEXT_EM)
        text = two_lines(item.glyph)
        draw.multiline_text(
            (512, 256), text, font=font, fill=255, anchor="mm", align="center", spacing=12, stroke_width=_TEXT_STROKE
        )
    else:
        icons, characters = _font_awesome()
        if item.glyph not in characters:
            raise RecipeError(f"the installed fontawesomefree has no icon {item.glyph!r}; install fontawesomefree 6.6")
        draw.text((512, 256), characters[item.glyph], font=icons, fill=255, anchor="mm")
    box = canvas.getbbox()
    if box is None:
        raise RecipeError(f"the installed font draws nothing for {item.glyph!r}; install fontawesomefree 6.6")
    return canvas.crop(box)


@cache
def aspect(item: Item) -> float:
    """Return width over height of the item's ink."""
    width, height = master(item).size
    return width / height


@cache
def density(item: Item) -> float:
    """Return the share of the ink's box that is ink, in (0, 1]."""
    return float(np.asarray(master(item), dtype=np.float32).mean() / 255)


def icon_at(item: Item, em: int) -> Image.Image:
    """Return the mask of an icon's ink at a font size of `em` pixels: mode L."""
    whole = master(item)
    across, down = (max(round(side * em / _ICON_EM), 1) for side in whole.size)
    return whole.resize((across, down), Image.Resampling.BOX)


@cache
def _text_font(em: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(em)


def line_width(line: str, em: int) -> int:
    """Return the width in pixels of a line of text as `write_line` draws it."""
    x0, _, x1, _ = _text_font(em).getbbox(line, stroke_width=_TEXT_STROKE * em / _TEXT_EM)
    return math.ceil(x1 - x0)


def write_line(canvas: Image.Image, line: str, x: float, baseline: float, em: int) -> None:
    """Draw a line of text on a canvas of mode L, centred about `x`."""
    ImageDraw.Draw(canvas).text(
        (x, baseline), line, font=_text_font(em), fill=255, anchor="ms", stroke_width=_TEXT_STROKE * em / _TEXT_EM
    )


def mask(item: Item, width: int, height: int) -> Pixels:
    """Return the item's ink stretched to (height, width), uint8; 255 for a pixel that the ink covers."""
    return np.asarray(master(item).resize((width, height), Image.Resampling.BOX))
