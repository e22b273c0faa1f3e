"""Agreement of raters: Krippendorff's alpha, Cohen's and Fleiss' kappa, each with a cluster bootstrap interval.

Ratings are nominal. Each figure is computed from sums over clusters of items, so a resample of clusters is a weighted
sum, and two thousand resamples cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from safetypairs_hf.metric.agreement import kappas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = Callable[[NDArray[np.float64]], NDArray[np.float64]]

RESAMPLES = 2000
SEED = 0
_CELLS = 1 << 22  # the largest number of cells of resamples at once
_MOST_UNDEFINED = 0.05  # share of the resamples


class Estimate(NamedTuple):
    """A figure, the ends of its 95% interval, and its number of items.

    `value` is None if it is not defined: every rating is the same, or there is nothing to compare. The ends are also
    None if all items are in one cluster, and if more than 5% of the resamples have no value.
    """

    value: float | None
    low: float | None
    high: float | None
    items: int


def krippendorff_alpha(counts: NDArray[np.int64], clusters: Sequence[str]) -> Estimate:
    """Return Krippendorff's alpha for nominal data with missing ratings (Krippendorff 2019, Content Analysis, ch. 12).

    Alpha is 1 - D_o / D_e. Let n_uc be the number of raters who gave item u the value c, m_u the number of its ratings,
    n_c the sum over items and n the number of all ratings. D_o is the sum over u of (m_u^2 - sum_c n_uc^2) / (m_u - 1),
    D_e is (n^2 - sum_c n_c^2) / (n - 1).

    Args:
        counts: (items, values) the number of raters who gave each item each value. Items with fewer than two ratings do
            not count.
        clusters: The cluster of each item.
    """
    used = counts.sum(axis=1) > 1
    counts, names = counts[used], [cluster for cluster, each in zip(clusters, used, strict=True) if each]
    raters = counts.sum(axis=1)
    observed = (raters**2 - (counts**2).sum(axis=1)) / np.maximum(raters - 1, 1)
    return _estimate(np.column_stack([observed, counts]), names, _alpha)


def _alpha(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    observed, values = sums[:, 0], sums[:, 1:]
    n = values.sum(axis=1)
    expected = (n**2 - (values**2).sum(axis=1)) / np.maximum(n - 1, 1)
    return 1 - _over(observed, expected)


def fleiss_kappa(counts: NDArray[np.int64], clusters: Sequence[str]) -> Estimate:
    """Return Fleiss' kappa (Fleiss 1971, Psychological Bulletin 76), for items with an equal number of ratings.

    It covers the items that have the most frequent number of ratings, two or more (the larger of two equally frequent
    ones).

    Args:
        counts: As in `krippendorff_alpha`.
        clusters: As in `krippendorff_alpha`.
    """
    raters = counts.sum(axis=1)
    often = np.bincount(raters[raters > 1], minlength=1)
    most = int(np.flatnonzero(often == often.max())[-1])
    used = (raters == most) & (raters > 1)
    names = [cluster for cluster, each in zip(clusters, used, strict=True) if each]
    counts = counts[used]
    alike = ((counts**2).sum(axis=1) - most) / max(most * (most - 1), 1)
    return _estimate(np.column_stack([np.ones(len(counts)), alike, counts]), names, _fleiss)


def _fleiss(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    items, alike, values = sums[:, 0], sums[:, 1], sums[:, 2:]
    n = values.sum(axis=1)
    return _chance_corrected(_over(alike, items), _over((values**2).sum(axis=1), n**2))


def cohen_kappa(one: NDArray[np.int64], two: NDArray[np.int64], kinds: int, clusters: Sequence[str]) -> Estimate:
    """Return Cohen's kappa of two raters (Cohen 1960, Educational and Psychological Measurement 20).

    Args:
        one: (items,) the first rater's values, numbers below `kinds`.
        two: (items,) the second rater's values.
        kinds: The number of values.
        clusters: The cluster of each item.
    """
    cells = np.zeros((len(one), kinds * kinds))
    cells[np.arange(len(one)), one * kinds + two] = 1

    def value(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return kappas(sums.reshape(-1, kinds, kinds).astype(np.int64))

    return _estimate(cells, clusters, value)


def _chance_corrected(agreed: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    # If all ratings are equal, chance is 1 up to rounding.
    return 1 - _over(1 - agreed, np.where(1 - chance < 1e-12, 0.0, 1 - chance))


def _over(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quotient; NaN if the divisor is 0."""
    found: NDArray[np.float64] = np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)
    return found


def _estimate(of_items: NDArray[np.float64], clusters: Sequence[str], value: Values) -> Estimate:
    """Return a figure of sums over items, and its percentile interval over resamples of clusters with replacement.

    Args:
        of_items: (items, d) the contribution of each item.
        clusters: The cluster of each item.
        value: Maps (b, d) sums to (b,) figures, NaN if undefined.
    """
    items = len(of_items)
    if not items:
        return Estimate(None, None, None, 0)
    point = float(value(of_items.sum(axis=0, keepdims=True))[0])
    if np.isnan(point):
        return Estimate(None, None, None, items)
    names, places = np.unique(np.array(clusters), return_inverse=True)
    sums = np.zeros((len(names), of_items.shape[1]))
    np.add.at(sums, places, of_items)
    if len(names) == 1:
        return Estimate(point, None, None, items)
    found = _resampled(sums, value)
    defined = found[~np.isnan(found)]
    if len(defined) < (1 - _MOST_UNDEFINED) * RESAMPLES:
        return Estimate(point, None, None, items)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Estimate(point, float(low), float(high), items)


def _resampled(sums: NDArray[np.float64], value: Values) -> NDArray[np.float64]:
    """Return the (RESAMPLES,) figures of resampled clusters, given their (clusters, d) sums."""
    random, clusters = np.random.default_rng(SEED), len(sums)
    step = max(1, _CELLS // clusters)
    found = []
    for start in range(0, RESAMPLES, step):
        count = min(step, RESAMPLES - start)
        drawn = random.integers(clusters, size=(count, clusters)) + clusters * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * clusters).reshape(count, clusters)
        found.append(value(weights.astype(np.float64) @ sums))
    return np.concatenate(found)
