"""Show results in a notebook: HTML with the declared figures and their intervals, a pandas table, and a plot.

The HTML inherits font and colours from the page, so it also works on a dark one.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric.figures import Figure, figures_in
from safetypairs_hf.metric.table_text import note_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_WIDE, _HIGH = 160, 14  # pixels of an interval's scale
_CELL = 'style="text-align:left;padding:.15em .9em .15em 0;border:0;vertical-align:baseline"'
_NUMBER = 'style="text-align:right;padding:.15em .9em .15em 0;border:0;font-variant-numeric:tabular-nums"'


def results_html(title: str, tables: Iterable[str], notes: Iterable[str] = (), signature: str = "") -> str:
    """Return a result as HTML: a title, tables, notes, and the signature, collapsed."""
    told = "".join(f'<p style="margin:.3em 0">{html.escape(note)}</p>' for note in notes if note)
    folded = (
        f'<details style="margin:.3em 0"><summary>signature</summary><code style="overflow-wrap:anywhere">'
        f"{html.escape(signature)}</code></details>"
    )
    heading = f'<p style="margin:.3em 0"><strong>{html.escape(title)}</strong></p>'
    return f"<div>{heading}{''.join(tables)}{told}{folded if signature else ''}</div>"


def figures_html(record: Any, figures: Iterable[Figure]) -> str:
    """Return a row for each figure of a record that applies: label, value, and its interval drawn on [0, 1]."""
    values = vars(record)
    rows = []
    for figure in figures:
        value = values[figure.name]
        if value is None or (figure.shown_with and not values[figure.shown_with]):
            continue
        ends = values[figure.interval] if figure.interval else None
        label = ("&ensp;" if figure.part_of else "") + html.escape(figure.label)
        rows.append(
            f"<tr><td {_CELL}>{label}</td><td {_NUMBER}>{format(value, figure.format.line)}</td>"
            f"<td {_CELL}>{_drawn(value, ends)}</td>"
            f"<td {_CELL}>{html.escape(_said(ends) if ends else note_of(record, figure))}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def records_html(name: str, records: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """Return a row for each record under the headings of figures, with the first interval drawn on [0, 1]."""
    shown = next((figure for figure in figures if figure.interval), None)
    heads = [name, *(figure.label for figure in figures), *(["95% interval"] if shown else [])]
    numbers = [f"<th {_CELL}>{html.escape(head)}</th>" for head in heads]
    rows = [f"<tr>{''.join(numbers)}</tr>"]
    for title, record in records.items():
        cells = [f"<td {_CELL}>{html.escape(title)}</td>"]
        for figure in figures:
            value = vars(record)[figure.name]
            text = "-" if value is None else format(value, figure.format.column)
            cells.append(f"<td {_NUMBER}>{text}</td>")
        if shown and shown.interval:
            ends = vars(record)[shown.interval]
            cells.append(f"<td {_CELL}>{_drawn(vars(record)[shown.name], ends)} {_said(ends)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def text_html(text: str) -> str:
    """Return a printed table as HTML."""
    return f'<pre style="font-family:monospace;overflow-x:auto">{html.escape(text)}</pre>'


def _said(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def _drawn(value: float, ends: tuple[float, float] | None) -> str:
    """Return a value and its interval on a scale from 0 to 1, or from -1 to 1 if an end is below 0."""
    if ends is None or not -1 <= ends[0] <= ends[1] <= 1:
        return ""
    least = -1.0 if min(ends[0], value) < 0 else 0.0
    low, mid, high = (round((each - least) / (1 - least) * _WIDE, 1) for each in (ends[0], value, ends[1]))
    middle = _HIGH // 2
    return (
        f'<svg role="img" aria-label="{value:.3f}, 95% interval {_said(ends)}, from {least:g} to 1" '
        f'width="{_WIDE}" height="{_HIGH}" style="vertical-align:middle;overflow:visible">'
        f'<line x1="0" x2="{_WIDE}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-opacity=".25"/>'
        f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}" stroke="currentColor" stroke-width="4" '
        f'stroke-opacity=".45"/><circle cx="{mid}" cy="{middle}" r="4" fill="currentColor"/></svg>'
    )


def figures_frame(name: str, records: Mapping[str, Any]) -> DataFrame:
    """Return a pandas table: a row for each record, with a column for each figure and two for each interval.

    Args:
        name: The kind of the records, as the name of the index.

    Raises:
        PairError: Pandas is not installed.
    """
    rows = {}
    for title, record in records.items():
        row: dict[str, Any] = {}
        for figure in figures_in(record):
            row[figure.name] = vars(record)[figure.name]
            if figure.interval:
                low, high = vars(record)[figure.interval] or (None, None)
                row |= {f"{figure.name}_low": low, f"{figure.name}_high": high}
        rows[title] = row
    made = _pandas().DataFrame.from_dict(rows, orient="index")
    made.index.name = name
    return made  # type: ignore[no-any-return]


def values_frame(rows: Sequence[Sequence[Any]], index: Sequence[Any], columns: Sequence[Any], name: str) -> DataFrame:
    """Return a pandas table of values. Raises PairError if pandas is not installed."""
    made = _pandas().DataFrame(rows, index=list(index), columns=list(columns))
    made.index.name = name
    return made  # type: ignore[no-any-return]


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise PairError("to_pandas needs pandas; pip install pandas") from error
    return pandas


def plot_records(records: Mapping[str, Any], figure: Figure, axes: Any = None) -> Axes:
    """Draw a figure of records with its intervals, the first at the top, into matplotlib axes.

    Args:
        axes: Where to draw; new axes by default.

    Raises:
        PairError: Matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise PairError("plot needs matplotlib; pip install matplotlib") from error
    if axes is None:
        _, axes = pyplot.subplots(figsize=(6.4, 0.6 + 0.36 * len(records)), layout="constrained")
    for place, record in enumerate(records.values()):
        value = vars(record)[figure.name]
        low, high = vars(record)[figure.interval] if figure.interval else (value, value)
        axes.plot([low, high], [place, place], color="#7a8ba0", linewidth=2)
        axes.plot([value], [place], "o", color="#1f3b5c")
    axes.set_yticks(range(len(records)), list(records))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"{figure.label}, 95% interval")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    drawn: Axes = axes
    return drawn
