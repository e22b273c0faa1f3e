"""Intervals and tests, against loops over all signs, scipy, exact fractions, and the examples of the definition."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safetypairs_hf.metric.inference import (
    Clusters,
    Groups,
    Interval,
    Moments,
    Paired,
    difference_interval,
    mcnemar_p,
    relative_consistency,
    share_interval,
    sign_flip_p,
    t_point,
    weighted_mean,
    wilson,
)

from .reference import clustered_wilson, consistency, newcombe


@given(st.integers(1, 60), st.data())
@settings(max_examples=200)
def test_relative_consistency_equals_fractions(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    k = data.draw(st.integers(2 * correct, n + correct))
    if k in (0, 2 * n):
        assert relative_consistency(correct, k, n) is None
        return
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


def shares(hits: list[int], sizes: list[int]) -> Interval:
    return share_interval(Moments.of(np.array(hits), np.array(sizes)))


@pytest.mark.parametrize(
    ("hits", "sizes", "ends"),
    [
        ([0] * 157, [1] * 157, (0, 0.0239)),
        ([20], [20], (0.2065, 1)),
        ([10], [20], (0.0546, 0.9454)),
        ([0] * 10, [10] * 10, (0, 0.3545)),
        ([1] + [0] * 9, [10] * 10, (0.0002, 0.3295)),
        ([2, 0, 1, 3], [2, 3, 1, 4], (0.1279, 0.9388)),
    ],
)
def test_the_examples_of_the_definition(hits: list[int], sizes: list[int], ends: Interval) -> None:
    assert shares(hits, sizes) == pytest.approx(ends, abs=5e-5)
    assert shares(hits[::-1], sizes[::-1]) == shares(hits, sizes)


groups_of_hits = st.lists(
    st.integers(1, 6).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size))), min_size=2, max_size=30
)


@given(groups_of_hits)
def test_a_share_against_the_definition_group_by_group(groups: list[tuple[int, int]]) -> None:
    found = shares([hits for hits, _ in groups], [size for _, size in groups])
    assert found == pytest.approx(clustered_wilson(groups), abs=1e-9)
    assert found[0] < found[1]
    # The same from the pairs one by one, counted by outcome.
    group = np.repeat(np.arange(len(groups)) * 3, [size for _, size in groups])
    outcome = np.concatenate([np.arange(size) < hits for hits, size in groups]).astype(np.int64)
    assert (
        share_interval(Clusters.of(outcome[None], 2, Groups.of(group, len(group))).moments(np.array([0, 1]))) == found
    )


@pytest.mark.parametrize("most", [1, 3, 300, 5_000])  # 5,000 pairs take more bits than one whole number has for nine
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("kinds", [2, 9])  # two fit into small numbers, whose running sum wraps around
def test_outcomes_of_groups_against_counts_group_by_group(most: int, samples: int, kinds: int) -> None:
    generator = np.random.default_rng(most)
    sizes = np.append(generator.integers(1, most + 1, 40), most)
    group, outcome = np.repeat(np.arange(41), sizes), generator.integers(9 - kinds, 9, (samples, sizes.sum()))
    outcome[:, group < 20] = 7
    found = Clusters.of(outcome.astype(np.int8), 9, Groups.of(group, len(group)))
    cells = np.array(
        [[[np.sum(of_sample[group == at] == kind) for kind in range(9)] for of_sample in outcome] for at in range(41)]
    )
    assert found.counts.tolist() == cells.sum(axis=(0, 1)).tolist()
    assert found.uniform.tolist() == (cells == sizes[:, None, None]).sum(axis=(0, 1)).tolist()
    whole = cells.sum(axis=1)
    assert found.products.tolist() == (whole.T @ whole).tolist()


def test_groups_of_one_pair_and_no_groups_are_wilsons() -> None:
    outcome = np.array([0, 1, 1, 0, 1])
    alone = Clusters.of(outcome[None], 2, Groups.of(np.arange(5), 5)).moments(np.array([0, 1]))
    assert alone == Clusters.of(outcome[None], 2, Groups.of(None, 5)).moments(np.array([0, 1]))
    assert share_interval(alone) == wilson(0.6, 5)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_equals_scipys(hits: int, n: int) -> None:
    hits = min(hits, n)
    peer = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((peer.low, peer.high), abs=1e-12)


def test_wilson_touches_the_ends() -> None:
    assert wilson(2 / 6, 6) == pytest.approx((0.09677141110578041, 0.700006684861608), abs=1e-12)
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == 1.0


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 29, 30, 156, 754, 10_000, 1_000_000, 50_000_000])
def test_t_equals_scipys(freedom: int) -> None:
    for tail in (0.025, 0.05):
        assert t_point(freedom, tail) == pytest.approx(stats.t.ppf(1 - tail, freedom), rel=1e-9)


def test_the_mean_of_independent_shares() -> None:
    # Lower: 0.5 - sqrt(0.1^2 + 0.2^2) / 2; upper: 0.5 + sqrt(0.3^2 + 0.1^2) / 2.
    assert weighted_mean([0.3, 0.7], [(0.2, 0.6), (0.5, 0.8)], [2, 2])[1] == pytest.approx(
        (0.5 - 0.05**0.5 / 2, 0.5 + 0.1**0.5 / 2), abs=1e-12
    )
    assert weighted_mean([0.3], [(0.2, 0.6)], [0.1])[1] == pytest.approx((0.2, 0.6), abs=1e-15)
    # Three times the weight: 0.6; lower sqrt(0.025^2 + 0.15^2), upper sqrt(0.075^2 + 0.075^2).
    mean, ends = weighted_mean([0.3, 0.7], [(0.2, 0.6), (0.5, 0.8)], [1, 3])
    assert mean == pytest.approx(0.6, abs=1e-15)
    assert ends == pytest.approx((0.6 - 0.023125**0.5, 0.6 + 0.01125**0.5), abs=1e-12)


def paired(cells: list[tuple[int, int, int, int]]) -> Paired:
    """Groups given as (both, only the first, only the second, neither)."""
    table = np.array(cells)
    both, only_a, only_b, neither = (int(count) for count in table.sum(axis=0))
    pairs = both + only_a + only_b + neither
    return Paired(both, both + only_a, both + only_b, pairs, table[:, 1] - table[:, 2], table.sum(axis=1))


def test_a_difference_of_equal_guards_has_a_width() -> None:
    assert difference_interval(paired([(1, 0, 0, 0), (0, 0, 0, 1)] * 10)) == pytest.approx((-0.0898, 0.0898), abs=5e-5)


def test_newcombes_own_example() -> None:
    """Newcombe 1998, table III: a = 36, b = 12, c = 2, d = 0 of 50 pairs, method 10."""
    single = [(1, 0, 0, 0)] * 36 + [(0, 1, 0, 0)] * 12 + [(0, 0, 1, 0)] * 2
    assert difference_interval(paired(single)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4).filter(any), min_size=2, max_size=20))
def test_a_difference_against_the_definition_group_by_group(cells: list[tuple[int, int, int, int]]) -> None:
    low, high = difference_interval(paired(cells))
    assert (low, high) == pytest.approx(newcombe(cells), abs=1e-9)
    assert difference_interval(paired(cells), tail=0.05) == pytest.approx(newcombe(cells, level=0.9), abs=1e-9)
    assert low < high
    other = difference_interval(paired([(both, b, a, neither) for both, a, b, neither in cells]))
    assert other == pytest.approx((-high, -low), abs=1e-12)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=12))
@settings(max_examples=200)
def test_sign_flip_equals_all_signs(totals: list[int]) -> None:
    observed = abs(sum(totals))
    signs = list(product((1, -1), repeat=len(totals)))
    as_far = sum(abs(sum(s * d for s, d in zip(sign, totals, strict=True))) >= observed for sign in signs)
    assert sign_flip_p(np.array(totals)) == pytest.approx(as_far / len(signs), rel=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9))
def test_sign_flip_of_single_pairs_is_mcnemars(only_a: int, only_b: int, same: int) -> None:
    totals = np.repeat([1, -1, 0], [only_a, only_b, same + 1])
    peer = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert sign_flip_p(totals) == pytest.approx(peer, rel=1e-9)
    # Groups that are copied k times say no more than one of each.
    assert sign_flip_p(totals * 3) == sign_flip_p(totals)


def test_sign_flip_of_many_groups_against_an_exact_convolution() -> None:
    totals = np.repeat([3, 2, 1, -1, -2, -3], [60, 150, 300, 200, 100, 40])
    law: dict[int, int] = {0: 1}
    for size in np.abs(totals).tolist():
        moved: dict[int, int] = {}
        for at, ways in law.items():
            moved[at + size] = moved.get(at + size, 0) + ways
            moved[at - size] = moved.get(at - size, 0) + ways
        law = moved
    observed = int(totals.sum())
    exact = Fraction(sum(ways for at, ways in law.items() if abs(at) >= observed), 2 ** len(totals))
    assert 0 < exact < Fraction(1, 10**6)
    assert sign_flip_p(totals) == pytest.approx(float(exact), rel=1e-9)


def test_fewer_than_six_groups_never_reach_five_percent() -> None:
    assert sign_flip_p(np.array([9, 9, 9, 9, 9])) == pytest.approx(2 / 2**5)
    assert sign_flip_p(np.array([9, 9, 9, 9, 9, 9])) == pytest.approx(2 / 2**6)
    assert sign_flip_p(np.array([9, 8, 7, 6, 5, 1])) == pytest.approx(2 / 2**6)
