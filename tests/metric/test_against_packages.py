"""Figures, intervals and tests against statsmodels, scikit-learn and scipy, on many random cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, cohen_kappa_score, recall_score, roc_auc_score
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from safetypairs_hf.metric import agreement, calibration, compare, compare_many, score
from safetypairs_hf.metric.compare_many import holm
from safetypairs_hf.metric.inference import Moments, Paired, difference_interval, share_interval, sign_flip_p

from .reference import clustered_mean

SEEDS = range(25)
Columns = dict[str, Any]


def columns(unsafe: Any, safe: Any, name: str = "score", group: Any = None) -> Columns:
    """One row an image, from (n,) values of the unsafe images and of the safe ones, in a random order."""
    n = len(unsafe)
    order = np.random.default_rng(n).permutation(2 * n)
    found = {
        "pair_id": np.tile(np.arange(n), 2)[order],
        "reference": np.repeat([1, 0], n)[order],
        name: np.concatenate((unsafe, safe))[order],
    }
    return found if group is None else {**found, "group": np.tile(group, 2)[order]}


def drawn_scores(seed: int, decimals: int = 2) -> tuple[Any, Any]:
    """Scores in [0, 1] of 20 to 200 pairs, rounded so that some are tied."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(20, 201))
    return np.round(generator.beta(3, 2, n), decimals), np.round(generator.beta(2, 3, n), decimals)


def drawn_verdicts(seed: int, n: int) -> tuple[Any, Any]:
    """Verdicts of a guard that is right more often than not."""
    generator = np.random.default_rng(seed)
    return (generator.random(n) < 0.8).astype(int), (generator.random(n) < 0.3).astype(int)


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_of_images_are_scikit_learns(seed: int) -> None:
    unsafe, safe = drawn_scores(seed)
    found = score(columns(unsafe, safe))
    truth, value = np.repeat([1, 0], len(unsafe)), np.concatenate((unsafe, safe))
    verdict = (value >= 0.5).astype(int)
    assert found.image_accuracy == pytest.approx(accuracy_score(truth, verdict), abs=1e-15)
    assert found.unsafe_recall == pytest.approx(recall_score(truth, verdict), abs=1e-15)
    assert found.safe_specificity == pytest.approx(recall_score(truth, verdict, pos_label=0), abs=1e-15)
    assert found.auroc == pytest.approx(roc_auc_score(truth, value), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_is_scikit_learns(seed: int) -> None:
    """Scores are not rounded: at an edge, scikit-learn's bins take a score that ours leave to the next."""
    unsafe, safe = drawn_scores(seed, decimals=15)
    found = calibration(columns(unsafe, safe))
    truth, value = np.repeat([1, 0], len(unsafe)), np.concatenate((unsafe, safe))
    assert found.brier == pytest.approx(brier_score_loss(truth, value), abs=1e-12)
    shares, means = calibration_curve(truth, value, n_bins=10)
    held = [one for one in found.bins if one.images]
    assert [one.unsafe_share for one in held] == pytest.approx(shares.tolist(), abs=1e-12)
    assert [one.mean_score for one in held] == pytest.approx(means.tolist(), abs=1e-12)
    weights = np.array([one.images for one in held]) / found.n_images
    assert found.expected_calibration_error == pytest.approx(weights @ np.abs(shares - means), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_agreement_is_scikit_learns_kappa(seed: int) -> None:
    guards = [drawn_verdicts(seed + shift, 60) for shift in (0, 1000)]
    found = agreement(*(columns(*verdicts, name="prediction") for verdicts in guards))
    one, other = (np.concatenate(verdicts) for verdicts in guards)
    assert found.image_kappa == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    outcomes = [unsafe * 2 + safe for unsafe, safe in guards]
    assert found.outcome_kappa == pytest.approx(cohen_kappa_score(*outcomes), abs=1e-12)


def test_intervals_of_shares_are_statsmodels_wilson() -> None:
    for n in (1, 2, 5, 30, 157, 1510):
        for hits in {0, 1, n // 3, n // 2, n - 1, n}:
            single = Moments(n, n, hits, n, hits, hits)
            assert share_interval(single) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_p_values_are_statsmodels_mcnemar(seed: int) -> None:
    guards = [drawn_verdicts(seed + shift, 80) for shift in (0, 1000)]
    found = compare(*(columns(*verdicts, name="prediction") for verdicts in guards))
    right = [(unsafe == 1) & (safe == 0) for unsafe, safe in guards]
    table = [[int(((right[0] == a) & (right[1] == b)).sum()) for b in (True, False)] for a in (True, False)]
    assert (found.only_a_correct, found.only_b_correct) == (table[0][1], table[1][0])
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_sign_flips_are_scipys_permutations(seed: int) -> None:
    """scipy exchanges the two guards' sums in each of 10 groups, all 1,024 ways."""
    generator = np.random.default_rng(seed)
    a, b = generator.integers(0, 7, 10), generator.integers(0, 6, 10)
    peer = stats.permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert sign_flip_p(a - b) == pytest.approx(peer.pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_differences_without_correlation_are_statsmodels_newcombe(seed: int) -> None:
    """With ad = bc, phi is 0, and the paired interval is that of two independent samples of n."""
    one, other, up, down = np.random.default_rng(seed).integers(1, 9, 4).tolist()
    both, only_a, only_b, neither = one * up, one * down, other * up, other * down
    n = both + only_a + only_b + neither
    totals = np.repeat([1, -1, 0], [only_a, only_b, both + neither])
    found = difference_interval(Paired(both, both + only_a, both + only_b, n, totals, np.ones(n, dtype=np.int64)))
    peer = confint_proportions_2indep(both + only_a, n, both + only_b, n, compare="diff", method="newcomb")
    assert found == pytest.approx(peer, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_holm_is_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.5, 3, seed + 1)
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist(), rel=1e-12)


def test_holm_of_all_contests() -> None:
    guards = {str(seed): columns(*drawn_verdicts(seed, 100), name="prediction") for seed in range(6)}
    contests = compare_many(guards).contests
    peer = multipletests([contest.p_value for contest in contests], method="holm")[1]
    assert [contest.holm_p for contest in contests] == pytest.approx(peer.tolist(), rel=1e-12)


@pytest.mark.parametrize("groups", [2, 3, 4, 10, 30, 157, 5000, 1_000_000])
def test_few_groups_cost_scipys_quantiles_of_t(groups: int) -> None:
    """Groups of two pairs with one hit each have a design effect of 1, and so 2 G pairs but for the t quantiles."""
    size = 2 * groups * (stats.t.ppf(0.975, 2 * groups - 1) / stats.t.ppf(0.975, groups - 1)) ** 2
    found = share_interval(Moments(2 * groups, groups, groups, 4 * groups, 2 * groups, groups))
    assert found == pytest.approx(proportion_confint(size / 2, size, method="wilson"), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_of_clustered_means_is_statsmodels_sandwich(seed: int) -> None:
    """A regression on a constant alone, with its variance robust to clusters."""
    generator = np.random.default_rng(seed)
    group = np.sort(generator.integers(0, 12, 60))
    values = generator.integers(0, 3, 60) / 2
    fit = OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": group, "use_correction": True})
    peer = (float(fit.params[0]), float(fit.cov_params()[0, 0]))
    assert clustered_mean(values.tolist(), group.tolist()) == pytest.approx(peer, abs=1e-12)
