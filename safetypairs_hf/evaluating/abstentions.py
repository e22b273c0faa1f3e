"""Images without a verdict: why, which of them failed and may be asked again, and when there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.core.tables import table
from safetypairs_hf.models.outage import FAILURES

NOT_COVERED, BROKEN_IMAGE = "not_covered", "broken_image"
# The server, the program or the image failed, so the guard has not had its say: `--retry failed` asks again.
FAILED = FAILURES | {"broken_output", BROKEN_IMAGE}
# Nothing that can be read as an answer came: where it is so from the start, the settings or the guard are wrong.
_UNREADABLE = FAILURES | {"broken_output", "no_verdict", "cut_off", "other_language"}
_SHOWN = 120  # characters of an answer in a message


@dataclass(frozen=True)
class Abstentions:
    """Images without a verdict: `notes` counts them by reason, `not_covered` apart from those, by category.

    `images`: how many there are in all, with or without a verdict. `example`: the first raw answer that came with the
    most frequent of `notes`; "" where none did.
    """

    notes: dict[str, int]
    not_covered: dict[str, int]
    images: int
    example: str

    def to_dict(self) -> dict[str, Any]:
        return {"notes": self.notes, "not_covered": self.not_covered}

    def warning(self, path: Path) -> str:
        """A line for a file with no verdict for more than half of its images; "" for any other."""
        covered = sum(self.not_covered.values())
        counts = {**self.notes, **({NOT_COVERED: covered} if covered else {})}
        without = sum(counts.values())
        if 2 * without <= self.images:
            return ""
        why = f"{without:,} of {self.images:,} images have no verdict, and count as wrong: {_counted(counts)}"
        if self.example:
            why += f"; the first {next(iter(self.notes))} was {_shown(self.example)}, and column raw has them all"
        return f"{why}; to ask again what failed: --retry failed" if FAILED & set(self.notes) else why

    def __str__(self) -> str:
        """A table of at most 80 columns; "" where there was no abstention."""
        lines: list[list[Any]] = [[note, count, ""] for note, count in self.notes.items()]
        lines += [[NOT_COVERED, count, category] for category, count in self.not_covered.items()]
        return table("", ("abstained for", "images", "category"), lines) if lines else ""


def abstentions(path: Path) -> Abstentions:
    """The counts of a file that `evaluate` wrote, the most frequent reason first."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["score", "note", "category", "raw"]).to_pylist()
    without = [{**row, "note": row["note"] or "abstained"} for row in rows if row["score"] is None]
    notes = _sorted(row["note"] for row in without if row["note"] != NOT_COVERED)
    apart = _sorted(row["category"] for row in without if row["note"] == NOT_COVERED)
    first = next(iter(notes), None)
    example = next((row["raw"] for row in without if row["note"] == first and row["raw"]), "")
    return Abstentions(notes, apart, len(rows), example)


def refuse_unreadable(verdicts: Sequence[Verdict], guard: str, expects: str) -> bool:
    """Raise SafetyPairsError where a guard has answered, and not one of its answers can be read.

    Args:
        verdicts: the guard's first verdicts.
        guard: its name.
        expects: see `Guard.expects`.

    Returns:
        Whether it has answered at all: it was not asked about what it does not cover, or what does not decode.
    """
    answers = [each for each in verdicts if each.note not in (NOT_COVERED, BROKEN_IMAGE)]
    if answers and all(each.p_unsafe is None and each.note in _UNREADABLE for each in answers):
        counts = _sorted(each.note for each in answers)
        came = next((each.raw for each in answers if each.raw), "")
        if next(iter(counts)) == "cut_off":
            expects += " (more tokens, by --set max_tokens=2048, where it reasons first)"
        raise SafetyPairsError(
            f"{guard} gave nothing that can be read for the first {len(answers)} images ({_counted(counts)}); what "
            f"came was {_shown(came) if came else 'empty'}, expected {expects}; mend that and run the command again "
            "(nothing of this was kept), or go on with --unreadable warn"
        )
    return bool(answers)


def _sorted(names: Any) -> dict[str, int]:
    """How often each name comes, the most frequent first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {note}" for note, count in counts.items())


def _shown(raw: str) -> str:
    """A raw answer in a line, whatever it holds."""
    return repr(raw if len(raw) <= _SHOWN else f"{raw[: _SHOWN - 3]}...")
