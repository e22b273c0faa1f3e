"""Draw plain tables for the terminal and for notebooks."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError

if TYPE_CHECKING:
    from pandas import DataFrame

WIDTH = 80


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table at most 80 columns wide, with numbers aligned right and long text folded."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    numeric = [bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]
    for name, right in zip(columns, numeric, strict=True):
        drawn.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    out = io.StringIO()
    # Without these flags, rich in a notebook displays the table itself, leaves `out` empty and adds colour codes.
    Console(file=out, width=WIDTH, highlight=False, markup=False, force_jupyter=False, force_terminal=False).print(
        drawn
    )
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def text_html(text: str) -> str:
    """Return a printed table as HTML for a notebook."""
    return f'<pre style="font-family:monospace;overflow-x:auto">{html.escape(text)}</pre>'


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> DataFrame:
    """Return rows as a pandas table. It has the given columns even if there are no rows.

    Raises:
        SafetyPairsError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise SafetyPairsError("to_pandas needs pandas; pip install pandas") from error
    return pandas.DataFrame(list(rows), columns=list(columns))
