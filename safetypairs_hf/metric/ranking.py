"""The figures that need no threshold, exact and from one sort of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSAFE = np.uint64(1)
ORDERED = np.uint64(2)


class Ranking(NamedTuple):
    ranking_accuracy: float
    auroc: float
    best_threshold: float
    best_threshold_pair_accuracy: float


def rank(unsafe: NDArray[np.float64], safe: NDArray[np.float64]) -> Ranking:
    """The threshold-free figures of (n,) score pairs in [0, 1], n at least 1.

    Scores in [0, 1] sort like the integers that their bits spell, and use 62 of them: the two that are left say whose
    image it is and whether its pair is in the right order. All sums are of integers, so order changes no bit.
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
