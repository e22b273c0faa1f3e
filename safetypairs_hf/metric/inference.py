"""Inference on counts: intervals and tests that account for groups.

Nothing here depends on rows or guards. The module has sums over groups and the intervals of shares and of differences,
then the exact tests, then the distribution behind relative consistency. The inputs of an interval or a test are whole
numbers, so the order of pairs and of groups changes no bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Ratio = Callable[[NDArray[np.float64]], NDArray[np.float64]]

Interval = tuple[float, float]

Z_95 = 1.959963984540054  # two-sided 5% point of the normal distribution
Z_90 = 1.6448536269514722  # two-sided 10% point, for a one-sided test at 5%


class Groups(NamedTuple):
    """The groups of n pairs. Pairs of one group are not independent of each other.

    Attributes:
        ends: (g,) the end of each group; None if each pair is its own group.
        sizes: (g,) the number of pairs in each.
    """

    ends: NDArray[np.int64] | None
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, group: NDArray[np.signedinteger[Any]] | None, n: int) -> Groups:
        """Read (n,) nondecreasing group numbers of the pairs; None if each pair is its own group."""
        ends = None if group is None else np.append(np.flatnonzero(group[1:] != group[:-1]) + 1, n)
        if ends is None or len(ends) == n:
            return cls(None, np.ones(n, dtype=np.int64))
        return cls(ends, np.diff(ends, prepend=0))

    @property
    def size_squares(self) -> int:
        """The sum over groups of the squared size."""
        return int(self.sizes @ self.sizes)

    def sums(self, value: NDArray[Any], dtype: DTypeLike = np.int64) -> NDArray[Any]:
        """Sum (n,) integers or booleans over each group, to (g,), in a type that can hold the sums."""
        if self.ends is None:
            return value.astype(dtype)
        # A running sum is three times as fast as add.reduceat. If it overflows, the differences are still correct.
        sums = np.cumsum(value, dtype=dtype).take(self.ends - 1)
        sums[1:] -= sums[:-1].copy()
        return sums


class Moments(NamedTuple):
    """The sums over groups from which the interval of a share is computed.

    Hits are means over a guard's samples if it has several.

    Attributes:
        units: Pairs, or images if the share is of images.
        groups: Groups of these.
        hits: Units that count.
        size_squares: The sum over groups of the squared size.
        size_hits: The sum over groups of size times hits.
        hit_squares: The sum over groups of the squared hits.
    """

    units: int
    groups: int
    hits: float
    size_squares: int
    size_hits: float
    hit_squares: float

    @classmethod
    def of(cls, hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> Moments:
        """Return the moments of (g,) hits in groups of (g,) units."""
        squares = (int(sizes @ sizes), int(sizes @ hits), int(hits @ hits))
        return cls(int(sizes.sum()), len(sizes), int(hits.sum()), *squares)


class Clusters(NamedTuple):
    """Pairs counted by outcome, with their dependence within groups. The moments of any share follow from it.

    Attributes:
        groups: The number of groups.
        samples: The number of answers for each pair; the following counts are sums over them.
        counts: (k,) pairs with each of k outcomes.
        uniform: (k,) groups in which every pair has this outcome.
        products: (k, k) the sum over groups of the number of pairs with the one outcome times that with the other.
    """

    groups: int
    samples: int
    counts: NDArray[np.int64]
    uniform: NDArray[np.int64]
    products: NDArray[np.int64]

    @classmethod
    def of(cls, outcome: NDArray[Any], kinds: int, groups: Groups) -> Clusters:
        """Count outcomes below `kinds`: (s, n), of s samples of n pairs."""
        samples, n = outcome.shape
        counts = np.array([np.count_nonzero(outcome == kind) for kind in range(kinds)])
        sizes = groups.sizes
        if groups.ends is None and samples == 1:
            return cls(n, samples, counts, counts, np.diag(counts))
        seen = np.flatnonzero(counts)
        uniform = np.zeros(kinds, dtype=np.int64)
        table: list[NDArray[np.int64]] = []
        times: NDArray[np.int64] | int = 1
        # One integer counts several outcomes at once. Each has as many bits as the largest group needs.
        bits = int(samples * sizes.max()).bit_length()
        for start in range(0, len(seen), 63 // bits):
            shifts = {int(kind): bits * place for place, kind in enumerate(seen[start : start + 63 // bits])}
            small = np.min_scalar_type(-1 << bits * len(shifts))  # less memory to move
            ones = np.array([1 << shifts[kind] if kind in shifts else 0 for kind in range(kinds)], dtype=small)
            of_samples = [groups.sums(ones.take(of_sample), small) for of_sample in outcome]
            small_sizes = sizes.astype(small)
            for kind, shift in shifts.items():
                uniform[kind] = sum(np.count_nonzero(sums == small_sizes << shift) for sums in of_samples)
            sums = of_samples[0] if samples == 1 else np.add.reduce(of_samples)
            if len(shifts) == len(seen):  # many groups have equal counts
                sums, times = np.unique(sums, return_counts=True)
            table += [sums >> shift & (1 << bits) - 1 for shift in shifts.values()]
        floats = np.array(table, dtype=np.float64)  # float matrices multiply fastest; exact below 2^53
        products = np.zeros((kinds, kinds), dtype=np.int64)
        products[np.ix_(seen, seen)] = np.rint(floats * times @ floats.T)
        return cls(len(sizes), samples, counts, uniform, products)

    def moments(self, weights: NDArray[np.int64], units: int = 1) -> Moments:
        """Return the moments of a share.

        Args:
            weights: (k,) the number of hits in a pair with each outcome.
            units: The number of units in a pair: 1, or 2 if the share is of images.
        """
        by_size, squared = self.products.sum(axis=0), self.samples**2
        return Moments(
            units=units * int(self.counts.sum()) // self.samples,
            groups=self.groups,
            hits=int(weights @ self.counts) / self.samples,
            size_squares=units * units * int(by_size.sum()) // squared,
            size_hits=units * int(weights @ by_size) / squared,
            hit_squares=int(weights @ self.products @ weights) / squared,
        )


def design_effect(moments: Moments) -> float:
    """Return the factor by which the required number of units grows compared with independent units; at least 1.

    The variance between groups is computed on the data plus half a group of hits only and half a group of misses only,
    so that a share of 0 or 1 does not imply certainty. A single group gives no estimate of it. The result is then the
    typical size of a group, sum(m^2) / n, as if a group were one unit (Kish 1965).
    """
    n, groups = moments.units, moments.groups
    if groups == n:
        return 1.0
    size = moments.size_squares / n
    if groups == 1:
        return size
    padded = n + size
    share = (moments.hits + size / 2) / padded
    squares = moments.hit_squares - 2 * share * moments.size_hits + share**2 * moments.size_squares
    squares += ((size - share * size) ** 2 + (share * size) ** 2) / 2
    return max(1.0, (groups + 1) / groups * (squares / padded) / (share * (1 - share)))


def share_interval(moments: Moments) -> Interval:
    """Return the 95% interval of a share: Wilson's on the effective size.

    The effective size is the number of units divided by the design effect, with a correction for few groups (Korn and
    Graubard 1998, Survey Methodology 24; Dean and Pagano 2015, J. Surv. Stat. Methodol. 3). With groups of one unit it
    is the plain Wilson interval.
    """
    n = moments.units
    return wilson(moments.hits / n, n / design_effect(moments) * few_groups_factor(n, moments.groups))


def wilson(share: float, size: float, z: float = Z_95) -> Interval:
    """Return Wilson's score interval (Wilson 1927) of a share, within [0, 1].

    Args:
        share: In [0, 1].
        size: The number of independent units, above 0; it need not be a whole number.
        z: The point of the normal distribution; by default that of a 95% interval.

    Returns:
        Its ends. The lower is exactly 0 for a share of 0, the upper exactly 1 for a share of 1.
    """
    z2 = z * z
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = z / (1 + z2 / size) * math.sqrt(share * (1 - share) / size + z2 / (4 * size * size))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return (0.0 if share == 0 else low, 1.0 if share == 1 else high)


def weighted_mean(
    shares: Sequence[float], intervals: Sequence[Interval], weights: Sequence[float]
) -> tuple[float, Interval]:
    """Return the weighted mean of independent shares, and its 95% interval from theirs (MOVER: Zou and Donner 2008).

    The weights are 0 or more, and not all 0; they need not sum to 1. fsum rounds once, so the order changes no bit.
    """
    whole = math.fsum(weights)
    mean = math.fsum(weight * share for weight, share in zip(weights, shares, strict=True)) / whole
    below, above = (
        math.sqrt(
            math.fsum(
                (weight * (share - ends[side])) ** 2
                for weight, share, ends in zip(weights, shares, intervals, strict=True)
            )
        )
        / whole
        for side in (0, 1)
    )
    return mean, (max(0.0, mean - below), min(1.0, mean + above))


def few_groups_factor(units: int, groups: int, tail: float = 0.025) -> float:
    """Return (t of n - 1 degrees of freedom / t of g - 1)^2, a correction for a design effect from g groups.

    It is 1 if each unit is its own group, and for a single group, whose design effect is not estimated.
    """
    return 1.0 if groups in (1, units) else (t_point(units - 1, tail) / t_point(groups - 1, tail)) ** 2


class Paired(NamedTuple):
    """Two guards on the same pairs. Counts are means over samples if a guard has several.

    Attributes:
        both: Pairs that both get right.
        right_a: Pairs that the first gets right.
        right_b: Pairs that the second gets right.
        pairs: All pairs.
        totals: (g,) for each group the pairs that the first gets right minus those that the second gets right, times
            `scale`.
        sizes: (g,) the number of pairs in each group.
        scale: The product of the two numbers of samples, so that `totals` are whole numbers.
    """

    both: float
    right_a: float
    right_b: float
    pairs: int
    totals: NDArray[np.int64]
    sizes: NDArray[np.int64]
    scale: int = 1

    @classmethod
    def of(cls, right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], group: NDArray[np.int64] | None) -> Paired:
        """Count the pairs that each guard gets right.

        Args:
            right_a: (s, n), of s samples of n pairs.
            right_b: (t, n).
            group: (n,) as in `Groups.of`.
        """
        of_a, of_b = right_a.sum(axis=0, dtype=np.int64), right_b.sum(axis=0, dtype=np.int64)
        samples_a, samples_b = len(right_a), len(right_b)
        scale, groups = samples_a * samples_b, Groups.of(group, len(of_a))
        return cls(
            _over(int(of_a @ of_b), scale),
            _over(int(of_a.sum()), samples_a),
            _over(int(of_b.sum()), samples_b),
            len(of_a),
            groups.sums(samples_b * of_a - samples_a * of_b),
            groups.sizes,
            scale,
        )

    @property
    def only_a(self) -> float:
        """Pairs that only the first gets right."""
        return self.right_a - self.both

    @property
    def only_b(self) -> float:
        """Pairs that only the second gets right."""
        return self.right_b - self.both

    @property
    def difference(self) -> float:
        """The first guard's share minus the second's."""
        return (self.right_a - self.right_b) / self.pairs

    @property
    def squares(self) -> float:
        """The sum over groups of the squared difference in pairs right."""
        return int(self.totals @ self.totals) / self.scale**2


def _over(total: int, samples: int) -> float:
    """Return the mean over samples; with one sample, a whole number."""
    return total if samples == 1 else total / samples


def difference_interval(paired: Paired, *, tail: float = 0.025) -> Interval:
    """Return the interval of the first guard's share minus the second's, within [-1, 1].

    It is Newcombe's hybrid score interval for paired shares (1998, Statistics in Medicine 17, method 10, with the
    continuity correction of phi), on the effective number of pairs. Its width is never zero.

    Args:
        paired: The two guards.
        tail: The probability outside either end: 0.025 for the 95% interval, 0.05 for the 90% interval.
    """
    n, size, z = paired.pairs, _paired_size(paired, tail), {0.025: Z_95, 0.05: Z_90}[tail]
    neither = n - paired.right_a - paired.only_b
    a, b, c, d = (size / n * count for count in (paired.both, paired.only_a, paired.only_b, neither))
    p_a, p_b = paired.right_a / n, paired.right_b / n
    (low_a, high_a), (low_b, high_b) = wilson(p_a, size, z), wilson(p_b, size, z)
    cross, margins = a * d - b * c, (a + b) * (c + d) * (a + c) * (b + d)
    if cross > 0:
        cross = max(cross - size / 2, 0.0)
    phi = cross / math.sqrt(margins) if margins > 0 else 0.0
    gap = paired.difference
    below = _hybrid(p_a - low_a, high_b - p_b, phi)
    above = _hybrid(high_a - p_a, p_b - low_b, phi)
    return max(-1.0, gap - below), min(1.0, gap + above)


def _paired_size(paired: Paired, tail: float) -> float:
    """Return the effective number of pairs for a difference, from its variances with groups and without."""
    n, groups = paired.pairs, len(paired.sizes)
    if groups == n:
        return float(n)
    gap = paired.difference
    simple = paired.only_a + paired.only_b - (paired.right_a - paired.right_b) ** 2 / n
    size_squares = int(paired.sizes @ paired.sizes)
    if groups == 1 or simple <= 0:
        return n / (size_squares / n) * few_groups_factor(n, groups, tail)
    by_size = int(paired.totals @ paired.sizes) / paired.scale
    squares = paired.squares - 2 * gap * by_size + gap**2 * size_squares
    return n / max(1.0, groups / (groups - 1) * squares / simple) * few_groups_factor(n, groups, tail)


def _hybrid(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def sign_flip_p(totals: NDArray[np.int64]) -> float:
    """Return the exact two-sided p of the sign-flip test that two guards are right equally often.

    It is P(|sum s_g D_g| >= |sum D_g|), where each s_g is +1 or -1 with probability 1/2. With groups of one pair it is
    McNemar's exact test (McNemar 1947). Fewer than 6 groups that differ never reach 0.05.

    The sum is distributed as a sum of binomials scaled by the distinct |D_g|. The distribution is computed from its
    characteristic function, after an exponential tilt that moves its mean to the observed sum. So p has about 12
    correct digits however small it is, for any number of groups.

    Args:
        totals: (g,) the difference D_g of each group, whole numbers.
    """
    observed = abs(int(totals.sum()))
    if not observed:
        return 1.0
    by_size = np.bincount(np.abs(totals))
    values = np.flatnonzero(by_size[1:]) + 1
    counts = by_size[values]
    step = math.gcd(*values.tolist())
    values, observed = values // step, observed // step
    if len(values) == 1:
        groups = int(counts[0])
        return mcnemar_p((groups + observed) // 2, (groups - observed) // 2)
    total = int(values @ counts)
    if observed == total:
        return min(1.0, 2.0 ** (1 - int(counts.sum())))
    tilt = _tilt(values, counts, observed)
    # The sum is 2 T - total, where T is the sum of the |D_g| with sign +.
    plus = 1 / (1 + np.exp(-2 * tilt * values))
    mean, least = float(values * counts @ plus), (observed + total + 1) // 2
    # Nine standard deviations of the widest distribution: the tails beyond are below 1e-17 (Hoeffding 1963).
    reach = math.ceil(9 * math.sqrt(float(values**2 @ counts)) / 2) + 1
    length = 1 << (2 * min(reach, total) + 1).bit_length()
    start = round(mean) - length // 2
    law = _signed_sum(values, counts, plus, start, length)
    at = start + np.arange(length)
    tail = (at >= least) & (at <= total)
    log_scale = float(counts @ _log_cosh(tilt * values)) - tilt * observed
    found = float((law[tail] * np.exp(-tilt * (2.0 * at[tail] - total - observed))).sum())
    return min(1.0, 2 * found * math.exp(log_scale))


def _tilt(values: NDArray[np.int64], counts: NDArray[np.int64], mean: int) -> float:
    """Return the tilt t under which the sum of signed values has this mean: sum v tanh(t v) = mean, by bisection."""
    low, high = 0.0, 1.0
    while float(values * counts @ np.tanh(high * values)) < mean and high < 64:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if float(values * counts @ np.tanh(middle * values)) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _signed_sum(
    values: NDArray[np.int64], counts: NDArray[np.int64], plus: NDArray[np.float64], start: int, length: int
) -> NDArray[np.float64]:
    """Return P(T = start + i) for i below `length`: T sums values times binomials of `counts` trials at `plus`."""
    angles = 2 * math.pi / length * np.arange(length // 2 + 1)
    log_size, phase = np.zeros_like(angles), -angles * start
    for value, count, share in zip(values.tolist(), counts.tolist(), plus.tolist(), strict=True):
        turn = angles * value
        log_size += count / 2 * np.log1p(np.maximum(-4 * share * (1 - share) * np.sin(turn / 2) ** 2, -1 + 1e-300))
        phase += count * np.arctan2(share * np.sin(turn), 1 - share + share * np.cos(turn))
    law: NDArray[np.float64] = np.fft.irfft(np.exp(log_size) * np.exp(-1j * phase), length)
    return law.clip(0)


def _log_cosh(x: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(x + np.log1p(np.exp(-2 * x)) - math.log(2))


@lru_cache(maxsize=4096)
def t_point(freedom: int, tail: float = 0.025) -> float:
    """Return the point above which Student's t has probability `tail`: 12.7 at 1 degree of freedom, 1.96 in the limit.

    It uses Newton's method on the survival function, starting from the expansion of Fisher and Cornish (Abramowitz and
    Stegun 26.7.5).

    Args:
        freedom: Degrees of freedom, 1 or more.
        tail: 0.025 or 0.05.
    """
    if freedom == 1:
        return math.tan((0.5 - tail) * math.pi)
    if freedom == 2:
        return (1 - 2 * tail) * math.sqrt(2 / (1 - (1 - 2 * tail) ** 2))
    z, v = {0.025: Z_95, 0.05: Z_90}[tail], float(freedom)
    t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    if freedom > 10_000:  # the error of the expansion is below 1e-12
        return t
    log_constant = math.lgamma((v + 1) / 2) - math.lgamma(v / 2) - 0.5 * math.log(v * math.pi)
    for _ in range(20):
        found = 0.5 * _incomplete_beta(v / 2, 0.5, v / (v + t * t))
        density = math.exp(log_constant - (v + 1) / 2 * math.log1p(t * t / v))
        step = (found - tail) / density
        t += step
        if abs(step) < 1e-14 * t:
            break
    return t


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            fraction *= c * d
        if abs(c * d - 1.0) < 4e-16:
            break
    return math.exp(log_front) * fraction / a


def relative_consistency(correct: int, right_images: int, n_pairs: int) -> float | None:
    """Return P(C <= correct) when the right images fall uniformly at random among the 2 n images.

    C is the number of pairs with both images right: P(C=j) = C(n,j) C(n-j,k-2j) 2^(k-2j) / C(2n,k), k `right_images`.
    1.0 means as consistent as that image accuracy allows (after Johnson & Marasovic 2023). If no image is right, or all
    are, the value would be 1 for any guard and carries no information: None.
    """
    n, k = n_pairs, right_images
    if k in (0, 2 * n):
        return None

    def ratio(j: NDArray[np.float64]) -> NDArray[np.float64]:
        return (k - 2 * j) * (k - 2 * j - 1) / (4 * (j + 1) * (n - k + j + 1))

    # The ratio is 1 where its numerator and denominator, both quadratics in j, are equal: the j² cancel.
    mode = math.ceil((k * k + 3 * k - 4 * n - 4) / (4 * n + 6))
    return _probability_at_most(correct, ratio, mode, max(0, k - n), k // 2, n)


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p of McNemar's test: 2 P(B <= min), B binomial(1/2), at most 1 (McNemar 1947).

    Args:
        only_a: Pairs that only the first model gets right.
        only_b: Pairs that only the second model gets right. The result is 1.0 if both are 0.
    """
    n = only_a + only_b

    def ratio(j: NDArray[np.float64]) -> NDArray[np.float64]:
        return (n - j) / (j + 1)

    return min(1.0, 2 * _probability_at_most(min(only_a, only_b), ratio, n // 2, 0, n, n))


def _probability_at_most(at: int, ratio: Ratio, mode: int, lowest: int, highest: int, trials: int) -> float:
    """Return P(X <= at) for a unimodal distribution with support lowest..highest and `ratio(j)` = P(X=j+1) / P(X=j).

    Its standard deviation is at most sqrt(trials) / 2. Terms are built outwards from the mode, where they are largest,
    for 40 standard deviations: the terms beyond (less than 1e-340) are below the smallest float.
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
