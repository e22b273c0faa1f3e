"""What a guard covers: its figures on the categories that it judges, and how it was asked, from its predictions."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from safetypairs_hf.core.errors import counted, verb
from safetypairs_hf.evaluating.abstentions import NOT_COVERED
from safetypairs_hf.evaluating.prediction_file import read_run, told_by

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading
    from safetypairs_hf.metric.score import PairScore

_WIDTH = 80
_FIDELITY = {
    "trained": "Asked as it was trained (fidelity: trained).",
    "common": "Asked by the policy text of the data, as any guard can be (fidelity: common).",
}


@dataclass(frozen=True)
class Covered:
    """The figures of a guard on the categories that it covers, and the categories that it does not."""

    score: PairScore
    categories: tuple[str, ...]
    not_covered: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "categories": list(self.categories),
            "not_covered": list(self.not_covered),
            **self.score.to_dict(),
        }

    def __str__(self) -> str:
        low, high = self.score.pair_accuracy_ci
        count = len(self.categories) + len(self.not_covered)
        return (
            f"It covers {len(self.categories)} of {counted(count, 'category')} (not {', '.join(self.not_covered)}). "
            f"On these, {counted(self.score.n_pairs, 'pair')}: pair accuracy {self.score.pair_accuracy:.3f} "
            f"[{low:.3f}, {high:.3f}], image accuracy {self.score.image_accuracy:.3f}. The figures above count what "
            "it does not cover as wrong."
        )


def covered_by(path: str | Path, **reading: Unpack[Reading]) -> Covered | None:
    """Score a file of `evaluate` on the categories that its guard covers.

    Args:
        path: The file.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The figures; None if the guard covers all categories or none, or if `evaluate` did not write the file.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from safetypairs_hf.metric.rows import abstentions_written
    from safetypairs_hf.metric.score import score

    if read_run(path) is None:
        return None
    table = pq.read_table(path)
    left_out = pc.equal(table["note"], NOT_COVERED)
    some = set(table.filter(left_out)["category"].to_pylist())
    judged = set(table.filter(pc.invert(left_out))["category"].to_pylist())
    if not judged or not some - judged:
        return None
    kept = table.filter(pc.is_in(table["category"], pa.array(sorted(judged))))
    columns = abstentions_written({name: kept[name] for name in kept.column_names})
    return Covered(score(columns, **reading, **told_by(path)), tuple(sorted(judged)), tuple(sorted(some - judged)))


def remarks(path: str | Path, **reading: Unpack[Reading]) -> list[str]:
    """Describe how the guard of a file was asked, what it covers, and whether its scores are probabilities.

    Args:
        path: The file.
        **reading: As in `covered_by`.

    Returns:
        Paragraphs for a terminal of 80 columns; none if `evaluate` did not write the file.
    """
    import pyarrow.parquet as pq

    run = read_run(path)
    if run is None:
        return []
    found = [_FIDELITY[run["guard"]["fidelity"]]] if run["guard"]["fidelity"] in _FIDELITY else []
    scores = [value for value in pq.read_table(path, columns=["score"])["score"].to_pylist() if value is not None]
    bare = sum(value in (0.0, 1.0) for value in scores)
    if bare:
        found.append(
            f"{bare:,} of {counted(len(scores), 'score')} {verb(bare, 'is')} exactly 0 or 1 (yes or no answers, or "
            "clipped scores), so figures that need no threshold say little."
        )
    covered = covered_by(path, **reading)
    return ["\n".join(textwrap.wrap(text, _WIDTH)) for text in [*found, *([str(covered)] if covered else [])]]
