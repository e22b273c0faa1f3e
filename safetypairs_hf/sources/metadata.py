"""A file beside a folder's images that says what each one is: CSV with a head, or JSON Lines."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError

Row = Mapping[str, Any]


class Columns(NamedTuple):
    """The names of the columns in a metadata file. Those of label and licence may be missing from the file."""

    file: str = "file_name"
    label: str = "label"
    license: str = "license"


class About(NamedTuple):
    """What a metadata file says of one image; None where it says nothing."""

    label: str | None
    license: str | None


def read_metadata(path: Path, columns: Columns, needs_label: bool) -> dict[str, About]:
    """What the file says, by the path of each image (relative to the folder, with forward slashes).

    Raises:
        RecipeError: the file cannot be read, lacks a column that is needed, or names an image twice.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RecipeError(f"the metadata {str(path)!r} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"the metadata {str(path)!r} is not UTF-8 (at byte {error.start}); save it as that") from None
    found: dict[str, About] = {}
    for number, row in _rows(path, text):
        for column in (columns.file, *((columns.label,) if needs_label else ())):
            check_column(column, row, f"{path}, line {number}")
        name = str(row[columns.file]).strip()
        if name in found:
            raise RecipeError(f"{path}, line {number}: {name!r} was named before; name each image once")
        found[name] = About(_text(row, columns.label), _text(row, columns.license))
    return found


def check_column(column: str, columns: Iterable[str], where: str) -> None:
    """Raise RecipeError where there is no such column; it names the nearest and lists all."""
    there = list(columns)
    if column not in there:
        near = difflib.get_close_matches(column, there, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise RecipeError(f"{where}: there is no column {column!r}{hint} (the columns are {', '.join(there)})")


def _rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    """Each row, and the line that it stands in."""
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for row in reader:
            if None in row or None in row.values():
                raise RecipeError(f"{path}, line {reader.line_num}: not as many fields as the head has")
            yield reader.line_num, row
    elif path.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, _object(path, number, line)
    else:
        raise RecipeError(f"the metadata {str(path)!r} is neither .csv nor .jsonl; give one of these")


def _object(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RecipeError(f"{path}, line {number}: no JSON ({error})") from None
    if not isinstance(row, dict):
        raise RecipeError(f'{path}, line {number}: expected a JSON object, such as {{"file_name": "a.jpg"}}')
    return row


def _text(row: Row, column: str) -> str | None:
    value = row.get(column)
    return None if value is None or str(value).strip() == "" else str(value).strip()
