"""The text of printed tables: lines and columns of declared figures, intervals, counts, names and signatures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import counted
from safetypairs_hf.metric.figures import Figure, figures_in

WIDTH = 80
FEW_GROUPS = 30  # with fewer, the intervals get a note


def figure_lines(record: Any, figures: Iterable[Figure]) -> list[str]:
    """Return a line for each figure that has a value: its label, its value, then its interval or its note."""
    values = vars(record)
    lines = []
    for figure in figures:
        if figure.shown_with and not values[figure.shown_with]:
            continue
        if values[figure.name] is not None:
            lines.append(figure_line(figure, values[figure.name], _note_with_interval(record, figure)))
    return lines


def figure_line(figure: Figure, value: float, note: str = "") -> str:
    """Return one line: the figure's label, indented if it is part of another figure, a value and a note."""
    label = f"  {figure.label}" if figure.part_of else figure.label
    return f"{label:<22}{format(value, figure.format.line):>8}   {note}".rstrip()


def _note_with_interval(record: Any, figure: Figure) -> str:
    note = note_of(record, figure)
    if not figure.interval or vars(record)[figure.interval] is None:
        return note
    low, high = vars(record)[figure.interval]
    return f"{low:.4f} to {high:.4f}   {note}" if note else interval((low, high))


def note_of(record: Any, figure: Figure) -> str:
    """Return the note of a figure, with the values of the other figures that it names."""
    values = ((other, vars(record).get(other.name)) for other in figures_in(record))
    return figure.note.format_map({other.name: text_of(other, value) for other, value in values if value is not None})


def text_of(figure: Figure, value: float) -> str:
    """Return a value as it appears in a line, with a unit if the figure counts something."""
    if figure.format.unit:
        return counted(int(value), figure.format.unit)
    return format(value, figure.format.line)


def interval(ends: tuple[float, float]) -> str:
    """Return a 95% interval in words."""
    return f"95% interval {ends[0]:.4f} to {ends[1]:.4f}"


class Columns(NamedTuple):
    """Figures as columns, with a row for each record.

    `wide`: the width of a column. `lead` and `interval`: the widths of a figure with an interval, and of the interval.
    """

    figures: Sequence[Figure]
    wide: int
    lead: int
    interval: int

    def head(self) -> str:
        """Return the line of the columns' headings."""
        return "".join(
            f"{figure.short:>{self.lead}}   {'95% interval':<{self.interval}}"
            if figure.interval
            else f"{figure.short:>{self.wide}}"
            for figure in self.figures
        )

    def row(self, record: Any) -> str:
        """Return the line of a record."""
        values = vars(record)
        cells = []
        for figure in self.figures:
            value = values[figure.name]
            text = "-" if value is None else format(value, figure.format.column)
            if figure.interval:
                low, high = (format(end, figure.format.column) for end in values[figure.interval])
                cells.append(f"{text:>{self.lead}}   {f'{low} to {high}':<{self.interval}}")
            else:
                cells.append(f"{text:>{self.wide}}")
        return "".join(cells)


def pairs_in_groups(n_pairs: int, n_groups: int | None) -> str:
    """Return the number of pairs, and of groups if groups were given."""
    return counted(n_pairs, "pair") + ("" if n_groups is None else f" in {counted(n_groups, 'group')}")


def few_groups(n_groups: int | None) -> str:
    """Return the note on intervals from few groups; "" if there are enough groups, or none."""
    if n_groups is None or n_groups >= FEW_GROUPS:
        return ""
    return f"Intervals from {counted(n_groups, 'group')} are rough: below {FEW_GROUPS} they may be too narrow"


def shortened(name: str, width: int) -> str:
    """Return a name, cut at the end if it is too long to leave one blank within `width` columns."""
    return name if len(name) < width else name[: width - 2] + "…"


def wrapped(signature: str) -> list[str]:
    """Return the lines of a signature, broken after a bar if it is wider than the table."""
    lines = [""]
    for part in signature.replace("|", "|\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > WIDTH:
            lines.append("")
        lines[-1] += part
    return lines
