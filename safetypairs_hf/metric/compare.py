"""`compare`: two guards on the same pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from safetypairs_hf.metric.align import refuse_unequal, shared_rows
from safetypairs_hf.metric.inference import Z_95, bootstrap, group_sums, mcnemar_p
from safetypairs_hf.metric.pairs import pairs_of
from safetypairs_hf.metric.score import signature
from safetypairs_hf.metric.table_text import counted, interval, line, wrapped

Z_POWER = 0.8416212335729143  # 80% point of the normal law


@dataclass(frozen=True)
class PairComparison:
    """Guard `a` against guard `b` on the same `n_pairs`. `print` gives a table.

    `difference`: pair accuracy of a minus that of b, in [-1, 1], with a 95% paired bootstrap interval over groups
    (over pairs where no group was given; `n_groups` is then None). `only_a_correct`, `only_b_correct`: the discordant
    pairs; `mcnemar_p` is exact and two-sided. `minimum_detectable_difference`: two-sided 5%, power 80%, at the
    observed discordance; None where so few pairs are discordant that no difference could be detected.
    `left_out_a`, `left_out_b`: pairs that only one of the two holds, left out by `common=True`.
    """

    n_pairs: int
    n_groups: int | None
    pair_accuracy_a: float
    pair_accuracy_b: float
    difference: float
    difference_ci: tuple[float, float]
    only_a_correct: int
    only_b_correct: int
    mcnemar_p: float
    minimum_detectable_difference: float | None
    left_out_a: int
    left_out_b: int
    n_incomplete_a: int
    n_incomplete_b: int
    signature: str

    def to_dict(self) -> dict[str, Any]:
        """The figures by name, in plain Python values that JSON takes."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

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
    """Two guards' predictions on the same pairs; `a`, `b` and the other arguments as in `score`.

    `common`: compare on the pairs that both hold, and count the rest. Ids that are text in the one and numbers in the
    other are matched as text. Raises PairError as `score` does, and where the pair sets differ, or a shared pair has
    another category or group in the other.
    """
    pairs_a = pairs_of(a, threshold=threshold, incomplete=incomplete)
    pairs_b = pairs_of(b, threshold=threshold, incomplete=incomplete)
    rows_a, rows_b = shared_rows(pairs_a, pairs_b, common=common)
    ids = pairs_a.texts("pair_id").take(rows_a)
    for name in ("category", "group"):
        of_a, of_b = pairs_a.texts(name), pairs_b.texts(name)
        if of_a is not None and of_b is not None:
            refuse_unequal(name, ids, of_a.take(rows_a), of_b.take(rows_b), "the second")
    right_a, right_b = pairs_a.correct[rows_a], pairs_b.correct[rows_b]
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n = len(rows_a)
    group, gain = pairs_a.group[rows_a] if pairs_a.group is not None else None, right_a.astype(np.int64) - right_b
    if group is None and pairs_b.group is not None:
        group = pairs_b.group[rows_b]
    side_by_side = np.arange(n) if group is None else np.argsort(group, kind="stable")
    totals, sizes = group_sums(side_by_side if group is None else group[side_by_side], gain[side_by_side])
    return PairComparison(
        n_pairs=n,
        n_groups=None if group is None else len(sizes),
        pair_accuracy_a=int(right_a.sum()) / n,
        pair_accuracy_b=int(right_b.sum()) / n,
        difference=(only_a - only_b) / n,
        difference_ci=bootstrap(totals, sizes),
        only_a_correct=only_a,
        only_b_correct=only_b,
        mcnemar_p=mcnemar_p(only_a, only_b),
        minimum_detectable_difference=minimum_detectable_difference(only_a + only_b, n),
        left_out_a=len(pairs_a.rows) - n,
        left_out_b=len(pairs_b.rows) - n,
        n_incomplete_a=pairs_a.n_incomplete,
        n_incomplete_b=pairs_b.n_incomplete,
        signature=signature(n, threshold, (pairs_a, pairs_b), data=data, split=split),
    )


def minimum_detectable_difference(discordant: int, n: int) -> float | None:
    """The smallest difference of two paired shares that a two-sided 5% McNemar test finds with power 80%.

    Connor (1987), Biometrics 43, gives n = (z_a sqrt(d) + z_b sqrt(d - x^2))^2 / x^2 for a difference x at a share d
    of discordant pairs; this is that equation solved for x. A difference cannot exceed d, so None where x would.
    """
    if n < Z_95**2 - Z_POWER**2:
        return None
    share = discordant / n
    root = Z_POWER * math.sqrt(n + Z_POWER**2 - Z_95**2)
    difference = math.sqrt(share) * (math.sqrt(n) * Z_95 + root) / (n + Z_POWER**2)
    return difference if discordant and difference <= share else None


def comparison_table(comparison: PairComparison) -> str:
    """The table of two guards."""
    c = comparison
    groups = "" if c.n_groups is None else f" in {counted(c.n_groups, 'group')}"
    only_a, only_b = counted(c.only_a_correct, "pair"), counted(c.only_b_correct, "pair")
    detectable = c.minimum_detectable_difference
    lines = [
        f"Two guards on the same {counted(c.n_pairs, 'pair')}{groups}",
        "",
        line("pair accuracy of A", c.pair_accuracy_a, f"right on {only_a} where B is wrong"),
        line("pair accuracy of B", c.pair_accuracy_b, f"right on {only_b} where A is wrong"),
        line("difference, A - B", c.difference, interval(c.difference_ci)),
        f"{'McNemar p':<22}{c.mcnemar_p:>8.4g}   exact, two-sided",
        line("detectable difference", detectable, "at 5% two-sided, power 80%")
        if detectable is not None
        else f"{'detectable difference':<22}{'none':>8}   too few pairs on which A and B differ",
    ]
    for name, left_out, incomplete in (
        ("A", c.left_out_a, c.n_incomplete_a),
        ("B", c.left_out_b, c.n_incomplete_b),
    ):
        if left_out:
            lines.append(f"{counted(left_out, 'pair')} of {name} left out, not in the other")
        if incomplete:
            lines.append(f"{counted(incomplete, 'incomplete pair')} of {name} left out")
    return "\n".join([*lines, "", *wrapped(c.signature)])
