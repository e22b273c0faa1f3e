"""Threshold-free figures of scores: pairs in the right order, AUROC over images, and their intervals.

The inputs of a figure or an interval are whole numbers, so the order of pairs and of groups changes no bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from safetypairs_hf.metric.inference import (
    Z_95,
    Groups,
    Interval,
    Moments,
    few_groups_factor,
    share_interval,
    wilson,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Whole = NDArray[np.signedinteger[Any]]
    Scores = NDArray[np.float64]

BLOCK = 16384  # images ranked at once: their data stays in the processor's cache


class Ranking(NamedTuple):
    """The figures of scores, by their names in `figures.Figures`."""

    ranking_accuracy: float
    ranking_accuracy_ci: Interval
    tie_rate: float
    auroc: float
    auroc_ci: Interval
    best_threshold: float
    best_threshold_pair_accuracy: float


class Ranks(NamedTuple):
    """The ranks of the scores of n pairs.

    Attributes:
        samples: The number of answers for each image; the following counts are sums over them.
        won: (n,) 2 if the unsafe image of a pair has the higher score, 1 if the two are equal, else 0.
        ties: The number of pairs whose two scores are equal.
        placed: (n,) twice the number of safe images below the pair's unsafe one, plus twice the number of unsafe images
            above its safe one, where an image with the same score counts half.
        best: The best threshold, and the number of pairs that are right at it.
    """

    samples: int
    won: Whole
    ties: int
    placed: Whole
    best: tuple[float, int]

    @classmethod
    def of(cls, unsafe: Scores, safe: Scores) -> Ranks:
        """Rank (k, n) scores in [0, 1] of k samples of n pairs, n at least 1."""
        samples, tied = len(unsafe), unsafe == safe
        won = np.int8(2) * (unsafe > safe) + tied
        ties = int(np.count_nonzero(tied))
        placed, best = _ranked(unsafe[0], safe[0])
        if samples == 1:
            return cls(1, won[0], ties, placed, best)
        others = [_ranked(*of_sample)[0] for of_sample in zip(unsafe[1:], safe[1:], strict=True)]
        best = _ranked(unsafe.ravel(), safe.ravel())[1]  # one for all samples
        whole = np.add.reduce([placed, *others], dtype=np.int64)
        return cls(samples, won.sum(axis=0, dtype=np.int64), ties, whole, best)

    def figures(self, groups: Groups) -> Ranking:
        """Compute the figures."""
        n = len(self.won)
        answers = self.samples * n
        won, placed = _mean(self.won, groups), _mean(self.placed, groups)
        accuracy, auroc = won.total / (2 * answers), placed.total / (4 * n * answers)
        threshold, right = self.best
        return Ranking(
            ranking_accuracy=accuracy,
            ranking_accuracy_ci=_interval(accuracy, won.variance / (2 * self.samples) ** 2, groups),
            tie_rate=self.ties / answers,
            auroc=auroc,
            auroc_ci=_interval(auroc, placed.variance / (2 * answers) ** 2, groups),
            best_threshold=threshold,
            best_threshold_pair_accuracy=right / answers,
        )


def auroc_difference(a: Ranks, b: Ranks, groups: Groups) -> tuple[float, Interval | None]:
    """Return the AUROC of one guard minus that of another on the same n pairs, in [-1, 1], and its 95% interval.

    The variance is that of the pairs' differences, so that what the two guards share cancels. There is no interval if
    the difference does not vary between groups, for example if both have an AUROC of 1.
    """
    n, answers = len(a.placed), len(a.placed) * a.samples * b.samples
    between = _mean(b.samples * a.placed.astype(np.int64) - a.samples * b.placed.astype(np.int64), groups)
    difference = between.total / (4 * n * answers)
    if not between.variance:
        return difference, None
    variance = between.variance / (2 * answers) ** 2
    half = Z_95 * math.sqrt(variance / few_groups_factor(n, len(groups.sizes)))
    return difference, (max(-1.0, difference - half), min(1.0, difference + half))


class _Mean(NamedTuple):
    """The total of whole numbers over pairs, and the variance of their mean."""

    total: int
    variance: float


def _mean(value: Whole, groups: Groups) -> _Mean:
    """Sum (n,) whole numbers, and estimate the variance of their mean between groups.

    The variance is G / (G - 1) sum (Y_g - mean m_g)^2 / n^2, and 0 for a single group. For `Ranks.placed` it is the
    variance of AUROC of Obuchowski (1997, Biometrics 53), from the structural components of DeLong and others (1988,
    Biometrics 44), summed over the images of a group.
    """
    n, sizes, summed = len(value), groups.sizes, groups.sums(value)
    total = int(summed.sum())
    if len(sizes) == 1:
        return _Mean(total, 0.0)
    near = round(total / n)  # deviations from a whole number are whole numbers
    rest = total - near * n
    sums = summed - near * sizes
    by_size = rest if groups.ends is None else _dot(sums, sizes)
    squares = _dot(sums, sums) - 2 * rest / n * by_size + (rest / n) ** 2 * groups.size_squares
    return _Mean(total, max(0.0, len(sizes) / (len(sizes) - 1) * squares / n**2))


def _dot(one: Numbers, other: Numbers) -> int:
    """Return the exact sum of the products of whole numbers, in blocks that fit into 64 bits."""
    most = max(-int(one.min()), int(one.max())) * max(-int(other.min()), int(other.max()))
    block = max(1, 2**62 // max(1, most))
    return sum(int(one[at : at + block] @ other[at : at + block]) for at in range(0, len(one), block))


def _interval(share: float, variance: float, groups: Groups) -> Interval:
    """Return the 95% interval of a mean in [0, 1] on the logit scale; at 0 and 1 Wilson's on the effective size.

    If all groups are equal, or there is only one, the variance is not informative, and a group counts as one pair.
    """
    n = int(groups.sizes.sum())
    few = few_groups_factor(n, len(groups.sizes))
    if share in (0, 1):
        return share_interval(Moments.of(groups.sizes * int(share), groups.sizes))
    if not variance:
        return wilson(share, n / (groups.size_squares / n) * few)
    spread = Z_95 * math.sqrt(variance / few) / (share * (1 - share))
    low, high = (math.log(share / (1 - share)) + side * spread for side in (-1, 1))
    return 1 / (1 + math.exp(min(700.0, -low))), 1 / (1 + math.exp(min(700.0, -high)))


def _ranked(unsafe: Scores, safe: Scores) -> tuple[Whole, tuple[float, int]]:
    """Return `placed` and `best` of `Ranks` for one answer for each image, from the images sorted by score."""
    n = len(unsafe)
    key, same = _sorted(unsafe, safe)
    placed: Whole = np.empty(2 * n, dtype=np.int32 if n < 2**29 else np.int64)  # the sum for a pair is at most 4 n
    passed = right = most = best = 0
    for start in range(0, 2 * n, BLOCK):
        here = key[start : start + BLOCK]
        is_unsafe = here < 2 * n
        # All but i images before the i-th unsafe one are safe, and all but j before the j-th safe one are unsafe.
        at = np.flatnonzero(is_unsafe)
        below = at - np.arange(passed - start, passed - start + len(at))
        placed[here.take(at) >> 1] = 2 * below.astype(placed.dtype)
        at = np.flatnonzero(~is_unsafe)
        above = np.arange(n - passed, n - passed + len(at)) - at
        placed[here.take(at) >> 1] = 2 * above.astype(placed.dtype)
        passed += len(here) - len(at)
        # A pair is right at t if its safe score is below t and its unsafe score is not. So the number of right pairs
        # rises at the safe images of pairs in order, and falls at their unsafe images.
        ordered = (here & 1).astype(np.bool_)
        falls = int(np.count_nonzero(ordered & is_unsafe))
        rises = int(np.count_nonzero(ordered)) - falls
        if falls and right + rises > most:
            at = np.flatnonzero(ordered)
            falling = np.flatnonzero(is_unsafe.take(at))
            number = right + falling - 2 * np.arange(falls)
            peak = int(number.argmax())
            if number[peak] > most:
                most, best = int(number[peak]), start + int(at[falling[peak]])
        right += rises - falls
    _count_halves(placed, key, same)
    if most:  # the first score after the image at which the number last rose
        rose = best - 1 - int((key[best - 1 :: -1] & 1).argmax())
        best = rose + 1 + int(same[rose + 1 :].argmin())
    image = key[best] >> 1
    threshold = unsafe[image] if image < n else safe[image - n]
    return placed[:n] + placed[n:], (float(threshold) + 0.0, most)


def _count_halves(placed: Whole, key: Numbers, same: NDArray[np.bool_]) -> None:
    """Add to `placed` the images of the other kind with the same score, each once (twice a half)."""
    near = _with_neighbours(same)
    if not len(near):
        return
    image = key[near] >> 1
    begins = np.flatnonzero(~same[near])
    unsafe = np.add.reduceat(image < len(placed) // 2, begins, dtype=np.int64)
    both = np.stack((unsafe, np.diff(begins, append=len(near)) - unsafe), axis=1)
    placed[image] += np.repeat(both[:, ::-1].ravel(), both.ravel()).astype(placed.dtype)


def _with_neighbours(same: NDArray[np.bool_]) -> Numbers:
    """Return the indices of the images that share their score, from (2n,) whether it equals the one before."""
    near = same.copy()
    near[:-1] |= same[1:]
    return np.flatnonzero(near)


def _sorted(unsafe: Scores, safe: Scores) -> tuple[Numbers, NDArray[np.bool_]]:
    """Sort the images of n pairs by score, the unsafe ones first if scores are equal.

    Scores in [0, 1] sort like the integers with the same bits, 62 bits, which numpy sorts three times as fast as it
    argsorts floats. So the lowest bits are replaced by the number of the image, and the few images whose other bits are
    equal are sorted again if necessary.

    Returns:
        (2n,) keys: twice the image's number, plus 1 if its pair is in order. The number is that of the pair for unsafe
        images, and n more for safe ones. (2n,) whether an image has the score of the one before it.
    """
    n = len(unsafe)
    low = np.uint64((2 << (2 * n - 1).bit_length()) - 1)
    packed = np.empty(2 * n, dtype=np.uint64)
    for start in range(0, n, BLOCK):
        of_unsafe, of_safe = unsafe[start : start + BLOCK], safe[start : start + BLOCK]
        marks = np.arange(2 * start, 2 * (start + len(of_safe)), 2, dtype=np.uint64)
        marks |= of_unsafe > of_safe
        for first, score in ((start, of_unsafe), (n + start, of_safe)):
            half = packed[first : first + len(score)]
            np.left_shift(score.view(np.uint64), np.uint64(2), out=half)  # this drops the sign of -0.0
            half &= ~low
            half |= marks
            marks += np.uint64(2 * n)
    packed.sort()
    same = np.zeros(2 * n, dtype=np.bool_)
    for start in range(1, 2 * n, BLOCK):
        here = packed[start : start + BLOCK]
        np.less_equal(here ^ packed[start - 1 : start - 1 + len(here)], low, out=same[start : start + BLOCK])
    packed &= low
    key = packed.view(np.int64)
    near = _with_neighbours(same)
    if len(near):
        image, run = key[near] >> 1, np.cumsum(~same[near])
        pair = np.where(image < n, image, image - n)
        value = np.where(image < n, unsafe.take(pair), safe.take(pair))
        if ((value[1:] < value[:-1]) & (run[1:] == run[:-1])).any():
            again = np.lexsort((value, run))
            key[near], value = key[near[again]], value[again]
        same[near[1:]] &= value[1:] == value[:-1]
    return key, same
