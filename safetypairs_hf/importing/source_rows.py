"""The interface of rows with columns, as which every kind of source is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.sources.metadata import check_column

SPLIT = "(split)"  # the split of a row, as a column under a name that no source has
IMAGE, IMAGES, TEXT, OTHER = "image", "images", "text", "other"

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Column(NamedTuple):
    """The content of a column: an IMAGE, IMAGES (a list of them), TEXT (also numbers and labels), or OTHER.

    `labels` are the names of the class labels; () for other columns. A TEXT may name an image file.
    """

    kind: str
    labels: tuple[str, ...] = ()


class Rows(Protocol):
    """Rows in a fixed order, numbered from 0, that can be read repeatedly. They are pickled for worker processes.

    `origin`: the name of the source (`org/name@commit`, or the name of a file or folder, without the path on this
    machine). `fingerprint`: what identifies all rows together (a commit); "" if each row must be examined. `license`:
    the licence that the source states; "" if it states none.
    """

    @property
    def origin(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def license(self) -> str: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...

    def __len__(self) -> int: ...

    def name(self, number: int) -> str:
        """Return the name of a row in messages and origins: its file, or its number in a file."""
        ...

    def texts(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield every row in order with only these columns; class labels as their names."""
        ...

    def take(self, number: int, columns: Sequence[str], lane: str) -> dict[str, Any]:
        """Return one row. Rows read in rising order in one lane are read sequentially."""
        ...

    def files(self, number: int) -> Files:
        """Return the place of the files that the cells of a row name."""
        ...


def top(path: str, columns: Mapping[str, Column] | Sequence[str]) -> str:
    """Return the column in which a path such as `a.b` or `a[0]` begins; the path itself if it is a column."""
    return path if path in columns else re.split(r"[.\[]", path, maxsplit=1)[0]


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path in a row; None if the row has no value there."""
    if path in row:
        return row[path]
    column = top(path, list(row))
    value = row.get(column)
    for key, index in _STEP.findall(path[len(column) :]):
        if index:
            value = value[int(index)] if isinstance(value, list | tuple) and int(index) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, Mapping) else None
    return value


def check_path(path: str, rows: Rows, where: str) -> None:
    """Raise RecipeError if a path begins in no column, or has a syntax error."""
    column = top(path, rows.columns)
    check_column(column, [name for name in rows.columns if name != SPLIT], where)
    rest = path[len(column) :]
    if "".join(match[0] for match in _STEP.finditer(rest)) != rest:
        raise RecipeError(f"{where}: {path!r} is no column; write column, column.key or column[0]")


def kind_of(path: str, rows: Rows) -> Column:
    """Return what a path holds. Inside a list of images it is an image, inside any other column it counts as TEXT."""
    column = rows.columns[top(path, rows.columns)]
    if path in rows.columns:
        return column
    return Column(IMAGE if column.kind == IMAGES else TEXT)


def as_text(value: Any) -> str | None:
    """Return a cell as text, without surrounding white space; None if it is empty."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text or None
