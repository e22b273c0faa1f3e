"""95% intervals: Wilson's score where pairs stand alone, a percentile bootstrap over groups where they cluster."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0
Z_95 = 1.959963984540054  # two-sided 5% point of the normal law
CELLS = 2_000_000  # drawn counts held at once, so that memory does not grow with the number of groups


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval for a share (Wilson 1927), within [0, 1]; `n` at least 1."""
    share, z2 = successes / n, Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the ends the interval touches 0 or 1 exactly; rounding would miss by a hair.
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def bootstrap(totals: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """Percentile interval of sum(totals) / sum(sizes) when groups are drawn with replacement (Efron 1979).

    `totals`, `sizes`: (g,) integers a group, sizes above 0. Groups with the same total and size are one type, and how
    often each type comes in a resample of g groups is one multinomial draw: the same law as drawing groups one by
    one, but independent of the groups' names and order, and its cost depends on the number of types alone.
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
