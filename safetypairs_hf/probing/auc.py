"""Compute the AUC of cross-validated scores, the share of pairs in the right order, and their intervals over groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


# The scores of cross-validated learners vary more than independent ones, because the models share training data. Nadeau
# and Bengio (2003, Machine Learning 52) multiply the variance by 1 + k test / train, which is 2.25 for five folds.
RESAMPLED = 2.25


class Share(NamedTuple):
    """A share in [0, 1], such as an AUC, with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return the numbers to four digits; further digits differ between processors."""
        return {name: round(value, 4) for name, value in self._asdict().items()}

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def auc(edited: Floats, other: Floats, groups: NDArray[np.int64]) -> Share:
    """Compute the AUC of scores, with an interval over groups.

    It is the probability that an edited member scores above another pair's or its own other member, with ties counted
    half. The interval is Obuchowski's (1997, Biometrics 53), from the structural components of DeLong and others (1988,
    Biometrics 44) summed over the members of a group, times `RESAMPLED`.

    Args:
        edited: (n,) the scores of the edited members.
        other: (n,) the scores of the other members.
        groups: (n,) the number of each pair's group.
    """
    import numpy as np
    from scipy.stats import rankdata

    n = len(edited)
    ranks = rankdata(np.concatenate((edited, other)))
    above = (ranks[:n] - rankdata(edited)) / n  # of the other members, the share below each edited one
    below = 1 - (ranks[n:] - rankdata(other)) / n  # of the edited members, the share above each other one
    return _mean((above + below) / 2, groups, 2.0)


def in_order(edited: Floats, other: Floats, groups: NDArray[np.int64], tie: float = 0.5) -> Share:
    """Compute the share of pairs whose edited member scores higher, with an interval over groups.

    Args:
        edited: As in `auc`.
        other: As in `auc`.
        groups: As in `auc`.
        tie: The value of a pair whose members have equal scores.
    """
    import numpy as np

    return _mean(np.where(edited == other, tie, edited > other), groups)


def _mean(value: Floats, groups: NDArray[np.int64], scale: float = 1.0) -> Share:
    """Return the mean of (n,) values, and its interval on the logit scale with the variance between groups.

    `scale` times the deviations of `value` are those of the mean: an AUC averages the two components of each pair. At 0
    and 1, and if all groups are equal, the variance is not informative, so Wilson's interval is used, with a group as
    one pair.
    """
    import numpy as np
    from scipy.stats import t

    mean = float(value.mean())
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=value - mean)
    count = len(sizes)
    variance = count / (count - 1) * float(sums @ sums) * (scale / len(value)) ** 2 * RESAMPLED if count > 1 else 0.0
    if mean in (0.0, 1.0) or variance < 1e-18:
        return Share(mean, *_wilson(mean, len(value) ** 2 / float(sizes @ sizes) / RESAMPLED))
    spread = float(t.ppf(0.975, count - 1)) * math.sqrt(variance) / (mean * (1 - mean))
    low, high = (1 / (1 + math.exp(-min(700.0, max(-700.0, _logit(mean) + side * spread)))) for side in (-1, 1))
    return Share(mean, low, high)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _wilson(share: float, size: float) -> tuple[float, float]:
    z2 = 1.959963984540054**2
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = math.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size * size))) / (1 + z2 / size)
    return max(0.0, centre - half), min(1.0, centre + half)


def numbered(groups: Any) -> NDArray[np.int64]:
    """Return the number of each pair's group, from 0, from its name."""
    import numpy as np

    return np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1].astype(np.int64)
