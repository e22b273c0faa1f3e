"""Read the metadata file of a folder of images: CSV with a header, or JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError, printable
from safetypairs_hf.core.file_names import as_seen, find_seen
from safetypairs_hf.core.foreign_text import ForeignTextError, csv_rows, json_lines, read_text, reading
from safetypairs_hf.core.nearest import hint


class Columns(NamedTuple):
    """The names of the columns in a metadata file. The label and licence columns may be missing from the file."""

    file: str = "file_name"
    label: str = "label"
    license: str = "license"


class About(NamedTuple):
    """The values for one image in a metadata file; None for missing ones."""

    label: str | None
    license: str | None


def read_metadata(path: Path, columns: Columns, needs_label: bool) -> dict[str, About]:
    """Return the values for each image, by its path relative to the folder, with forward slashes.

    Raises:
        RecipeError: The file cannot be read, lacks a required column, or names an image twice.
    """
    rows = {".csv": csv_rows, ".jsonl": json_lines}.get(path.suffix.lower())
    if rows is None:
        raise RecipeError(f"the metadata {str(path)!r} is neither .csv nor .jsonl; give one of these")
    found: dict[str, About] = {}
    with reading(f"the metadata {str(path)!r}", "expected a row for each image", RecipeError):
        for number, row in rows(read_text(find_seen(path))):
            for column in (columns.file, *((columns.label,) if needs_label else ())):
                check_column(column, row, f"{path}, line {number}")
            name = as_seen(_text(row, columns.file, number) or "")
            if not name:
                raise ForeignTextError(f"has nothing as {columns.file!r}", number)
            if name in found:
                raise RecipeError(f"{path}, line {number}: {printable(name)!r} was named before; name each image once")
            found[name] = About(_text(row, columns.label, number), _text(row, columns.license, number))
    return found


def check_column(column: str, columns: Iterable[str], where: str) -> None:
    """Raise RecipeError, with the nearest name and all names, if there is no such column."""
    there = list(columns)
    if column not in there:
        listed = printable(", ".join(there))
        raise RecipeError(f"{where}: there is no column {column!r}{hint(column, there)}; the columns are {listed}")


def _text(row: Mapping[str, Any], column: str, number: int) -> str | None:
    value = row.get(column)
    if isinstance(value, dict | list):
        raise ForeignTextError(f"has {printable(value)} as {column!r}, where a text was expected", number)
    return None if value is None or str(value).strip() == "" else str(value).strip()
