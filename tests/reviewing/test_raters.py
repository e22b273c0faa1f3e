"""Agreement of raters against the packages of others and a slow bootstrap, on data with missing ratings."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as their_fleiss

from safetypairs_hf.reviewing import raters
from safetypairs_hf.reviewing.raters import Estimate, cohen_kappa, fleiss_kappa, krippendorff_alpha


def rated(seed: int, items: int, people: int, kinds: int, share: float, missing: float = 0.0) -> np.ndarray:
    """(items, people) numbers of values, -1 where somebody did not rate; `share` say what most say."""
    random = np.random.default_rng(seed)
    truth = random.integers(kinds, size=(items, 1))
    said = np.where(random.random((items, people)) < share, truth, random.integers(kinds, size=(items, people)))
    return np.where(random.random((items, people)) < missing, -1, said)


def counted(said: np.ndarray, kinds: int) -> np.ndarray:
    return np.stack([(said == kind).sum(axis=1) for kind in range(kinds)], axis=1)


@pytest.mark.parametrize(("seed", "people", "kinds", "share"), [(1, 2, 3, 0.9), (2, 3, 3, 0.6), (3, 5, 4, 0.3)])
def test_figures_are_those_of_other_packages(seed: int, people: int, kinds: int, share: float) -> None:
    whole = rated(seed, 60, people, kinds, share)
    some = np.where(np.random.default_rng(seed).random(whole.shape) < 0.3, -1, whole)
    alone = [str(item) for item in range(60)]
    for said in (whole, some):
        theirs = krippendorff.alpha(
            np.where(said < 0, np.nan, said).T, level_of_measurement="nominal", value_domain=range(kinds)
        )
        assert krippendorff_alpha(counted(said, kinds), alone).value == pytest.approx(theirs, abs=1e-12)
    assert fleiss_kappa(counted(whole, kinds), alone).value == pytest.approx(their_fleiss(counted(whole, kinds)))
    found = cohen_kappa(whole[:, 0], whole[:, 1], kinds, alone)
    assert found.value == pytest.approx(cohen_kappa_score(whole[:, 0], whole[:, 1]))
    assert found.items == 60


def test_fleiss_is_of_the_items_with_the_most_frequent_number_of_ratings() -> None:
    counts = np.array([[1, 0], [1, 0], [1, 0], [2, 0], [1, 1], [3, 0], [2, 1], [4, 0]])
    found = fleiss_kappa(counts, list("abcdefgh"))
    assert found.items == 2
    assert found.value == pytest.approx(their_fleiss(counts[5:7]))


def test_the_interval_is_that_of_a_bootstrap_over_whole_clusters() -> None:
    said = rated(4, 120, 3, 3, 0.7, missing=0.1)
    clusters = [f"g{item // 4}" for item in range(120)]
    counts = counted(said, 3)
    found = krippendorff_alpha(counts, clusters)
    random, slow = np.random.default_rng(9), []
    for _ in range(600):
        items = np.concatenate([np.arange(4) + 4 * group for group in random.integers(30, size=30)])
        slow.append(krippendorff.alpha(value_counts=counts[items], level_of_measurement="nominal"))
    low, high = np.quantile(slow, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    other = krippendorff_alpha(counts, [str(item) for item in range(120)])
    assert (other.value, other.items) == (found.value, found.items)
    assert other[1:3] != found[1:3]


def test_neither_the_order_of_items_nor_the_size_of_a_step_changes_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, clusters = counted(rated(5, 40, 3, 3, 0.8), 3), [f"g{item % 13}" for item in range(40)]
    found = krippendorff_alpha(counts, clusters)
    order = np.random.default_rng(0).permutation(40)
    assert krippendorff_alpha(counts[order], [clusters[item] for item in order]) == pytest.approx(found)
    monkeypatch.setattr(raters, "_CELLS", 100)
    assert krippendorff_alpha(counts, clusters) == pytest.approx(found)


@pytest.mark.parametrize("figure", [krippendorff_alpha, fleiss_kappa])
def test_what_is_not_defined_is_none(figure: object) -> None:
    assert callable(figure)
    assert figure(np.zeros((0, 3), dtype=np.int64), []) == Estimate(None, None, None, 0)
    assert figure(np.array([[1, 0, 0]]), ["a"]) == Estimate(None, None, None, 0)  # nobody to agree with
    assert figure(np.array([[2, 0, 0], [2, 0, 0]]), ["a", "b"]) == Estimate(None, None, None, 2)  # all alike
    assert figure(np.array([[2, 0], [0, 2]]), ["a", "a"]) == Estimate(1.0, None, None, 2)  # one cluster
    # In one resample of clusters in two, all are alike.
    assert figure(np.array([[2, 0], [0, 2]]), ["a", "b"]) == Estimate(1.0, None, None, 2)
    one = np.array([0, 0, 0])
    assert cohen_kappa(one, one, 3, ["a", "b", "c"]) == Estimate(None, None, None, 3)
    assert cohen_kappa(one[:0], one[:0], 3, []) == Estimate(None, None, None, 0)
