"""Inference on counts and scores: intervals of shares, exact tests, and the ranking of scores.

Nothing here knows of rows or guards. First come the intervals (Wilson, bootstrap over groups), then the figures of
scores that need no threshold, then the exact laws behind relative consistency and McNemar's test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ratio = Callable[[NDArray[np.float64]], NDArray[np.float64]]

RESAMPLES = 2000
SEED = 0
Z_95 = 1.959963984540054  # two-sided 5% point of the normal law
CELLS = 2_000_000  # drawn counts held at once, so that memory does not grow with the number of groups
# The two lowest bits of a score that `rank` sorts.
UNSAFE = np.uint64(1)
ORDERED = np.uint64(2)


def share_interval(group: NDArray[np.int64] | None, hit: NDArray[np.bool_]) -> tuple[int | None, tuple[float, float]]:
    """Return the number of groups and the 95% interval of a share of pairs.

    Args:
        group: (n,) the number of each pair's group, never falling; None where each pair is its own group.
        hit: (n,) whether a pair counts; n is at least 1.

    Returns:
        None and Wilson's interval without groups; else the number of groups and a bootstrap interval over them.
    """
    if group is None:
        return None, wilson(int(hit.sum()), len(hit))
    totals, sizes = group_sums(group, hit)
    return len(sizes), bootstrap(totals, sizes)


def group_sums(group: NDArray[np.int64] | None, value: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum over each group.

    Args:
        group: (n,) the number of each pair's group, never falling; None where each pair is its own group.
        value: (n,) integers or booleans.

    Returns:
        (g,) the sums of `value`, and (g,) the numbers of pairs.
    """
    if group is None:
        return value.astype(np.int64), np.ones(len(value), dtype=np.int64)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    before = np.cumsum(value, dtype=np.int64)[starts] - value[starts]  # three times as quick as add.reduceat
    return np.diff(before, append=int(value.sum())), np.diff(starts, append=len(group))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95% score interval for a share (Wilson 1927), within [0, 1]; `n` is at least 1."""
    share, z2 = successes / n, Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the ends the interval touches 0 or 1 exactly; rounding would miss by a hair.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def bootstrap(totals: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95% percentile interval of sum(totals) / sum(sizes) when groups are drawn anew (Efron 1979).

    Groups with the same total and size are one type, and how often each type comes in a resample of g groups is one
    multinomial draw. That is the same law as drawing groups one by one, but it does not depend on the groups' names and
    order, and its cost depends on the number of types alone.

    Args:
        totals: (g,) the sum of each group, integers.
        sizes: (g,) the size of each group, integers above 0.
    """
    lowest = int(totals.min())
    width = int(totals.max()) - lowest + 1
    kinds = sizes * width + (totals - lowest)
    if kinds.max() < 8 * len(kinds) + 1024:  # counting is quicker than sorting where the kinds are few
        counts = np.bincount(kinds)
        types = np.flatnonzero(counts)
        groups = counts[types]
    else:
        types, groups = np.unique(kinds, return_counts=True)
    type_sizes, type_totals = types // width, types % width + lowest
    generator = np.random.default_rng(SEED)
    figures = np.empty(RESAMPLES)
    step = max(1, CELLS // len(types))
    for start in range(0, RESAMPLES, step):
        stop = min(start + step, RESAMPLES)
        drawn = generator.multinomial(len(sizes), groups / len(sizes), size=stop - start)
        figures[start:stop] = (drawn @ type_totals) / (drawn @ type_sizes)
    low, high = np.quantile(figures, (0.025, 0.975))
    return (float(low), float(high))


class Ranking(NamedTuple):
    """The figures of scores that need no threshold, by their names in `figures.Figures`."""

    ranking_accuracy: float
    auroc: float
    best_threshold: float
    best_threshold_pair_accuracy: float


def rank(unsafe: NDArray[np.float64], safe: NDArray[np.float64]) -> Ranking:
    """Compute the threshold-free figures of (n,) score pairs in [0, 1]; n is at least 1.

    Scores in [0, 1] sort like the integers that their bits spell, and use 62 of these bits. The other two say whose
    image it is and whether its pair is in the right order. All sums are of integers, so the order changes no bit.
    """
    n = len(unsafe)
    ordered = (unsafe > safe).astype(np.uint64) * ORDERED
    wins = int(np.count_nonzero(ordered))
    ties = int(np.count_nonzero(unsafe == safe))
    # Adding 0.0 turns -0.0, whose bits would sort last, into 0.0.
    bits = np.concatenate(((unsafe + 0.0).view(np.uint64), (safe + 0.0).view(np.uint64))) << np.uint64(2)
    bits[:n] |= UNSAFE | ordered
    bits[n:] |= ordered
    bits.sort()
    values = bits >> np.uint64(2)
    ends = np.flatnonzero(np.concatenate((values[1:] != values[:-1], [True])))
    is_unsafe, is_ordered = (bits & UNSAFE).astype(bool), (bits & ORDERED).astype(bool)
    unsafe_to = np.cumsum(is_unsafe)[ends]
    safe_to = ends + 1 - unsafe_to
    unsafe_here, safe_here = np.diff(unsafe_to, prepend=0), np.diff(safe_to, prepend=0)
    # Twice the number of (unsafe, safe) image pairs in the right order, ties counted once.
    twice = int((unsafe_here * (2 * safe_to - safe_here)).sum())
    # A pair is right at t where its safe score is below t and its unsafe score is not: +1 after the one, -1 after
    # the other, so the running sum up to the score before t is the number of pairs that are right at t.
    open_after = np.cumsum(np.where(is_unsafe, -1, 1) * is_ordered)[ends]
    right_at = np.concatenate(([0], open_after[:-1]))
    best = int(right_at.argmax())
    return Ranking(
        ranking_accuracy=(2 * wins + ties) / (2 * n),
        auroc=twice / (2 * n * n),
        best_threshold=float(values[ends[best]].view(np.float64)),
        best_threshold_pair_accuracy=int(right_at[best]) / n,
    )


def relative_consistency(correct: int, right_images: int, n_pairs: int) -> float:
    """Return P(C <= correct) when the right images fall uniformly at random among the 2 n images.

    C is the number of pairs with both images right: P(C=j) = C(n,j) C(n-j,k-2j) 2^(k-2j) / C(2n,k), k `right_images`.
    1.0 means as consistent as that image accuracy allows (after Johnson & Marasovic 2023).
    """
    n, k = n_pairs, right_images

    def ratio(j: NDArray[np.float64]) -> NDArray[np.float64]:
        return (k - 2 * j) * (k - 2 * j - 1) / (4 * (j + 1) * (n - k + j + 1))

    # The ratio passes 1 where its numerator and denominator, both quadratics in j, are equal: the j² cancel.
    mode = math.ceil((k * k + 3 * k - 4 * n - 4) / (4 * n + 6))
    return _probability_at_most(correct, ratio, mode, max(0, k - n), k // 2, n)


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of McNemar's test: 2 P(B <= min), B binomial(1/2), at most 1 (McNemar 1947).

    Args:
        only_a: Pairs that only the first model has right.
        only_b: Pairs that only the second model has right. The result is 1.0 where there is neither.
    """
    n = only_a + only_b

    def ratio(j: NDArray[np.float64]) -> NDArray[np.float64]:
        return (n - j) / (j + 1)

    return min(1.0, 2 * _probability_at_most(min(only_a, only_b), ratio, n // 2, 0, n, n))


def _probability_at_most(at: int, ratio: Ratio, mode: int, lowest: int, highest: int, trials: int) -> float:
    """Return P(X <= at) for a law with one mode, support lowest..highest, and `ratio(j)` = P(X=j+1) / P(X=j).

    Its standard deviation is at most sqrt(trials) / 2. Terms are built outwards from the mode, where they are
    largest, for 40 standard deviations: what is beyond (less than 1e-340) is below the smallest float.
    """
    reach = 20 * (math.isqrt(trials) + 1)
    mode = min(max(mode, lowest), highest)
    low, high = max(lowest, mode - reach), min(highest, mode + reach)
    if at >= high:
        return 1.0
    if at < low:
        return 0.0
    up = np.cumprod(ratio(np.arange(mode, high, dtype=np.float64)))
    down = np.cumprod(1 / ratio(np.arange(mode - 1, low - 1, -1, dtype=np.float64)))
    terms = np.concatenate((down[::-1], [1.0], up))
    below, above = float(terms[: at - low + 1].sum()), float(terms[at - low + 1 :].sum())
    return below / (below + above)
