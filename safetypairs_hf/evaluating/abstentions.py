"""Images without a verdict: the reasons, which of them can be asked again, and when there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError, counted, verb
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.core.tables import table
from safetypairs_hf.models.outage import FAILURES

NOT_COVERED, BROKEN_IMAGE = "not_covered", "broken_image"
# The server, the program or the image failed, so the guard gave no answer: `--retry failed` asks again.
FAILED = FAILURES | {"broken_output", BROKEN_IMAGE}
# Nothing readable as an answer was returned. If this happens from the start, the settings or the guard are wrong.
_UNREADABLE = FAILURES | {"broken_output", "no_verdict", "cut_off", "other_language"}
_SHOWN = 120  # characters of an answer in a message


@dataclass(frozen=True)
class Abstentions:
    """Images without a verdict.

    Attributes:
        notes: Their number by reason, without those of `not_covered`.
        not_covered: The number of images whose category the guard does not cover, by category.
        images: The number of all images, with or without a verdict.
        example: The first raw answer with the most frequent reason; "" if there is none.
    """

    notes: dict[str, int]
    not_covered: dict[str, int]
    images: int
    example: str

    def to_dict(self) -> dict[str, Any]:
        return {"notes": self.notes, "not_covered": self.not_covered}

    def warning(self, path: Path) -> str:
        """Return a warning for a file in which more than half of the images have no verdict; "" for any other."""
        covered = sum(self.not_covered.values())
        counts = {**self.notes, **({NOT_COVERED: covered} if covered else {})}
        without = sum(counts.values())
        if 2 * without <= self.images:
            return ""
        why = f"{without:,} of {counted(self.images, 'image')} {verb(without, 'has')} no verdict"
        why += f", and {verb(without, 'counts')} as wrong: {_listed(counts)}"
        if self.example:
            why += f"; the first {next(iter(self.notes))} was {_shown(self.example)}; all of them are in the column raw"
        return f"{why}; to ask again about failed images: --retry failed" if FAILED & set(self.notes) else why

    def __str__(self) -> str:
        """Return a table of at most 80 columns; "" without abstentions."""
        lines: list[list[Any]] = [[note, count, ""] for note, count in self.notes.items()]
        lines += [[NOT_COVERED, count, category] for category, count in self.not_covered.items()]
        return table("", ("abstained for", "images", "category"), lines) if lines else ""


def abstentions(path: Path) -> Abstentions:
    """Count the abstentions in a file that `evaluate` wrote, the most frequent reason first."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["score", "note", "category", "raw"]).to_pylist()
    without = [{**row, "note": row["note"] or "abstained"} for row in rows if row["score"] is None]
    notes = _sorted(row["note"] for row in without if row["note"] != NOT_COVERED)
    apart = _sorted(row["category"] for row in without if row["note"] == NOT_COVERED)
    first = next(iter(notes), None)
    example = next((row["raw"] for row in without if row["note"] == first and row["raw"]), "")
    return Abstentions(notes, apart, len(rows), example)


def refuse_unreadable(verdicts: Sequence[Verdict], guard: str, expects: str) -> bool:
    """Raise SafetyPairsError if a guard gave answers and none of them can be read.

    Args:
        verdicts: The guard's first verdicts.
        guard: Its name.
        expects: The expected form of an answer; see `Guard.expects`.

    Returns:
        Whether it gave any answer. It is not asked about categories that it does not cover or images that do not
        decode.
    """
    answers = [each for each in verdicts if each.note not in (NOT_COVERED, BROKEN_IMAGE)]
    if answers and all(each.p_unsafe is None and each.note in _UNREADABLE for each in answers):
        counts = _sorted(each.note for each in answers)
        came = next((each.raw for each in answers if each.raw), "")
        if next(iter(counts)) == "cut_off":
            expects += " (more tokens, with --set max_tokens=2048, if it reasons first)"
        raise SafetyPairsError(
            f"none of {guard}'s answers for the first {counted(len(answers), 'image')} can be read "
            f"({_listed(counts)}); the first was {_shown(came) if came else 'empty'}, expected {expects}; correct "
            "that and run the command again (no answer was kept), or continue with --unreadable warn"
        )
    return bool(answers)


def _sorted(names: Any) -> dict[str, int]:
    """Return the number of occurrences of each name, the most frequent first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {note}" for note, count in counts.items())


def _shown(raw: str) -> str:
    """Return a raw answer as one line, whatever it contains."""
    return repr(raw if len(raw) <= _SHOWN else f"{raw[: _SHOWN - 3]}...")
