"""Exact tails, intervals and the detectable difference."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetypairs_hf.metric.compare import minimum_detectable_difference
from safetypairs_hf.metric.inference import bootstrap, mcnemar_p, relative_consistency, wilson

from .reference import consistency


@given(st.integers(1, 60), st.data())
@settings(max_examples=200, deadline=None)
def test_relative_consistency_equals_fractions(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    k = data.draw(st.integers(2 * correct, n + correct))
    assert relative_consistency(correct, k, n) == pytest.approx(
        float(consistency(correct, k, n)), rel=1e-12, abs=1e-300
    )


@pytest.mark.parametrize(("correct", "k"), [(562_000, 1_500_000), (562_600, 1_500_000), (563_100, 1_500_000)])
def test_relative_consistency_at_a_million_pairs(correct: int, k: int) -> None:
    """Against the same sum in integers of 2,000 bits: each term from its neighbour by the exact ratio."""
    n = 1_000_000
    one = 1 << 2000
    terms, j = {}, 562_500
    terms[j] = one
    while terms[j] and j < min(k // 2, 575_000):
        terms[j + 1] = terms[j] * (k - 2 * j) * (k - 2 * j - 1) // (4 * (j + 1) * (n - k + j + 1))
        j += 1
    j = 562_500
    while j > 550_000:
        terms[j - 1] = terms[j] * (4 * j * (n - k + j)) // ((k - 2 * j + 2) * (k - 2 * j + 1))
        j -= 1
    exact = Fraction(sum(term for j, term in terms.items() if j <= correct), sum(terms.values()))
    assert relative_consistency(correct, k, n) == pytest.approx(float(exact), rel=1e-10)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_equals_fractions(b: int, c: int) -> None:
    tail = Fraction(sum(comb(b + c, j) for j in range(min(b, c) + 1)), 2 ** (b + c))
    assert mcnemar_p(b, c) == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-12)


def test_mcnemar_at_a_million_discordant_pairs() -> None:
    assert mcnemar_p(500_000, 500_000) == 1.0
    assert mcnemar_p(0, 1_000_000) == 0.0
    # Normal approximation with continuity correction, good to about 1e-5 here: z = 1.999 * ...
    from statistics import NormalDist

    z = (501_000 - 499_000 - 1) / 1000
    assert mcnemar_p(499_000, 501_000) == pytest.approx(2 * NormalDist().cdf(-z), rel=1e-5)


def test_wilson() -> None:
    assert wilson(2, 6) == pytest.approx((0.09677141110578041, 0.700006684861608), abs=1e-12)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(0, 10)[1] == pytest.approx(0.2775327998628892, abs=1e-12)


def test_bootstrap_has_the_law_of_drawing_groups() -> None:
    """Against groups drawn one by one with another generator: the ends agree within sampling error."""
    totals, sizes = np.array([0, 1, 1, 2, 3, 0, 1] * 30), np.array([1, 1, 2, 2, 3, 2, 3] * 30)
    generator = np.random.default_rng(7)
    drawn = generator.integers(0, len(totals), (20_000, len(totals)))
    figures = totals[drawn].sum(1) / sizes[drawn].sum(1)
    assert bootstrap(totals, sizes) == pytest.approx(tuple(np.quantile(figures, (0.025, 0.975))), abs=0.006)


def test_bootstrap_of_many_kinds_of_groups_is_the_same_in_any_order() -> None:
    sizes = np.arange(1, 3000) ** 2
    totals = sizes // 3 - 50
    assert bootstrap(totals, sizes) == bootstrap(totals[::-1], sizes[::-1])
    assert bootstrap(np.array([2]), np.array([4])) == (0.5, 0.5)


def test_minimum_detectable_difference_solves_connors_equation() -> None:
    n, discordant = 1000, 200
    found = minimum_detectable_difference(discordant, n)
    assert found is not None
    share, a, b = discordant / n, 1.959963984540054, 0.8416212335729143
    needed = (a * share**0.5 + b * (share - found**2) ** 0.5) ** 2 / found**2
    assert needed == pytest.approx(n, rel=1e-12)
    assert found == pytest.approx(0.0395, abs=2e-4)


@pytest.mark.parametrize(("discordant", "n"), [(0, 100), (5, 100), (2, 3)])
def test_nothing_is_detectable_with_few_discordant_pairs(discordant: int, n: int) -> None:
    assert minimum_detectable_difference(discordant, n) is None
