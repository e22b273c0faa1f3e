"""`compare`: two guards on the same pairs, and the table of their comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.metric.align import shared_pairs
from safetypairs_hf.metric.figures import ComparisonFigures, Face, shown_in
from safetypairs_hf.metric.inference import Z_95, Paired, difference_interval, sign_flip_p
from safetypairs_hf.metric.pairs import pairs_of
from safetypairs_hf.metric.score import signature
from safetypairs_hf.metric.table_text import counted, few_groups, figure_lines, pairs_in_groups, wrapped

Z_POWER = 0.8416212335729143  # 80% point of the normal law


@dataclass(frozen=True)
class PairComparison(ComparisonFigures):
    """Guard A against guard B on the same pairs. `print` gives a table, `to_dict` plain Python values.

    The interval of the difference is Newcombe's, and the test is exact; both know groups (docs/evaluating.md).

    Attributes:
        signature: Two comparisons are comparable where their signatures are equal.
    """

    signature: str

    def __str__(self) -> str:
        return comparison_table(self)


def compare(
    a: Any,
    b: Any,
    *,
    common: bool = False,
    threshold: float = 0.5,
    incomplete: str = "error",
    data: str | None = None,
    split: str | None = None,
) -> PairComparison:
    """Compare two guards' predictions on the same pairs.

    Ids that are text for one guard and numbers for the other are matched as text.

    Args:
        a: The first guard's rows or file, as `score` takes them.
        b: The second guard's rows or file.
        common: Compare on the pairs that both hold, and count the others, instead of refusing different pair sets.
        threshold, incomplete, data, split: As in `score`.

    Returns:
        The figures of both guards and of their difference.

    Raises:
        PairError: As `score` does; the pair sets differ; or a shared pair has another category or group for the other
            guard.
    """
    pairs_a = pairs_of(a, threshold=threshold, incomplete=incomplete)
    pairs_b = pairs_of(b, threshold=threshold, incomplete=incomplete)
    rows_a, rows_b, group = shared_pairs(pairs_a, pairs_b, common=common, who="the second")
    right_a, right_b = pairs_a.correct[rows_a], pairs_b.correct[rows_b]
    paired = Paired.of(right_a, right_b, group)
    n = paired.pairs
    return PairComparison(
        n_pairs=n,
        n_groups=None if group is None else len(paired.sizes),
        pair_accuracy_a=paired.right_a / n,
        pair_accuracy_b=paired.right_b / n,
        **difference_figures(paired),
        left_out_a=len(pairs_a.rows) - n,
        left_out_b=len(pairs_b.rows) - n,
        n_incomplete_a=pairs_a.n_incomplete,
        n_incomplete_b=pairs_b.n_incomplete,
        signature=signature(n, threshold, (pairs_a, pairs_b), data=data, split=split, ci="newcombe"),
    )


def difference_figures(paired: Paired) -> dict[str, Any]:
    """Compute the figures that `PairComparison` and `Contest` share, by name."""
    discordant = paired.only_a + paired.only_b
    # The variance of the sum of D_g under random signs, over that with each pair on its own.
    effect = max(1.0, int(paired.totals @ paired.totals) / discordant) if discordant else 1.0
    return {
        "difference": paired.difference,
        "difference_ci": difference_interval(paired),
        "only_a_correct": paired.only_a,
        "only_b_correct": paired.only_b,
        "p_value": sign_flip_p(paired.totals),
        "design_effect": effect,
        "minimum_detectable_difference": minimum_detectable_difference(discordant, paired.pairs, effect),
    }


def minimum_detectable_difference(discordant: int, n: int, design_effect: float = 1.0) -> float | None:
    """Return the smallest difference of two paired shares that a two-sided 5% test finds with power 80%.

    Connor (1987), Biometrics 43, gives n = (z_a sqrt(d) + z_b sqrt(d - x^2))^2 / x^2 for a difference x at a share d
    of discordant pairs. This is that equation solved for x. A difference cannot exceed d, so where x would, the result
    is None.

    Args:
        discordant: Pairs that only one of the two guards has right.
        n: All pairs.
        design_effect: How many pairs say as much as one would on its own, 1 or more.
    """
    size, share = n / design_effect, discordant / n
    if size < Z_95**2 - Z_POWER**2:
        return None
    root = Z_POWER * math.sqrt(size + Z_POWER**2 - Z_95**2)
    difference = math.sqrt(share) * (math.sqrt(size) * Z_95 + root) / (size + Z_POWER**2)
    return difference if discordant and difference <= share else None


def comparison_table(comparison: PairComparison) -> str:
    """Return the table of two guards."""
    c = comparison
    lines = [f"Two guards on the same {pairs_in_groups(c.n_pairs, c.n_groups)}", ""]
    lines += figure_lines(c, shown_in(Face.TABLE, c))
    for name, left_out, incomplete in (
        ("A", c.left_out_a, c.n_incomplete_a),
        ("B", c.left_out_b, c.n_incomplete_b),
    ):
        if left_out:
            lines.append(f"{counted(left_out, 'pair')} of {name} left out, not in the other")
        if incomplete:
            lines.append(f"{counted(incomplete, 'incomplete pair')} of {name} left out")
    if note := few_groups(c.n_groups):
        lines.append(note)
    return "\n".join([*lines, "", *wrapped(c.signature)])
