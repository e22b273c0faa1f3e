"""The number of pairs needed to detect a difference between two guards with the exact test of `compare`.

The test is McNemar's exact test if each pair is its own group. Of n pairs, D ~ Bin(n, d) are discordant, with d the
share of pairs that only one guard gets right. Of these, B ~ Bin(D, q) favour the better guard, with q = (d + x) / (2 d)
for a true difference x. Given D the test rejects outside c(D) < B < D - c(D), c the largest number with 2 P(Bin(D, 1/2)
<= c) <= alpha. Its power is the sum over D of P(D) P(B <= c(D) or B >= D - c(D)), computed to about 12 digits without a
normal approximation, except above 10 million discordant pairs (Duffy 1984, Biometrics 40, has this sum).

A design effect e makes n pairs count as floor(n / e) units, as if each unit were e copies of one pair. That is exact
for groups of e copied pairs. Otherwise groups are larger than e, the variance of the difference is less than assumed,
and the power is higher: `benchmarks/power.py` finds no setting with less power than promised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.metric.notebook import text_html, values_frame
from safetypairs_hf.metric.table_text import pairs_in_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from safetypairs_hf.metric.figures import ComparisonFigures

DIFFERENCES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)

_EXACT = 1e7  # expected discordant units; above, the normal approximation is used, with an error of about 1e-4
_REACH = 8  # standard deviations of a binomial that are summed; the tails beyond are below 1e-14


@dataclass(frozen=True)
class PowerTable:
    """Pairs needed for each difference (a row) at each share of discordant pairs (a column). `print` gives a table.

    Attributes:
        differences: The differences in pair accuracy.
        discordances: The shares of discordant pairs.
        alpha: The level of the two-sided exact test.
        power: The probability of finding the difference.
        design_effect: How many pairs of a group carry as much information as one independent pair.
        pairs: A row of whole numbers for each difference; None if it is larger than the discordance, which is
            impossible.
        observed: The comparison of two guards that `power_table` was given; its discordance is one of the columns.
        observed_pairs_needed: Pairs needed to detect the difference of these two; None if they do not differ.
        observed_detectable: The smallest difference that their pairs can detect; None if they can detect none.
    """

    differences: tuple[float, ...]
    discordances: tuple[float, ...]
    alpha: float
    power: float
    design_effect: float
    pairs: tuple[tuple[int | None, ...], ...]
    observed: ComparisonFigures | None
    observed_pairs_needed: int | None
    observed_detectable: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the table by name, as plain Python values that JSON takes."""
        return {
            **vars(self),
            "differences": list(self.differences),
            "discordances": list(self.discordances),
            "pairs": [list(row) for row in self.pairs],
            "observed": None if self.observed is None else self.observed.to_dict(),
        }

    def __str__(self) -> str:
        wide = max(9, min(11, 68 // max(1, len(self.discordances))))  # within 80 columns for up to seven shares
        alone = self.design_effect == 1
        lines = [
            f"Pairs needed to see a difference in pair accuracy, two-sided {self.alpha:.4g}, power {self.power:.4g}",
            f"by the exact test of compare, design effect {self.design_effect:.4g}{': as pairs on their own' * alone}",
            "",
            f"{'':<13}share of pairs on which only one of the two guards is right",
            f"{'difference':<12}" + "".join(f"{share:>{wide}.4g}" for share in self.discordances),
        ]
        for difference, row in zip(self.differences, self.pairs, strict=True):
            shown = "".join(f"{'-' if n is None else f'{n:,}':>{wide}}" for n in row)
            lines.append(f"{difference:<12.4g}{shown}")
        lines.append("")
        if any(n is None for row in self.pairs for n in row):
            lines.append("-: a difference is no larger than the share of pairs on which the guards differ")
        fewest = least_differing(self.alpha)
        lines.append(f"Fewer than {fewest} pairs (or groups) that differ never give p <= {self.alpha:.4g}")
        if self.observed is not None:
            lines += ["", *self._observed_lines(self.observed)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return text_html(str(self))

    def to_pandas(self) -> DataFrame:
        """Return the table as a pandas table: a row for each difference, a column for each share of discordant pairs.

        Raises:
            PairError: Pandas is not installed.
        """
        return values_frame(self.pairs, self.differences, self.discordances, "difference")

    def _observed_lines(self, seen: ComparisonFigures) -> list[str]:
        pairs = counted(seen.n_pairs, "pair")
        lines = [
            f"The two guards given: {pairs_in_groups(seen.n_pairs, seen.n_groups)}",
            f"Discordance {discordance_of(seen):.4g}, difference {seen.difference:+.4g}, "
            f"design effect {seen.design_effect:.4g}",
        ]
        differing = _most_differing(seen)
        if not differing:
            return [*lines, "They are right on the same pairs, so there is no difference to plan for."]
        if differing < least_differing(self.alpha):
            # Without groups these are pairs. With few groups, more pairs may differ.
            what = "pair" if seen.n_groups is None or seen.n_groups > differing else "group"
            most = f"At most {counted(differing, what)} {verb(differing, 'differs')}"
            lines.append(f"{most}: too few for the test, whatever they show.")
        alike = "" if seen.n_groups is None else ", in groups like these"
        if self.observed_pairs_needed is not None:
            lines.append(f"Pairs needed{alike}, if that difference is the true one: {self.observed_pairs_needed:,}")
        smallest = "none" if self.observed_detectable is None else f"{self.observed_detectable:.4g}"
        return [*lines, f"Smallest difference that {pairs} like these show with that power: {smallest}"]


def power_at(
    n_pairs: int, difference: float, discordance: float, alpha: float = 0.05, design_effect: float = 1.0
) -> float:
    """Return the probability that the exact two-sided test of `compare` finds a true difference.

    Args:
        n_pairs: Pairs that both guards judge, 1 or more.
        difference: The true difference of the two pair accuracies, in (0, discordance].
        discordance: The share of pairs on which only one of the two is right, in (0, 1].
        alpha: The level of the test, in (0, 1).
        design_effect: How many pairs of a group carry as much information as one independent pair, 1 or more; `compare`
            reports it.

    Returns:
        A probability in [0, 1]. It is 0 if the pairs divided by the design effect are fewer than the test needs to
        reach `alpha`: 6 for 0.05.

    Raises:
        PairError: A number is outside its range.
    """
    _check(difference, discordance, alpha, design_effect)
    if n_pairs < 1:
        raise PairError(f"n_pairs={n_pairs!r}: it is a whole number above 0")
    return _power(_units(n_pairs, design_effect), difference, discordance, alpha)


def pairs_needed(
    difference: float, discordance: float, alpha: float = 0.05, power: float = 0.8, design_effect: float = 1.0
) -> int:
    """Return the number of pairs from which the test of `compare` detects `difference` with probability `power`.

    The power of an exact test is a saw-tooth in the number of discordant pairs. Their number varies, which smooths it,
    unless nearly all pairs are discordant. So the result is the smallest n such that n pairs and any larger number of
    pairs have at least that power.

    Args:
        difference: As in `power_at`.
        discordance: As in `power_at`.
        power: The probability of detecting the difference, in (0, 1).
        alpha: As in `power_at`.
        design_effect: As in `power_at`.

    Raises:
        PairError: A number is outside its range.
    """
    _check(difference, discordance, alpha, design_effect)
    _between_0_and_1("power", power)
    units = _units_needed(difference, discordance, alpha, power)
    return max(1, math.ceil(units * design_effect - 1e-9))


def minimum_detectable_difference(
    discordant: float,
    n: int,
    design_effect: float = 1.0,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    differing: int | None = None,
) -> float | None:
    """Return the smallest true difference that the exact test of `compare` finds with probability `power`.

    It is `power_at` solved for the difference, at the observed share of discordant pairs.

    Args:
        discordant: Pairs that only one of the two guards gets right; a mean if there are repeats.
        n: All pairs.
        design_effect: As in `power_at`.
        alpha: The level of the test, in (0, 1).
        power: In (0, 1).
        differing: The number of groups whose difference is not 0; by default that of discordant pairs.

    Returns:
        A difference in (0, discordant / n]. None if no difference up to that share is detected with this power, or if
        fewer groups differ than the test needs to reach `alpha`: 6 for 0.05.
    """
    if (discordant if differing is None else differing) < least_differing(alpha):
        return None
    return _detectable(_units(n, design_effect), discordant / n, alpha, power)


def power_table(
    differences: Sequence[float] = DIFFERENCES,
    discordances: Sequence[float] = DISCORDANCES,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float | None = None,
    observed: ComparisonFigures | None = None,
) -> PowerTable:
    """Compute `pairs_needed` for each difference and discordance.

    Args:
        differences: Differences in pair accuracy, each above 0.
        discordances: Shares of discordant pairs, in (0, 1].
        alpha: As in `pairs_needed`.
        power: As in `pairs_needed`.
        design_effect: As in `pairs_needed`; by default that of `observed`, or 1.
        observed: A comparison of two guards, such as one that will be repeated on more pairs. Its share of discordant
            pairs becomes an additional column.

    Returns:
        The table.

    Raises:
        PairError: A number is outside its range.
    """
    for difference in differences:
        if not 0 < difference <= 1:
            raise PairError(f"difference={difference}: it is above 0 and at most 1, such as 0.03")
    shares = [*discordances]
    effect = design_effect if design_effect is not None else 1.0 if observed is None else observed.design_effect
    needed = detectable = None
    if observed is not None and (seen := discordance_of(observed)):
        shares.append(seen)
        discordant = observed.only_a_correct + observed.only_b_correct
        if observed.difference:
            needed = pairs_needed(abs(observed.difference), seen, alpha, power, effect)
        detectable = minimum_detectable_difference(
            discordant, observed.n_pairs, effect, alpha=alpha, power=power, differing=_most_differing(observed)
        )
    columns = tuple(sorted(set(shares)))
    rows = tuple(
        tuple(pairs_needed(x, share, alpha, power, effect) if x <= share else None for share in columns)
        for x in differences
    )
    return PowerTable(tuple(differences), columns, alpha, power, effect, rows, observed, needed, detectable)


def discordance_of(comparison: ComparisonFigures) -> float:
    """Return the share of pairs on which only one of the two guards is right, in [0, 1]."""
    return (comparison.only_a_correct + comparison.only_b_correct) / comparison.n_pairs


def _most_differing(comparison: ComparisonFigures) -> int:
    """Return an upper bound on the number of groups that differ: the discordant pairs, or all groups."""
    discordant = math.ceil(comparison.only_a_correct + comparison.only_b_correct)
    return discordant if comparison.n_groups is None else min(discordant, comparison.n_groups)


def least_differing(alpha: float) -> int:
    """Return the number of differing groups needed for p <= alpha: 2^(1 - g) <= alpha. It is 6 for 0.05."""
    return math.ceil(1 - math.log2(alpha) - 1e-9)


@lru_cache(maxsize=4096)
def _detectable(units: int, discordance: float, alpha: float, power: float) -> float | None:
    """Solve the power for the difference by Newton's method within a bracket, starting from the normal approximation.

    The normal quantile of the power is nearly linear in the difference, so a step from 0.001 off ends within 1e-5.
    """
    start = _normal_difference(units, discordance, alpha, power) if units else 0.0
    if units * discordance > _EXACT:
        return start if start <= discordance else None
    law = _ExactPower.of(units, discordance, alpha)
    if law.reached < power:  # not even if all discordant pairs favour one guard
        return None
    normal = NormalDist()
    goal = normal.inv_cdf(power)
    low, high, at = 0.0, discordance, min(max(start, 0.0), discordance)
    while high - low > 1e-12:
        found, slope = law.at(at)
        low, high = (at, high) if found < power else (low, at)
        step = -1.0
        if slope > 0 and 0 < found < 1:
            point = normal.inv_cdf(found)
            step = at + (goal - point) * normal.pdf(point) / slope
        if low <= step <= high and abs(power - found) < 0.001:
            return step
        at = step if low < step < high else (low + high) / 2
    return high


@lru_cache(maxsize=4096)
def _units_needed(difference: float, discordance: float, alpha: float, power: float) -> int:
    def enough(units: int) -> bool:
        return _power(units, difference, discordance, alpha) >= power

    z_alpha, z_power = _points(alpha, power)
    root = z_alpha * math.sqrt(discordance) + z_power * math.sqrt(discordance - difference**2)
    low = high = max(1, round(((root + math.sqrt(root**2 + 4 * difference)) / (2 * difference)) ** 2))
    step = math.ceil(0.1 / difference)
    while not enough(high):
        low, high, step = high, high + step, 2 * step
    while low > 0 and enough(low):
        low, high, step = max(0, low - step), low, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # With a share of at most 1/2, or at least about 40 concordant pairs, the power only grows with the pairs.
    if discordance > 0.5 and high * (1 - discordance) < 40:
        # The teeth are about 1.4 sqrt(units) wide at the crossing, or 4 / difference.
        last = high + 20 + math.ceil(6 / difference)
        high = next((units + 1 for units in range(last, high, -1) if not enough(units)), high)
    return high


def _power(units: int, difference: float, discordance: float, alpha: float) -> float:
    if units < least_differing(alpha):
        return 0.0
    if units * discordance > _EXACT:
        return _normal_power(units, difference, discordance, alpha)
    return min(1.0, max(0.0, _ExactPower.of(units, discordance, alpha).at(difference)[0]))


def _normal_power(units: int, difference: float, discordance: float, alpha: float) -> float:
    """Return the power by the normal approximation with a continuity correction of one pair (after Connor 1987).

    It is P(Z <= (n x - 1 - z_a sqrt(n d)) / sqrt(n (d - x^2))), plus the same for -x (Biometrics 43).
    """
    excess = units * difference - 1 - _points(alpha, 0.5)[0] * math.sqrt(units * discordance)
    spread = math.sqrt(units * (discordance - difference**2))
    if not spread:
        return float(excess >= 0)
    other = excess - 2 * units * difference  # the tail that favours the worse guard
    return NormalDist().cdf(excess / spread) + NormalDist().cdf(other / spread)


def _normal_difference(units: int, discordance: float, alpha: float, power: float) -> float:
    """Return the difference x at which the first term of `_normal_power` is `power`, a root of a quadratic equation."""
    n = units
    z_alpha, z_power = _points(alpha, power)
    limit = 1 + z_alpha * math.sqrt(n * discordance)
    inside = z_power**2 * (n * n * discordance + z_power**2 * n * discordance - limit**2)
    root = math.copysign(math.sqrt(max(0.0, inside) * n), z_power)
    return (n * limit + root) / (n * n + z_power**2 * n)


class _Terms(NamedTuple):
    """Terms exp(l) u^i v^j of two probabilities u and v: (k,) arrays l, i and j."""

    logs: NDArray[np.float64]
    i: NDArray[np.float64]
    j: NDArray[np.float64]

    def weighted(self, weights: NDArray[np.float64], u: float, v: float) -> tuple[float, float]:
        """Return the sum of the first terms with these weights, and its derivative as u grows and v falls."""
        k = len(weights)
        i, j = self.i[:k], self.j[:k]
        found = np.exp(self.logs[:k] + i * math.log(u) + j * math.log(v)) * weights
        return float(found.sum()), float(found @ i) / u - float(found @ j) / v


class _Tails(NamedTuple):
    """The terms of the tails P(Bin(m, q) <= c(m)) of the exact test, for m from `first`, for any q.

    The tail at `first` is a plain sum over k. From m to m + 1 it changes by one term, a multiple of P(Bin(m, q) =
    c(m)): by the factor -q if c stays, and q (m - c) / (c + 1) if c grows by 1.

    Attributes:
        first: The least m.
        gain: (n,) the factors -1 or (m - c) / (c + 1) for m = first, first + 1, ...
        against: The terms of the tail that favours the worse guard, u = q, q >= 1/2: those at `first`, then the steps.
        toward: The same for the tail that favours the better guard, u = 1 - q. Its terms at `first` are those above c.
            The tail is 1 minus these, so that it is accurate when it is close to 1.
    """

    first: int
    gain: NDArray[np.float64]
    against: _Terms
    toward: _Terms


@lru_cache(maxsize=64)
def _tails(alpha: float, first: int, length: int) -> _Tails:
    """Return the tails for `length` values of m from `first`, which is at least `least_differing(alpha)`."""
    level = alpha / 2 * (1 + 1e-9)
    lowest, law = _binomial(first, 0.5, math.sqrt(-2 * math.log(alpha)))
    below = np.cumsum(law)
    place = int(np.searchsorted(below, level, side="right")) - 1
    c, tail, chance = lowest + place, float(below[place]), float(law[place])
    critical, gain, grown = np.empty(length), np.empty(length), np.empty(length)
    for n in range(length):
        m = first + n
        critical[n] = c
        more = (m - c) / (c + 1)
        if tail + chance * more / 2 <= level:
            gain[n], grown[n] = more, (m + 1) / (c + 1)
            tail += chance * more / 2
            c += 1
        else:
            gain[n], grown[n] = -1.0, (m + 1) / (m + 1 - c)
            tail -= chance / 2
        chance *= grown[n] / 2
    c = int(critical[0])
    log_ways = math.lgamma(first + 1) - math.lgamma(c + 1) - math.lgamma(first - c + 1)
    steps = (log_ways + np.cumsum(np.log(grown)) - np.log(grown), critical + 1, first + np.arange(length) - critical)
    reach = math.ceil(_REACH * math.sqrt(first))
    k = np.arange(max(0, c - reach), min(first, c + reach) + 1)
    ways = np.append(0.0, np.cumsum(np.log((first - k[:-1]) / (k[:-1] + 1))))
    ways += log_ways - ways[c - k[0]]

    def terms(part: NDArray[np.bool_]) -> _Terms:
        start = (ways[part], k[part], first - k[part])
        return _Terms(*(np.concatenate(each) for each in zip(start, steps, strict=True)))

    return _Tails(first, gain, terms(k <= c), terms(k > c))


class _ExactPower(NamedTuple):
    """The power of McNemar's exact test as a function of the difference, for a number of units and a discordance.

    It is the sum over D of P(D) times both tails. A step of the tails at m counts for all larger D, so its weight is
    P(D > m), and the terms at the least m have the weight `reached`.

    Attributes:
        discordance: The share of discordant units.
        reached: P(D >= least_differing), the power if all discordant units favour one guard.
        tails: Both tails.
        steps: (n,) the weights of the steps.
    """

    discordance: float
    reached: float
    tails: _Tails
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, units: int, discordance: float, alpha: float) -> _ExactPower:
        least = least_differing(alpha)
        low, law = _binomial(units, discordance)
        if low < least:
            low, law = least, law[least - low :]
        block = max(256, 1 << len(law).bit_length())  # few distinct sizes, so that the cache is used
        tails = _tails(alpha, max(least, low // block * block), 2 * block)
        at_least = np.cumsum(law[::-1])[::-1]
        reached = float(at_least[0]) if len(law) else 0.0
        above = np.concatenate((np.full(low - tails.first, reached), at_least[1:]))
        return cls(discordance, reached, tails, tails.gain[: len(above)] * above)

    def at(self, difference: float) -> tuple[float, float]:
        """Return the power at a difference in [0, discordance], and its slope (0 at the end, where q is 1)."""
        q = (self.discordance + difference) / (2 * self.discordance)
        if q >= 1:
            return self.reached, 0.0
        against, fall = self._tail(self.tails.against, self.reached, q, 1 - q)
        toward, rise = self._tail(self.tails.toward, -self.reached, 1 - q, q)
        return self.reached + against + toward, (fall - rise) / (2 * self.discordance)

    def _tail(self, terms: _Terms, start: float, u: float, v: float) -> tuple[float, float]:
        at_first = np.full(len(terms.logs) - len(self.tails.gain), start)
        return terms.weighted(np.concatenate((at_first, self.steps)), u, v)


def _binomial(n: int, p: float, more: float = 0.0) -> tuple[int, NDArray[np.float64]]:
    """Return the probabilities of Bin(n, p) near its mean: the least k, and P(k), P(k + 1)...

    The range is `_REACH` + `more` standard deviations to either side.
    """
    if p >= 1:
        return n, np.ones(1)
    reach = (_REACH + more) * (math.sqrt(n * p * (1 - p)) + 1)
    low, high = max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach))
    k = np.arange(low, high)
    logs = np.append(0.0, np.cumsum(np.log((n - k) / (k + 1) * (p / (1 - p)))))
    law = np.exp(logs - logs.max())
    return low, law / law.sum()


def _units(n_pairs: int, design_effect: float) -> int:
    return math.floor(n_pairs / design_effect + 1e-9)


def _points(alpha: float, power: float) -> tuple[float, float]:
    """Return the quantiles of the normal distribution for a two-sided level and a power."""
    return NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)


def _check(difference: float, discordance: float, alpha: float, design_effect: float) -> None:
    if not 0 < discordance <= 1:
        raise PairError(f"discordance={discordance!r}: it is above 0 and at most 1")
    if not 0 < difference <= discordance:
        raise PairError(
            f"difference={difference!r}: it is above 0 and at most {discordance!r}, the discordance: two guards differ "
            "by no more than the pairs on which they differ"
        )
    _between_0_and_1("alpha", alpha)
    if not 1 <= design_effect < math.inf:
        raise PairError(f"design_effect={design_effect!r}: it is 1 or more")


def _between_0_and_1(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise PairError(f"{name}={value!r}: it is a number between 0 and 1")
