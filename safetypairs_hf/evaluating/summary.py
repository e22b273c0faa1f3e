"""Why a guard abstained, counted: by reason, and what it does not cover by category."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetypairs_hf.tables import table

NOT_COVERED = "not_covered"


@dataclass(frozen=True)
class Abstentions:
    """Images without a verdict: `notes` counts them by reason, `not_covered` apart from those, by category."""

    notes: dict[str, int]
    not_covered: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        """A table of at most 80 columns; "" where there was no abstention."""
        lines: list[list[Any]] = [[note, count, ""] for note, count in self.notes.items()]
        lines += [[NOT_COVERED, count, category] for category, count in self.not_covered.items()]
        return table("", ("abstained for", "images", "category"), lines) if lines else ""


def abstentions(path: Path) -> Abstentions:
    """The counts of a file that `evaluate` wrote, the most frequent reason first."""
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["score", "note", "category"]).to_pylist()
    without = [row for row in rows if row["score"] is None]
    notes = Counter(row["note"] or "abstained" for row in without if row["note"] != NOT_COVERED)
    apart = Counter(row["category"] for row in without if row["note"] == NOT_COVERED)
    return Abstentions(*(dict(sorted(each.items(), key=lambda item: (-item[1], item[0]))) for each in (notes, apart)))
