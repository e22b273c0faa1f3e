"""How many pairs it takes to see a difference between two guards, by Connor's formula for paired shares, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import PairError

if TYPE_CHECKING:
    from safetypairs_hf.metric.compare import PairComparison

DIFFERENCES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True)
class PowerTable:
    """Pairs needed for each difference (a row) at each share of discordant pairs (a column). `print` gives a table.

    Attributes:
        differences: The differences in pair accuracy.
        discordances: The shares of discordant pairs.
        alpha: The level of the two-sided test.
        power: The probability of seeing the difference.
        pairs: A row of whole numbers for each difference; None where it is larger than the discordance, which is
            impossible.
        observed: Two guards whose discordance is one of the columns, where `power_table` was given them.
    """

    differences: tuple[float, ...]
    discordances: tuple[float, ...]
    alpha: float
    power: float
    pairs: tuple[tuple[int | None, ...], ...]
    observed: PairComparison | None

    def to_dict(self) -> dict[str, Any]:
        """Return the table by name, as plain Python values that JSON takes."""
        return {
            "differences": list(self.differences),
            "discordances": list(self.discordances),
            "alpha": self.alpha,
            "power": self.power,
            "pairs": [list(row) for row in self.pairs],
            "observed": None if self.observed is None else self.observed.to_dict(),
        }

    def __str__(self) -> str:
        wide = max(9, min(11, 68 // max(1, len(self.discordances))))  # 80 columns up to seven shares
        lines = [
            f"Pairs needed to see a difference in pair accuracy, two-sided {self.alpha:.4g}, power {self.power:.4g}",
            "",
            f"{'':<13}share of pairs on which only one of the two guards is right",
            f"{'difference':<12}" + "".join(f"{share:>{wide}.4g}" for share in self.discordances),
        ]
        for difference, row in zip(self.differences, self.pairs, strict=True):
            shown = "".join(f"{'-' if n is None else f'{n:,}':>{wide}}" for n in row)
            lines.append(f"{difference:<12.4g}{shown}")
        if self.observed is not None:
            lines += ["", *_observed(self.observed, self.alpha, self.power)]
        return "\n".join(lines)


def pairs_needed(
    difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> int:
    """Return how many pairs the two-sided test of `compare` needs to find `difference` with probability `power`.

    Connor (1987), Biometrics 43: n = (z_a sqrt(d) + z_b sqrt(d - x^2))^2 / x^2, rounded up. The formula is for the test
    without a continuity correction: where few pairs are discordant, the exact test of `compare` needs some more.

    Args:
        difference: The difference of the two pair accuracies, in (0, discordance].
        discordance: The share of pairs on which only one of the two is right, in (0, 1].
        alpha: The level of the test, in (0, 1).
        power: In (0, 1).
        design_effect: How many pairs of a group say as much as one pair on its own, 1 or more, as `compare` gives it.

    Raises:
        PairError: A number is outside its range.
    """
    _in_range("discordance", discordance, 1.0)
    _in_range("difference", difference, discordance)
    if not design_effect >= 1:
        raise PairError(f"design_effect={design_effect!r}: it is 1 or more")
    z_alpha, z_power = _points(alpha, power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(discordance - difference**2)
    # What is a whole number but for rounding is not rounded up to the next.
    return max(1, math.ceil(design_effect * max(root, 0.0) ** 2 / difference**2 - 1e-9))


def power_at(n_pairs: int, difference: float, discordance: float, alpha: float = 0.05) -> float:
    """Return the probability, in [0, 1], that `n_pairs` show `difference`: `pairs_needed` solved for its power."""
    from statistics import NormalDist

    _in_range("discordance", discordance, 1.0)
    _in_range("difference", difference, discordance)
    if n_pairs < 1:
        raise PairError(f"n_pairs={n_pairs!r}: it is a whole number above 0")
    z_alpha, _ = _points(alpha, 0.5)
    excess = difference * math.sqrt(n_pairs) - z_alpha * math.sqrt(discordance)
    spread = math.sqrt(discordance - difference**2)
    return NormalDist().cdf(excess / spread) if spread else float(excess >= 0)


def power_table(
    differences: Sequence[float] = DIFFERENCES,
    discordances: Sequence[float] = DISCORDANCES,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    observed: PairComparison | None = None,
) -> PowerTable:
    """Compute `pairs_needed` for each difference and discordance.

    Args:
        differences: Differences in pair accuracy, each above 0.
        discordances: Shares of discordant pairs, in (0, 1].
        alpha: As in `pairs_needed`.
        power: As in `pairs_needed`.
        observed: A comparison of two guards, such as one that is to be repeated on more pairs. Its share of discordant
            pairs becomes one more column.

    Raises:
        PairError: A number is outside its range.
    """
    shares = [*discordances]
    if observed is not None and (seen := discordance_of(observed)):
        shares.append(seen)
    columns = tuple(sorted(set(shares)))
    rows = tuple(
        tuple(pairs_needed(x, share, alpha, power) if x <= share else None for share in columns) for x in differences
    )
    return PowerTable(tuple(differences), columns, alpha, power, rows, observed)


def discordance_of(comparison: PairComparison) -> float:
    """Return the share of pairs on which only one of the two guards is right, in [0, 1]."""
    return (comparison.only_a_correct + comparison.only_b_correct) / comparison.n_pairs


def _observed(seen: PairComparison, alpha: float, power: float) -> list[str]:
    share = discordance_of(seen)
    lines = [
        f"The two guards given: {seen.n_pairs:,} pairs, discordance {share:.4g}, difference {seen.difference:+.4g}"
    ]
    if not share:
        return [*lines, "They are right on the same pairs, so there is no difference to plan for."]
    if seen.difference:
        needed = pairs_needed(abs(seen.difference), share, alpha, power, seen.design_effect)
        alike = "" if seen.n_groups is None else ", in groups like these,"
        lines.append(f"If that difference is the true one, it takes {needed:,} pairs{alike} to see it.")
    smallest = seen.minimum_detectable_difference
    told = "none" if smallest is None else f"{smallest:.4g}"
    return [*lines, f"Smallest difference that these {seen.n_pairs:,} pairs show at 5%, power 80%: {told}"]


def _points(alpha: float, power: float) -> tuple[float, float]:
    """Return the points of the normal law for a two-sided level and a power."""
    from statistics import NormalDist

    for name, value in (("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise PairError(f"{name}={value!r}: it is a number between 0 and 1")
    return NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)


def _in_range(name: str, value: float, most: float) -> None:
    if not 0 < value <= most:
        limit = "the discordance: two guards differ by no more than the pairs on which they differ"
        raise PairError(
            f"{name}={value!r}: it is above 0 and at most {f'{most!r}, ' + limit if name == 'difference' else 1}"
        )
