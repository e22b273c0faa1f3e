"""The slow references of AUROC, ranking and equivalence, against other ways to the same number."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from .reference import (
    clustered_mean,
    equivalence,
    logit_interval,
    newcombe,
    obuchowski,
    obuchowski_difference,
    obuchowski_images,
)

SEEDS = range(20)


def drawn(seed: int) -> tuple[list[float], list[float], list[int]]:
    """Scores with ties of pairs in groups of 1 to 4 that hang together."""
    generator = np.random.default_rng(seed)
    group = np.repeat(np.arange(12), generator.integers(1, 5, 12))
    shift = generator.normal(0, 0.7, 12)[group]
    unsafe, safe = shift + generator.normal(0.8, 1, len(group)), shift + generator.normal(0, 1, len(group))
    return np.round(unsafe, 1).tolist(), np.round(safe, 1).tolist(), group.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_images_on_their_own_have_delongs_variance(seed: int) -> None:
    """By midranks (Sun and Xu 2014, IEEE Signal Processing Letters 21), and the sample variance of components."""
    unsafe, safe, _ = drawn(seed)
    m, n = len(unsafe), len(safe)
    together = stats.rankdata([*unsafe, *safe])
    v10 = (together[:m] - stats.rankdata(unsafe)) / n
    v01 = 1 - (together[m:] - stats.rankdata(safe)) / m
    area, variance = obuchowski_images(unsafe, safe, [f"u{at}" for at in range(m)], [f"s{at}" for at in range(n)])
    assert area == pytest.approx(v10.mean(), abs=1e-12)
    assert variance == pytest.approx(v10.var(ddof=1) / m + v01.var(ddof=1) / n, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_clustered_area_is_a_mean_of_both_components(seed: int) -> None:
    """Where each group has as many unsafe images as safe ones, it is the variance of V10 + V01 summed by group."""
    unsafe, safe, group = drawn(seed)
    m = len(unsafe)
    wins = np.sign(np.subtract.outer(unsafe, safe)) / 2 + 0.5
    area, variance = obuchowski(unsafe, safe, group)
    mean, of_mean = clustered_mean((wins.mean(axis=1) + wins.mean(axis=0)).tolist(), group)
    assert (area, variance) == pytest.approx((mean / 2, of_mean), abs=1e-12)
    assert area == pytest.approx(stats.mannwhitneyu(unsafe, safe).statistic / m**2, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_variance_of_a_difference_is_that_of_the_components_differences(seed: int) -> None:
    unsafe, safe, group = drawn(seed)
    generator = np.random.default_rng(seed + 1000)
    other_unsafe = np.round(unsafe + generator.normal(0, 0.5, len(group)), 1).tolist()
    other_safe = np.round(safe + generator.normal(0, 0.5, len(group)), 1).tolist()
    components = []
    for u, s in ((unsafe, safe), (other_unsafe, other_safe)):
        wins = np.sign(np.subtract.outer(u, s)) / 2 + 0.5
        components.append(wins.mean(axis=1) + wins.mean(axis=0))
    mean, of_mean = clustered_mean((components[0] - components[1]).tolist(), group)
    assert obuchowski_difference(unsafe, safe, other_unsafe, other_safe, group) == pytest.approx(
        (mean / 2, of_mean), abs=1e-12
    )
    assert obuchowski_difference(unsafe, safe, unsafe, safe, group) == (0.0, 0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_of_single_pairs_has_the_variance_of_a_mean(seed: int) -> None:
    values, _, _ = drawn(seed)
    mean, variance = clustered_mean(values, range(len(values)))
    assert mean == pytest.approx(np.mean(values), abs=1e-12)
    assert sqrt(variance) == pytest.approx(stats.sem(values), abs=1e-12)


def test_copies_of_pairs_add_nothing() -> None:
    unsafe, safe, _ = drawn(0)
    group = list(range(len(unsafe)))
    assert obuchowski(unsafe * 3, safe * 3, group * 3) == pytest.approx(obuchowski(unsafe, safe, group), abs=1e-12)
    assert clustered_mean(unsafe * 3, group * 3) == pytest.approx(clustered_mean(unsafe, group), abs=1e-12)


def test_the_variance_is_the_spread_of_the_area_over_many_draws() -> None:
    """20 groups of 3 pairs, 400 draws: the mean of the estimates is within a fifth of the variance seen."""
    generator, found = np.random.default_rng(5), []
    group = np.repeat(np.arange(20), 3)
    for _ in range(400):
        shift = generator.normal(0, 0.7, 20)[group]
        scores = shift + generator.normal(0.8, 1, 60), shift + generator.normal(0, 1, 60)
        wins = np.sign(np.subtract.outer(*scores)) / 2 + 0.5
        found.append((wins.mean(), clustered_mean((wins.mean(axis=1) + wins.mean(axis=0)).tolist(), group.tolist())[1]))
    areas, variances = np.array(found).T
    assert variances.mean() == pytest.approx(areas.var(ddof=1), rel=0.2)


def test_the_logit_interval_solves_its_equation() -> None:
    low, high = logit_interval(0.84, 0.004)
    for end in (low, high):
        gap = np.log(end / (1 - end)) - np.log(0.84 / 0.16)
        assert abs(gap) == pytest.approx(1.959963984540054 * sqrt(0.004) / (0.84 * 0.16), abs=1e-12)
    assert 0 < low < 0.84 < high < 1


def test_equivalence_is_read_from_the_90_percent_interval() -> None:
    cells = [(1, 0, 0, 0)] * 36 + [(0, 1, 0, 0)] * 4 + [(0, 0, 1, 0)] * 4 + [(0, 0, 0, 1)] * 6
    low, high = newcombe(cells, level=0.9)
    assert newcombe(cells)[0] < low < 0 < high < newcombe(cells)[1]
    assert equivalence(cells, high + 1e-9) == (True, True)
    assert equivalence(cells, high - 1e-9) == (False, False)
    better = [(1, 0, 0, 0)] * 36 + [(0, 1, 0, 0)] * 12 + [(0, 0, 1, 0)] * 2
    assert equivalence(better, 0.05) == (True, False)
