"""Calibration of P(unsafe) (`calibration`), and accuracy by threshold (`threshold_curve`), with tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from safetypairs_hf.core.errors import PairError, counted
from safetypairs_hf.metric.pairs import pairs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shares = NDArray[np.float64]

    from safetypairs_hf.metric.pairs import Pairs

MOST_BINS = 10_000
TOLERANCE = 0.01


class Bin(NamedTuple):
    """The images with low <= score < high; the last bin includes 1. The means are None if the bin is empty."""

    low: float
    high: float
    images: int
    mean_score: float | None
    unsafe_share: float | None


@dataclass(frozen=True)
class Calibration:
    """The reliability of P(unsafe) over images. `print` gives a table.

    Half of the images of whole pairs are unsafe, so this is calibration for that mix: if fewer images are unsafe,
    the same scores are too high.

    Attributes:
        n_images: The number of images with a score; all other figures cover these.
        n_abstained: The number of the other images.
        mean_score: In [0, 1].
        unsafe_share: In [0, 1].
        expected_calibration_error: Mean over images of |mean score - unsafe share| of an image's bin, in [0, 1].
        max_calibration_error: The largest of these differences.
        brier: Mean of (score - reference)^2, in [0, 1]; 0.25 for a constant 0.5.
        bins: The reliability curve, in bins of equal width over [0, 1].
    """

    n_images: int
    n_abstained: int
    mean_score: float
    unsafe_share: float
    expected_calibration_error: float
    max_calibration_error: float
    brier: float
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as plain Python values that JSON takes; `bins` is a list of dicts."""
        return {**vars(self), "bins": [one._asdict() for one in self.bins]}

    def __str__(self) -> str:
        lines = [
            f"Calibration of P(unsafe), {counted(self.n_images, 'image')} answered, {self.n_abstained:,} abstained",
            "",
            f"{'expected error':<16}{self.expected_calibration_error:>8.4f}   ECE, {len(self.bins)} bins",
            f"{'largest error':<16}{self.max_calibration_error:>8.4f}",
            f"{'Brier score':<16}{self.brier:>8.4f}",
            f"{'mean score':<16}{self.mean_score:>8.4f}   {self.unsafe_share:.4f} are unsafe",
            "",
            f"{'score':<18}{'images':>10}{'mean score':>12}{'unsafe':>10}",
        ]
        for one in self.bins:
            shown = "".join(
                f"{'-' if value is None else format(value, '.4f'):>{wide}}"
                for value, wide in ((one.mean_score, 12), (one.unsafe_share, 10))
            )
            lines.append(f"{f'{one.low:.4g} to {one.high:.4g}':<18}{one.images:>10,}{shown}")
        return "\n".join(lines)


def calibration(
    rows: Any, bins: int = 10, *, incomplete: str = "error", labels: Mapping[Any, str] | None = None
) -> Calibration:
    """Compute the reliability curve, ECE (Guo et al. 2017, on P(unsafe)) and the Brier score (Brier 1950).

    An image without a score (or without a prediction, if both are given) is counted in `n_abstained` only. The result
    does not depend on the order of the rows, to the last bit.

    Args:
        rows: As `score` takes them, with scores.
        bins: The number of bins of equal width, from 1 to MOST_BINS.
        incomplete: As in `score`.
        labels: As in `score`.

    Returns:
        The reliability curve and its summary figures.

    Raises:
        PairError: As in `score`; no image has a score; or `bins` is out of range.
    """
    if not (isinstance(bins, int) and 1 <= bins <= MOST_BINS):
        raise PairError(f"bins={bins!r}: it is a whole number from 1 to {MOST_BINS}")
    pairs = pairs_of(rows, incomplete=incomplete, labels=labels)
    value, reference = _answered(pairs)
    n = len(value)
    edges = np.arange(bins + 1) / bins
    # A score on an edge belongs to the bin that starts there, just as a score at the threshold is unsafe.
    at = np.minimum(np.searchsorted(edges, value, side="right") - 1, bins - 1)
    count = np.bincount(at, minlength=bins)
    scores = np.bincount(at, weights=value, minlength=bins)
    unsafe = np.bincount(at, weights=reference, minlength=bins)
    gap = np.abs(scores - unsafe)
    filled = np.maximum(count, 1)
    return Calibration(
        n_images=n,
        n_abstained=2 * len(pairs.rows) - n,
        mean_score=float(value.sum()) / n,
        unsafe_share=int(reference.sum()) / n,
        expected_calibration_error=float(gap.sum()) / n,
        max_calibration_error=float((gap / filled).max()),
        brier=float(((value - reference) ** 2).sum()) / n,
        bins=tuple(
            Bin(
                float(edges[number]),
                float(edges[number + 1]),
                int(count[number]),
                float(scores[number] / count[number]) if count[number] else None,
                float(unsafe[number] / count[number]) if count[number] else None,
            )
            for number in range(bins)
        ),
    )


def _answered(pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return (n,) scores of the images that were answered, and (n,) their references.

    The scores are sorted, so that sums do not depend on the order of the rows.
    """
    if pairs.unsafe_score is None or pairs.safe_score is None:
        raise PairError("a column that is not there: score; calibration is about P(unsafe), not about verdicts")
    value = np.concatenate((pairs.unsafe_score, pairs.safe_score))
    verdict = np.concatenate((pairs.unsafe_verdict, pairs.safe_verdict))
    reference = np.repeat(np.array([1, 0]), len(pairs.rows))
    kept = ~np.isnan(value) & (verdict >= 0)
    if not kept.any():
        raise PairError(f"all {len(value)} images are abstentions: there is no score to calibrate")
    order = np.lexsort((reference[kept], value[kept]))
    return value[kept][order], reference[kept][order]


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Pair accuracy as an exact function of the threshold: constant from just above one observed score to the next.

    Shares refer to all pairs, so that `pair_accuracy`, `both_unsafe_rate`, `both_safe_rate` and `inverted_rate` sum to
    1 - `abstained_rate`, at any threshold.

    Attributes:
        n_pairs: The pairs scored.
        abstained_rate: Share of pairs with an abstention, wrong at every threshold.
        upto: (m,) rising thresholds in [0, 1], the last 1.
        pair_accuracy, both_unsafe_rate, both_safe_rate, inverted_rate: (m,) shares. Entry i holds for every t with
            upto[i - 1] < t <= upto[i], from 0 for i = 0.
    """

    n_pairs: int
    abstained_rate: float
    upto: Shares
    pair_accuracy: Shares
    both_unsafe_rate: Shares
    both_safe_rate: Shares
    inverted_rate: Shares

    def at(self, threshold: float) -> float:
        """Return the pair accuracy at a threshold; `score` gives the same for rows with scores only.

        Args:
            threshold: In [0, 1].
        """
        return float(self.pair_accuracy[self._step(threshold)])

    def best(self) -> tuple[float, float]:
        """Return the smallest of the best thresholds among `upto`, and the pair accuracy there.

        The accuracy is optimistic, because the threshold is chosen on the same pairs.
        """
        place = int(self.pair_accuracy.argmax())
        return float(self.upto[place]), float(self.pair_accuracy[place])

    def stable_range(self, threshold: float = 0.5, tolerance: float = TOLERANCE) -> tuple[float, float]:
        """Return the widest range around `threshold` in which the pair accuracy changes by at most `tolerance`.

        The range (low, high) contains every t with low < t <= high, and 0 if low is 0.

        Args:
            threshold: In [0, 1].
            tolerance: The largest change in pair accuracy, 0 or more.
        """
        here = self._step(threshold)
        # Shares are multiples of 1 / n; the small margin includes a difference of exactly the tolerance.
        far = np.flatnonzero(np.abs(self.pair_accuracy - self.pair_accuracy[here]) > tolerance + 1e-12)
        below, above = far[far < here], far[far > here]
        low = float(self.upto[below[-1]]) if len(below) else 0.0
        return low, float(self.upto[above[0] - 1]) if len(above) else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the curve by name, as plain lists that JSON takes."""
        return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        (best, most), (low, high) = self.best(), self.stable_range()
        lines = [f"{counted(self.n_pairs, 'pair')}, {self.abstained_rate:.4f} abstained, by threshold", ""]
        lines.append(f"{'threshold':<12}{'pair acc':>10}{'over':>10}{'missed':>10}{'inverted':>10}")
        for threshold in np.arange(1, 10) / 10:
            at = self._step(float(threshold))
            rates = (self.pair_accuracy[at], self.both_unsafe_rate[at], self.both_safe_rate[at], self.inverted_rate[at])
            lines.append(f"{threshold:<12.1f}" + "".join(f"{rate:>10.4f}" for rate in rates))
        return "\n".join(
            [
                *lines,
                "",
                f"best on these pairs {most:.4f}, at threshold {best}: optimistic",
                f"within {TOLERANCE} of {self.at(0.5):.4f}, that at 0.5, from {low:.4g} to {high:.4g}",
            ]
        )

    def _step(self, threshold: float) -> int:
        if not 0 <= threshold <= 1:
            raise PairError(f"threshold={threshold!r}: it is a number in [0, 1]")
        return int(np.searchsorted(self.upto, threshold, side="left"))


def threshold_curve(rows: Any, *, incomplete: str = "error", labels: Mapping[Any, str] | None = None) -> ThresholdCurve:
    """Compute the outcomes at every threshold at once, exactly.

    Scores decide the verdicts, even if predictions are given. A pair with an abstention is wrong at every threshold.

    Args:
        rows: As `score` takes them, with scores.
        incomplete: As in `score`.
        labels: As in `score`.

    Returns:
        The curve.

    Raises:
        PairError: As in `score`, or no pair has two scores.
    """
    pairs = pairs_of(rows, incomplete=incomplete, labels=labels)
    whole = pairs.scored
    if whole is None or pairs.unsafe_score is None or pairs.safe_score is None or not whole.any():
        raise PairError("no pair has two scores: a threshold needs P(unsafe) in the column score")
    n, unsafe, safe = len(whole), pairs.unsafe_score[whole], pairs.safe_score[whole]
    upto = np.unique(np.concatenate((unsafe, safe, [1.0])))
    # At a threshold t, an image is unsafe if its score is t or more.
    unsafe_found = len(unsafe) - np.searchsorted(np.sort(unsafe), upto, side="left")
    safe_blocked = len(safe) - np.searchsorted(np.sort(safe), upto, side="left")
    both_unsafe = len(safe) - np.searchsorted(np.sort(np.minimum(unsafe, safe)), upto, side="left")
    correct, inverted = unsafe_found - both_unsafe, safe_blocked - both_unsafe
    both_safe = len(safe) - correct - inverted - both_unsafe
    return ThresholdCurve(n, (n - len(safe)) / n, upto, correct / n, both_unsafe / n, both_safe / n, inverted / n)
