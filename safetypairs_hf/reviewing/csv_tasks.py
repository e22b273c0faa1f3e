"""Write pairs as a CSV table to fill in, and read the filled-in table as decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from safetypairs_hf.core.foreign_text import ForeignTextError, csv_rows
from safetypairs_hf.reviewing.label_studio import in_percent
from safetypairs_hf.reviewing.review_answers import Answer

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.reviewed_pairs import Listed, Shown

_SHOWN: Final = ("pair_id", "category", "left_image", "right_image", "critical_feature", "instruction")
_BOX: Final = ("box_x_percent", "box_y_percent", "box_width_percent", "box_height_percent")
FILLED_IN: Final = ("reviewer", "blind", "decision", "reason", "note", "seconds", "time")
# A spreadsheet reads a text with one of these first as a formula. An apostrophe, which it hides, prevents that.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def head(judges: Sequence[str]) -> str:
    """Return the first line: the columns that are shown, those of each judge, and those to fill in."""
    of_judges = (f"{name} {member}" for name in judges for member in ("p_unsafe_before", "p_unsafe_after"))
    return _line([*_SHOWN, *_BOX, *of_judges, *FILLED_IN])


def line(pair: Listed, shown: Shown, images: Mapping[str, str], size: tuple[int, int], judges: Sequence[str]) -> str:
    """Return the line of a pair, to be filled in; arguments as in `label_studio.task`, and the names of all judges."""
    said = {each.name: each for each in pair.judgements}
    box = [f"{value:g}" for value in in_percent(shown.edit_box, size)] if shown.edit_box else [""] * len(_BOX)
    texts = (pair.pair_id, pair.category, images["left"], images["right"], shown.critical_feature, shown.instruction)
    figures = (_number(p) for name in judges for p in (said[name][1:] if name in said else (None, None)))
    return _line([*map(_plain, texts), *box, *figures, *[""] * len(FILLED_IN)])


def answers_in(text: str) -> Iterator[Answer]:
    """Read a filled-in table; additional columns are ignored.

    Raises:
        ForeignTextError: It is not a CSV file, or lacks the columns `pair_id` and `decision`.
    """
    empty = True
    for number, row in csv_rows(text):
        empty = False
        if lacking := {"pair_id", "decision"} - row.keys():
            raise ForeignTextError(f"has no column {min(lacking)!r}; expected the table that --export wrote, filled in")
        names = ("pair_id", "decision", "blind", "reason", "note", "reviewer", "time", "seconds")
        yield Answer(f"line {number}", *(row.get(name, "").strip() for name in names))
    if empty:
        raise ForeignTextError("has no row; expected the table that --export wrote, filled in")


def _line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def _plain(text: str) -> str:
    text = text.replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(p: float | None) -> str:
    return "" if p is None else f"{p:g}"
