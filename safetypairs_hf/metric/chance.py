"""Exact tail probabilities, from the ratios of neighbouring terms: no factorial, so nothing overflows at any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ratio = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def relative_consistency(correct: int, right_images: int, n_pairs: int) -> float:
    """P(C <= correct) when the right images fall uniformly at random among the 2 n images; in [0, 1].

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
    """Exact two-sided McNemar p over discordant pairs: 2 P(B <= min), B binomial(1/2), at most 1 (McNemar 1947).

    `only_a`, `only_b`: pairs that only one of the two models has right. 1.0 where there is none.
    """
    n = only_a + only_b

    def ratio(j: NDArray[np.float64]) -> NDArray[np.float64]:
        return (n - j) / (j + 1)

    return min(1.0, 2 * _probability_at_most(min(only_a, only_b), ratio, n // 2, 0, n, n))


def _probability_at_most(at: int, ratio: Ratio, mode: int, lowest: int, highest: int, trials: int) -> float:
    """P(X <= at) of a law with one mode, support lowest..highest, and `ratio(j)` = P(X=j+1) / P(X=j).

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
