"""A source as rows with columns, whatever it is made of: what every kind of source is read as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.importing.image_cells import Files
from safetypairs_hf.sources.metadata import check_column

SPLIT = "(split)"  # a column that no source has: the split that a row lies in
IMAGE, IMAGES, TEXT, OTHER = "image", "images", "text", "other"

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Column(NamedTuple):
    """What a column holds: an IMAGE, IMAGES (a list of them), TEXT (numbers and labels too), or OTHER; and its labels.

    `labels` are the names of a column of class labels; () of any other. A TEXT may name a file that is an image.
    """

    kind: str
    labels: tuple[str, ...] = ()


class Rows(Protocol):
    """Rows in a fixed order, counted from 0; each can be had again. Pickled, it goes to worker processes.

    `origin`: what the rows' origin is called (`org/name@commit`, or the name of a file or folder, without the path on
    this machine). `fingerprint`: what all rows together are known by (a commit); "" where each row is looked at.
    `license`: what the source itself says, "" where it says nothing.
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
        """What a message and an origin call a row: its file, or its place in one."""
        ...

    def texts(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Every row in order, with these columns alone; class labels as their names."""
        ...

    def take(self, number: int, columns: Sequence[str], lane: str) -> dict[str, Any]:
        """One row. Rows that are asked for in rising order in one lane are read one after another."""
        ...

    def files(self, number: int) -> Files:
        """Where the files are that the cells of a row name."""
        ...


def top(path: str, columns: Mapping[str, Column] | Sequence[str]) -> str:
    """The column that a path such as `a.b` or `a[0]` begins in; the path itself where a column has that name."""
    return path if path in columns else re.split(r"[.\[]", path, maxsplit=1)[0]


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """The value of a path in a row; None where there is none so deep."""
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
    """Raise RecipeError where a path begins in no column, or is written wrongly."""
    column = top(path, rows.columns)
    check_column(column, [name for name in rows.columns if name != SPLIT], where)
    rest = path[len(column) :]
    if "".join(match[0] for match in _STEP.finditer(rest)) != rest:
        raise RecipeError(f"{where}: {path!r} is no column; write column, column.key or column[0]")


def kind_of(path: str, rows: Rows) -> Column:
    """What a path holds. What lies inside a list of images is an image; of any other inside nothing is known."""
    column = rows.columns[top(path, rows.columns)]
    if path in rows.columns:
        return column
    return Column(IMAGE if column.kind == IMAGES else TEXT)


def as_text(value: Any) -> str | None:
    """A cell as text, without white space around it; None where it holds nothing."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text or None
