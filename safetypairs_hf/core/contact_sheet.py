"""Draw a contact sheet: pairs side by side with their edit boxes, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from safetypairs_hf.core.errors import SafetyPairsError, visible

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Box

_MARGIN, _HEAD, _CAPTION = 12, 20, 40
_GAP = 4  # between the two images of a pair
_PAPER, _INK, _GREY = "white", "#1a1a1a", "#666666"
_UNSAFE, _SAFE = "#d1242f", "#1a7f37"


class Shown(NamedTuple):
    """A pair on the sheet: its two images, its edit box, and two lines of caption."""

    unsafe: Image.Image
    safe: Image.Image
    box: Box
    title: str
    text: str


def contact_sheet(pairs: Sequence[Shown], path: Path, columns: int = 3, side: int = 220) -> None:
    """Draw pairs with their edit boxes and captions, and write the sheet to `path` as PNG.

    The words unsafe and safe are above the columns.

    Args:
        pairs: The pairs, in reading order.
        path: The file to write; its folder is made.
        columns: The number of pairs in a row.
        side: The largest width and height of an image, in pixels.

    Raises:
        SafetyPairsError: `path` cannot be written.
    """
    rows = -(-len(pairs) // columns)
    width, height = 2 * side + 2 * _MARGIN, side + _CAPTION + _MARGIN
    sheet = Image.new("RGB", (columns * width + _MARGIN, _HEAD + rows * height + _MARGIN), _PAPER)
    head = ImageDraw.Draw(sheet)
    for column in range(min(columns, len(pairs))):
        x = _MARGIN + column * width
        _write(head, (x, _MARGIN // 2), "unsafe", 15, _UNSAFE, side)
        _write(head, (x + side + _GAP, _MARGIN // 2), "safe", 15, _SAFE, side)
    for index, pair in enumerate(pairs):
        x, y = _MARGIN + index % columns * width, _MARGIN + _HEAD + index // columns * height
        sheet.paste(_framed(pair.unsafe, pair.box, side, _UNSAFE), (x, y + _CAPTION))
        sheet.paste(_framed(pair.safe, pair.box, side, _SAFE), (x + side + _GAP, y + _CAPTION))
        draw = ImageDraw.Draw(sheet)
        _write(draw, (x, y), pair.title, 15, _INK, 2 * side)
        _write(draw, (x, y + 19), pair.text, 13, _GREY, 2 * side)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(path, format="PNG")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SafetyPairsError(f"cannot write the sheet {path}: {reason}; name a .png file") from error


def blurred(image: Image.Image) -> Image.Image:
    """Return an image blurred so strongly that its content cannot be recognised."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 10))


def _framed(image: Image.Image, box: Box, side: int, colour: str) -> Image.Image:
    scale = side / max(image.size)
    small = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
    x0, y0, x1, y1 = (round(edge * scale) for edge in box)
    ImageDraw.Draw(small).rectangle((x0 - 3, y0 - 3, x1 + 2, y1 + 2), outline=colour, width=2)
    return small


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: str, width: int) -> None:
    font = ImageFont.load_default(size)
    text = visible(text[:width], lines=False)  # a letter is at least one pixel wide
    while text and draw.textlength(text, font) > width:
        text = text[:-2].rstrip() + "…"
    draw.text(at, text, fill=colour, font=font)
