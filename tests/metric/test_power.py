"""How many pairs it takes: the power of the exact test, against its enumeration and simulated groups."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, pairs_needed, power_table
from safetypairs_hf.metric.inference import sign_flip_p
from safetypairs_hf.metric.power import least_differing, minimum_detectable_difference, power_at

from .examples import SCORES, rows_of

LEVELS = [0.05, 0.01, 0.3, 0.0625, 1e-6]


def enumerated(n: int, difference: Fraction, discordance: Fraction, alpha: Fraction) -> Fraction:
    """The power over all ways in which n pairs fall: b to the better guard, c to the other, in whole numbers."""
    better, worse = (discordance + difference) / 2, (discordance - difference) / 2
    total = Fraction(0)
    for b in range(n + 1):
        for c in range(n - b + 1):
            m = b + c
            p = Fraction(2 * sum(math.comb(m, k) for k in range(min(b, c) + 1)), 2**m)
            if p <= alpha:
                ways = math.comb(n, m) * math.comb(m, b)
                total += ways * better**b * worse**c * (1 - discordance) ** (n - m)
    return total


@cache
def conditional(m: int, share: float, alpha: float) -> float:
    """The power given m discordant pairs, of which each goes to the better guard with probability `share`."""
    k = np.arange(m + 1)
    rejected = 2 * binom.cdf(np.minimum(k, m - k), m, 0.5) <= alpha
    return float(binom.pmf(k, m, share)[rejected].sum())


def summed(n: int, difference: float, discordance: float, alpha: float) -> float:
    """The same from scipy's binomial laws, in a loop over the number of discordant pairs."""
    share = (discordance + difference) / (2 * discordance)
    chances = enumerate(binom.pmf(np.arange(n + 1), n, discordance).tolist())
    return math.fsum(chance * conditional(m, share, alpha) for m, chance in chances if chance > 1e-14)


@pytest.mark.parametrize("alpha", [Fraction(1, 20), Fraction(1, 16), Fraction(3, 10)])
@pytest.mark.parametrize("n", [1, 5, 6, 9, 14])
def test_power_against_enumeration(n: int, alpha: Fraction) -> None:
    for discordance in (Fraction(1, 5), Fraction(7, 10), Fraction(1)):
        for part in (Fraction(1, 100), Fraction(1, 2), Fraction(1)):
            exact = enumerated(n, part * discordance, discordance, alpha)
            found = power_at(n, float(part * discordance), float(discordance), float(alpha))
            assert found == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("alpha", LEVELS)
@pytest.mark.parametrize("n", [40, 150])
def test_power_against_scipy(n: int, alpha: float) -> None:
    for discordance in (0.01, 0.2, 0.5, 0.9, 1.0):
        for part in (1e-6, 0.1, 0.4, 0.999, 1.0):
            found = power_at(n, part * discordance, discordance, alpha)
            assert found == pytest.approx(summed(n, part * discordance, discordance, alpha), abs=1e-10)


@pytest.mark.parametrize(("n", "difference", "discordance"), [(3000, 0.03, 0.3), (40_000, 0.004, 0.05)])
def test_power_of_many_pairs(n: int, difference: float, discordance: float) -> None:
    assert power_at(n, difference, discordance) == pytest.approx(summed(n, difference, discordance, 0.05), abs=1e-9)


def test_the_normal_law_takes_over_where_it_is_right() -> None:
    for difference in (1e-5, 0.0004, 0.0008):
        exact, normal = (power_at(n, difference, 0.5) for n in (19_999_900, 20_000_100))
        assert normal == pytest.approx(exact, abs=1e-4)
    n = pairs_needed(0.0001, 0.5)
    assert n > 10**8
    assert power_at(n, 0.0001, 0.5) >= 0.8 > power_at(n - 1, 0.0001, 0.5)
    smallest = minimum_detectable_difference(n // 2, n)
    assert smallest == pytest.approx(0.0001, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(
    ("difference", "discordance"), [(0.1, 0.1), (0.3, 0.5), (0.4, 0.9), (0.3, 0.97), (0.35, 1.0), (1.0, 1.0)]
)
def test_any_more_pairs_have_the_power_too(difference: float, discordance: float, alpha: float) -> None:
    for power in (0.5, 0.8, 0.95):
        n = pairs_needed(difference, discordance, alpha, power)
        assert summed(n - 1, difference, discordance, alpha) < power
        for more in range(n, n + 40):
            assert summed(more, difference, discordance, alpha) >= power


def test_by_hand() -> None:
    # All pairs go one way: 6 are needed, and 6 suffice.
    assert pairs_needed(1.0, 1.0) == 6
    assert power_at(6, 1.0, 1.0) == 1
    assert power_at(5, 1.0, 1.0) == 0
    assert power_at(7, 0.5, 0.5) == pytest.approx(8 / 2**7)
    # What Connor's normal formula gives, 155, has less power than it promises.
    assert pairs_needed(0.1, 0.2) == 168
    assert power_at(155, 0.1, 0.2) < 0.78
    assert [least_differing(alpha) for alpha in (0.05, 0.0625, 0.01, 0.5)] == [6, 5, 8, 2]


@pytest.mark.parametrize("n", [20, 170, 1510, 100_000])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.5), (0.2, 0.95)])
def test_the_detectable_difference_has_the_power(n: int, alpha: float, power: float) -> None:
    for share in (0.0004, 0.01, 0.1, 0.35, 0.8, 1.0):
        discordant = round(share * n)
        found = minimum_detectable_difference(discordant, n, alpha=alpha, power=power)
        if found is None:
            assert discordant == 0 or power_at(n, discordant / n, discordant / n, alpha) < power
        else:
            assert power_at(n, found, discordant / n, alpha) == pytest.approx(power, abs=1e-5)


@pytest.mark.parametrize(("discordant", "n"), [(0, 100), (5, 100), (2, 3), (7, 100)])
def test_nothing_is_detectable_with_few_discordant_pairs(discordant: int, n: int) -> None:
    assert minimum_detectable_difference(discordant, n) is None


def test_few_groups_that_differ_detect_nothing() -> None:
    assert minimum_detectable_difference(60, 100, 2.0, differing=6) is not None
    assert minimum_detectable_difference(60, 100, 2.0, differing=5) is None
    assert minimum_detectable_difference(60, 100, 100 / 5) is None
    assert power_at(100, 0.6, 0.6, design_effect=100 / 5) == 0


@pytest.mark.parametrize("copies", [1, 3])
def test_copied_pairs_have_the_very_power(copies: int) -> None:
    """Groups of copies of one pair, all ways in which they fall, through the test that `compare` reports."""
    n, better, worse = 15, 0.4, 0.1
    total = 0.0
    for b in range(n + 1):
        for c in range(n - b + 1):
            chance = math.comb(n, b) * math.comb(n - b, c) * better**b * worse**c * (1 - better - worse) ** (n - b - c)
            differences = np.repeat([copies, -copies, 0], [b, c, n - b - c])
            total += chance * (sign_flip_p(differences) < 0.05)
    assert power_at(copies * n, 0.3, 0.5, design_effect=copies) == pytest.approx(total, abs=1e-12)
    assert pairs_needed(0.3, 0.5, design_effect=copies) == copies * pairs_needed(0.3, 0.5)


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("correlation", [0.1, 0.5])
def test_groups_have_the_power_that_is_promised(size: int, correlation: float) -> None:
    """Each pair takes its group's common draw with probability sqrt(correlation), else one of its own."""
    difference, discordance, runs = 0.2, 0.4, 600
    shares = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    effect = 1 + (size - 1) * (correlation + (1 - correlation) * difference**2 / discordance)
    generator = np.random.default_rng(size)

    def had(pairs: int) -> float:
        groups = math.ceil(pairs / size)
        common = generator.choice([1, -1, 0], (runs, groups, 1), p=shares)
        own = generator.choice([1, -1, 0], (runs, groups, size), p=shares)
        taken = generator.random(own.shape) < math.sqrt(correlation)
        totals = np.where(taken, common, own).sum(axis=2)
        return float(np.mean([sign_flip_p(each) < 0.05 for each in totals]))

    error = math.sqrt(0.8 * 0.2 / runs)
    assert had(pairs_needed(difference, discordance, design_effect=effect)) >= 0.8 - 2 * error
    if correlation == 0.5:
        assert had(pairs_needed(difference, discordance)) < 0.8 - 2 * error


def test_table() -> None:
    table = power_table((0.02, 0.1), (0.05, 0.2))
    assert table.pairs == ((1035, 4016), (None, 168))
    assert json.loads(json.dumps(table.to_dict())) == table.to_dict()
    assert "-: a difference is no larger than the share of pairs on which the guards differ" in str(table)
    wide = power_table((0.02, 0.1), (0.05, 0.2), design_effect=1.5)
    assert wide.pairs[1] == (None, pairs_needed(0.1, 0.2, design_effect=1.5)) == (None, 252)


def test_table_of_two_guards() -> None:
    other = {**SCORES, "b": (0.8, 0.1), "e": (0.1, 0.2), "f": (0.9, 0.1)}
    seen = compare(rows_of(SCORES), rows_of(other))
    table = power_table(observed=seen)
    assert table.discordances == (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert (table.observed_pairs_needed, table.observed_detectable) == (pairs_needed(1 / 6, 3 / 6), None)
    assert max(map(len, str(table).splitlines())) <= 80
    assert f"Pairs needed, if that difference is the true one: {pairs_needed(1 / 6, 3 / 6)}" in str(table)
    assert "At most 3 pairs differ: too few for the test" in str(table)
    one = power_table(observed=compare(rows_of(SCORES), rows_of({**SCORES, "b": (0.8, 0.1)})))
    assert "At most 1 pair differs: too few for the test" in str(one)
    same = power_table(observed=compare(rows_of(SCORES), rows_of(SCORES)))
    assert "no difference to plan for" in str(same)


def test_table_of_two_guards_with_groups() -> None:
    generator = np.random.default_rng(1)
    right = generator.random((2, 60)) < [[0.8], [0.4]]

    def rows(each: Any, size: int) -> dict[str, Any]:
        verdicts = np.stack([each, np.zeros(60, dtype=bool)], 1).ravel()
        pair = np.repeat(np.arange(60), 2)
        return {"pair_id": pair, "reference": np.tile([1, 0], 60), "prediction": verdicts, "group": pair // size}

    seen = compare(*(rows(each, 3) for each in right))
    assert seen.design_effect > 1
    table = power_table(observed=seen)
    share = (seen.only_a_correct + seen.only_b_correct) / 60
    assert table.design_effect == seen.design_effect
    assert table.observed_pairs_needed == pairs_needed(abs(seen.difference), share, design_effect=seen.design_effect)
    assert table.observed_detectable == seen.minimum_detectable_difference
    assert "60 pairs in 20 groups" in str(table)
    assert ", in groups like these, if" in str(table)
    assert (
        power_table(observed=seen, design_effect=1.0).pairs
        == power_table((*table.differences,), (*table.discordances,)).pairs
    )
    few = power_table(observed=compare(*(rows(each, 15) for each in right)))
    assert few.observed_detectable is None
    assert "At most 4 groups differ: too few for the test" in str(few)
    assert max(map(len, f"{table}\n{few}".splitlines())) <= 80


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.2, 0.1), "difference=0.2: it is above 0 and at most 0.1, the discordance"),
        ((0.0, 0.1), "difference=0.0"),
        ((0.1, 1.5), "discordance=1.5: it is above 0 and at most 1"),
        ((float("nan"), 0.1), "difference=nan"),
        ((0.1, 0.2, 0), "alpha=0"),
        ((0.1, 0.2, 0.05, 1), "power=1"),
        ((0.1, 0.2, 0.05, 0.8, 0.5), "design_effect=0.5: it is 1 or more"),
        ((0.1, 0.2, 0.05, 0.8, float("nan")), "design_effect=nan"),
    ],
)
def test_numbers_out_of_range(given: tuple[float, ...], message: str) -> None:
    with pytest.raises(PairError, match=message):
        pairs_needed(*given)


def test_no_pairs() -> None:
    with pytest.raises(PairError, match="n_pairs=0: it is a whole number above 0"):
        power_at(0, 0.1, 0.2)
