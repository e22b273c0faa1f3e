"""`compare`: two guards on the same pairs, and the table of their comparison."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from safetypairs_hf.core.errors import PairError, counted
from safetypairs_hf.metric.align import shared_pairs
from safetypairs_hf.metric.figures import ComparisonFigures, Face, shown_in
from safetypairs_hf.metric.inference import Groups, Interval, Paired, difference_interval, sign_flip_p
from safetypairs_hf.metric.notebook import figures_frame, figures_html, results_html
from safetypairs_hf.metric.pairs import OUTCOMES, Pairs, Reading, digest_of, repeats_of
from safetypairs_hf.metric.power import minimum_detectable_difference
from safetypairs_hf.metric.ranking import auroc_difference
from safetypairs_hf.metric.score import ranks_of, scored, signature
from safetypairs_hf.metric.table_text import WIDTH, few_groups, figure_lines, pairs_in_groups, wrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Equivalence:
    """The result of a test for equivalence of two guards. It is true if they are equivalent.

    Attributes:
        margin: The largest difference in pair accuracy that is acceptable.
        difference: Pair accuracy of A minus that of B.
        interval: The 90% interval of the difference; each end is a one-sided test at 5%.
        non_inferior: A is worse than B by less than the margin.
        equivalent: The two differ by less than the margin (two one-sided tests: Schuirmann 1987).
    """

    margin: float
    difference: float
    interval: Interval
    non_inferior: bool
    equivalent: bool

    def __bool__(self) -> bool:
        return self.equivalent

    def __str__(self) -> str:
        found = "equivalent" if self.equivalent else "A not inferior to B" if self.non_inferior else "not shown"
        low, high = self.interval
        return f"within {self.margin:.4g}: {found} (two tests at 5%; 90% interval {low:.4f} to {high:.4f})"


@dataclass(frozen=True)
class PairComparison(ComparisonFigures):
    """Guard A against guard B on the same pairs. `print` gives a table, `to_dict` plain Python values.

    Intervals of differences are Newcombe's, and the test is exact; both account for groups (docs/metric.md).

    Attributes:
        difference_ci90: The 90% interval of `difference`.
        signature: Two comparisons are comparable if their signatures are equal.
        notes: What a reader of the figures should know before believing them.
    """

    difference_ci90: Interval
    signature: str
    notes: tuple[str, ...] = ()

    def equivalent(self, margin: float) -> Equivalence:
        """Test whether the two differ by less than `margin`, in pair accuracy.

        Args:
            margin: The largest difference that does not matter, above 0 and below 1.

        Returns:
            The result, with the 90% interval of the difference.

        Raises:
            PairError: The margin is out of range.
        """
        if isinstance(margin, bool) or not (isinstance(margin, int | float) and 0 < margin < 1):
            raise PairError(f"margin={margin!r}: it is a difference in pair accuracy, above 0 and below 1")
        low, high = self.difference_ci90
        return Equivalence(margin, self.difference, (low, high), low > -margin, -margin < low and high < margin)

    def __str__(self) -> str:
        return comparison_table(self)

    def _repr_html_(self) -> str:
        table = figures_html(self, shown_in(Face.TABLE, self))
        return results_html(_title(self), [table], [*_left_out(self), *_notes(self)], self.signature)

    def to_pandas(self) -> DataFrame:
        """Return the figures as a pandas table of one row.

        Raises:
            PairError: Pandas is not installed.
        """
        return figures_frame("comparison", {"A - B": self})


def compare(
    a: Any,
    b: Any,
    *,
    common: bool = False,
    threshold_from: Sequence[Any] | None = None,
    data: str | None = None,
    split: str | None = None,
    **reading: Unpack[Reading],
) -> PairComparison:
    """Compare two guards' predictions on the same pairs.

    Ids that are text for one guard and numbers for the other are matched as text. A guard may have several samples.

    Args:
        a: The first guard's rows or file, as `score` takes them.
        b: The second guard's rows or file.
        common: Compare on the shared pairs, and count the others, instead of refusing different pair sets.
        threshold_from: For each of the two, predictions on other pairs whose best threshold is used, or None.
        data: As in `score`.
        split: As in `score`.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `score`.

    Returns:
        The figures of both guards and of their difference.

    Raises:
        PairError: As `score` does; the pair sets differ; or a shared pair has another category or group for the other
            guard.
    """
    if threshold_from is not None and (isinstance(threshold_from, str | bytes) or len(threshold_from) != 2):
        raise PairError("threshold_from: give two, the predictions on train of the first guard and of the second")
    from_a, from_b = (None, None) if threshold_from is None else threshold_from
    all_a, all_b = repeats_of(a, threshold_from=from_a, **reading), repeats_of(b, threshold_from=from_b, **reading)
    pairs_a, pairs_b = all_a[0], all_b[0]
    rows_a, rows_b, group = shared_pairs(pairs_a, pairs_b, common=common, who="the second")
    outcome_a = np.stack([sample.outcome[rows_a] for sample in all_a])
    outcome_b = np.stack([sample.outcome[rows_b] for sample in all_b])
    of_outcome = {
        name: Paired.of(outcome_a == number, outcome_b == number, group) for number, name in enumerate(OUTCOMES)
    }
    paired = of_outcome["correct"]
    n = paired.pairs
    differences: dict[str, Any] = {}
    for name in OUTCOMES[1:]:
        differences[f"{name}_difference"] = of_outcome[name].difference
        differences[f"{name}_difference_ci"] = difference_interval(of_outcome[name])
    return PairComparison(
        n_pairs=n,
        n_groups=None if group is None else len(paired.sizes),
        pair_accuracy_a=paired.right_a / n,
        pair_accuracy_b=paired.right_b / n,
        **difference_figures(paired),
        difference_ci90=difference_interval(paired, tail=0.05),
        **differences,
        **_auroc_difference(all_a, all_b, rows_a, rows_b, group),
        left_out_a=len(pairs_a.rows) - n,
        left_out_b=len(pairs_b.rows) - n,
        n_incomplete_a=pairs_a.n_incomplete,
        n_incomplete_b=pairs_b.n_incomplete,
        signature=signature(
            n,
            (pairs_a, pairs_b),
            digest_of(pairs_a.texts("pair_id").take(rows_a)),
            data=data,
            split=split,
            samples=None if len(all_a) == len(all_b) == 1 else f"{len(all_a)},{len(all_b)}",
            ci="newcombe",
        ),
        notes=tuple(f"{who}: {note}" for who, pairs in (("A", pairs_a), ("B", pairs_b)) for note in pairs.notes),
    )


def _auroc_difference(
    a: Sequence[Pairs], b: Sequence[Pairs], rows_a: Numbers, rows_b: Numbers, group: Numbers | None
) -> dict[str, Any]:
    """Return the difference in AUROC over the pairs that both guards have scored, or None without such pairs."""
    scored_a, scored_b = scored(a), scored(b)
    if scored_a is None or scored_b is None:
        return {"auroc_difference": None, "auroc_difference_ci": None}
    kept = np.flatnonzero(scored_a[rows_a] & scored_b[rows_b])
    if not len(kept):
        return {"auroc_difference": None, "auroc_difference_ci": None}
    groups = Groups.of(None if group is None else group[kept], len(kept))
    difference, ends = auroc_difference(ranks_of(a, rows_a[kept]), ranks_of(b, rows_b[kept]), groups)
    return {"auroc_difference": difference, "auroc_difference_ci": ends}


def difference_figures(paired: Paired) -> dict[str, Any]:
    """Compute the figures that `PairComparison` and `Contest` share, by name."""
    discordant = paired.only_a + paired.only_b
    # The variance of the sum of D_g under random signs, divided by the variance with each pair as its own group.
    effect = max(1.0, paired.squares / discordant) if discordant else 1.0
    return {
        "difference": paired.difference,
        "difference_ci": difference_interval(paired),
        "only_a_correct": paired.only_a,
        "only_b_correct": paired.only_b,
        "p_value": sign_flip_p(paired.totals),
        "design_effect": effect,
        "minimum_detectable_difference": minimum_detectable_difference(
            discordant, paired.pairs, effect, differing=int(np.count_nonzero(paired.totals))
        ),
    }


def comparison_table(comparison: PairComparison) -> str:
    """Return the table of two guards."""
    lines = [_title(comparison), "", *figure_lines(comparison, shown_in(Face.TABLE, comparison))]
    lines += _left_out(comparison)
    for note in _notes(comparison):
        lines += textwrap.wrap(note, WIDTH)
    return "\n".join([*lines, "", *wrapped(comparison.signature)])


def _title(c: PairComparison) -> str:
    return f"Two guards on the same {pairs_in_groups(c.n_pairs, c.n_groups)}"


def _left_out(c: PairComparison) -> list[str]:
    lines = []
    for name, left_out, incomplete in (
        ("A", c.left_out_a, c.n_incomplete_a),
        ("B", c.left_out_b, c.n_incomplete_b),
    ):
        if left_out:
            lines.append(f"{counted(left_out, 'pair')} of {name} left out, not in the other")
        if incomplete:
            lines.append(f"{counted(incomplete, 'incomplete pair')} of {name} left out")
    return lines


def _notes(c: PairComparison) -> list[str]:
    few = few_groups(c.n_groups)
    return [*([few] if few else []), *(f"Note: {note}" for note in c.notes)]
