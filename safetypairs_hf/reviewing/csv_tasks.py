"""Pairs as a table to fill in, CSV, and the filled-in table as decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from safetypairs_hf.core.foreign_text import ForeignTextError, csv_rows
from safetypairs_hf.reviewing.assignment import side_of
from safetypairs_hf.reviewing.label_studio import in_percent
from safetypairs_hf.reviewing.review_answers import Answer

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.decisions import Decision
    from safetypairs_hf.reviewing.reviewed_pairs import Listed, Shown

_SHOWN: Final = ("pair_id", "category", "left_image", "right_image", "critical_feature", "instruction")
_BOX: Final = ("box_x_percent", "box_y_percent", "box_width_percent", "box_height_percent")
FILLED_IN: Final = ("reviewer", "blind", "decision", "reason", "note", "seconds", "time")
# What a spreadsheet takes for a formula; a text that begins so gets an apostrophe in front, which it does not show.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def head(judges: Sequence[str]) -> str:
    """The first line: what is shown, what each judge says, and what is to be filled in."""
    of_judges = (f"{name} {member}" for name in judges for member in ("p_unsafe_before", "p_unsafe_after"))
    return _line([*_SHOWN, *_BOX, *of_judges, *FILLED_IN])


def lines(
    pair: Listed,
    shown: Shown,
    images: Mapping[str, str],
    size: tuple[int, int],
    left: str,
    decisions: Sequence[tuple[Decision, str | None]],
    judges: Sequence[str],
) -> str:
    """A line of a pair for each decision so far, and one that is not filled in; arguments as of `label_studio.task`."""
    said = {each.name: each for each in pair.judgements}
    box = [f"{value:g}" for value in in_percent(shown.edit_box, size)] if shown.edit_box else [""] * len(_BOX)
    texts = (pair.pair_id, pair.category, images["left"], images["right"], shown.critical_feature, shown.instruction)
    first = [
        *map(_plain, texts),
        *box,
        *(_number(p) for name in judges for p in (said[name][1:] if name in said else (None, None))),
    ]
    filled = [
        (
            *(each.reviewer, side_of(blind, left) if blind else "", each.action),
            *(_plain(each.reason), _plain(each.note), f"{each.seconds:g}", each.time),
        )
        for each, blind in decisions
    ]
    return "".join(_line([*first, *values]) for values in (*filled, ("",) * len(FILLED_IN)))


def answers_in(text: str) -> Iterator[Answer]:
    """Read a filled-in table; columns that it has beside ours are not looked at.

    Raises:
        ForeignTextError: it is no CSV, or lacks the columns `pair_id` and `decision`.
    """
    empty = True
    for number, row in csv_rows(text):
        empty = False
        if lacking := {"pair_id", "decision"} - row.keys():
            raise ForeignTextError(f"has no column {min(lacking)!r}; expected the table that --export wrote, filled in")
        blind, decision, reason, note = (_read(row.get(name, "")) for name in ("blind", "decision", "reason", "note"))
        who, time, seconds = (row.get(name, "").strip() for name in ("reviewer", "time", "seconds"))
        yield Answer(f"line {number}", row["pair_id"].strip(), decision, blind, reason, note, who, time, seconds)
    if empty:
        raise ForeignTextError("has no row; expected the table that --export wrote, filled in")


def _line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def _plain(text: str) -> str:
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _read(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def _number(p: float | None) -> str:
    return "" if p is None else f"{p:g}"
