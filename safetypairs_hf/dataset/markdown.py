"""Escape text from recipes, rows and names for use in a Markdown line, a table cell or a code block."""

from __future__ import annotations

import re

LONGEST = 300  # characters, so that no text of a recipe fills the page

# Each becomes an entity, so that none starts or ends a tag, a link, emphasis, code, a formula or a table cell.
_MARKS = re.compile(r"[&<>|`*\[\]\\~$#{}\"]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_PLAIN = re.compile(r"[\w./@:+-]+")


def line(value: object, longest: int = LONGEST) -> str:
    """Return `value` as one line without control characters, cut at `longest` characters."""
    printable = "".join(char if char.isprintable() else " " for char in str(value))
    text = " ".join(printable.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(value: object, longest: int = LONGEST) -> str:
    """Return `value` as one line that Markdown shows unchanged, anywhere except at the beginning of a line."""
    return _MARKS.sub(lambda found: f"&#{ord(found[0])};", line(value, longest))


def code(value: object, longest: int = LONGEST) -> str:
    """Return `value` as code within a line."""
    text = line(value, longest)
    return f"`{text}`" if _PLAIN.fullmatch(text) else f"<code>{plain(text)}</code>"
