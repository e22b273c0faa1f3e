"""Compute the points of a guard's curves: ROC, reliability, and the two scores of each pair. Templates draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetypairs_hf.report.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safetypairs_hf.metric.pairs import Pairs, Reading

MOST_CORNERS = 200  # points of a ROC curve
MOST_POINTS = 3000  # points of a scatter plot


def roc_of(pairs: Pairs) -> dict[str, list[float]] | None:
    """Return the ROC curve over all images of the pairs with two verdicts and two scores; None without such pairs.

    `across` and `up` are the shares of safe and of unsafe images at or above each threshold, in [0, 1] and rising. If
    there are more than MOST_CORNERS thresholds, that many are chosen evenly.
    """
    import numpy as np

    scores = _scored(pairs)
    if scores is None:
        return None
    unsafe, safe = (np.sort(each) for each in scores)
    thresholds = np.unique(np.concatenate((unsafe, safe)))[::-1]
    if len(thresholds) > MOST_CORNERS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, MOST_CORNERS).astype(int)]
    shares = {"across": safe, "up": unsafe}
    return {
        name: [0.0, *_rounded(1 - np.searchsorted(values, thresholds) / len(values))] for name, values in shares.items()
    }


def scatter_of(pairs: Pairs) -> dict[str, list[tuple[float, float]]] | None:
    """Return the scores of the safe and the unsafe image of each pair, by outcome; None if no pair has two scores.

    If there are more than MOST_POINTS pairs, that many are chosen evenly.
    """
    import numpy as np

    whole = pairs.scored
    if whole is None or not whole.any() or pairs.unsafe_score is None or pairs.safe_score is None:
        return None
    rows = np.flatnonzero(whole)
    if len(rows) > MOST_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).astype(int)]
    found = {}
    for number, outcome in enumerate(OUTCOMES):
        at = rows[pairs.outcome[rows] == number]
        if len(at):
            points = zip(_rounded(pairs.safe_score[at]), _rounded(pairs.unsafe_score[at]), strict=True)
            found[outcome.key] = sorted(set(points))
    return found


def calibration_of(columns: Mapping[str, Any], pairs: Pairs, reading: Reading) -> dict[str, Any] | None:
    """Return `metric.calibration` of a guard; None if it has no scores.

    Each bin has Wilson's 95% interval of `unsafe_share`, which assumes that the images are independent.
    """
    from safetypairs_hf.metric.calibration import calibration
    from safetypairs_hf.metric.inference import wilson

    if _scored(pairs) is None:
        return None
    labels, incomplete = reading.get("labels"), reading.get("incomplete", "error")
    found = calibration(columns, labels=labels, incomplete=incomplete).to_dict()
    for one in found["bins"]:
        share = one["unsafe_share"]
        one["unsafe_share_ci"] = None if share is None else list(wilson(share, one["images"]))
    return found


def _scored(pairs: Pairs) -> tuple[Any, Any] | None:
    """Return the scores of the unsafe and of the safe images of the pairs that have two verdicts and two scores."""
    whole = pairs.scored
    if whole is None or not whole.any() or pairs.unsafe_score is None or pairs.safe_score is None:
        return None
    return pairs.unsafe_score[whole], pairs.safe_score[whole]


def _rounded(values: Any) -> list[float]:
    """Round to four digits, which is finer than a pixel."""
    return [round(float(value), 4) for value in values]
