"""Detectors: a learner on one kind of traces, cross-validated over groups, and the best one, chosen on other folds.

A model scores single members, and has seen neither their pair nor their group. Scores are compared only within a fold,
in which one model computed them all, so they are converted to ranks within the fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.probing.auc import Share, auc, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Name = tuple[str, str, str]  # traces, place, learner

FOLDS = 5
TREES = 30
WHERE = ("image", "box")  # a detector's input: the file and the whole image, or the box of the edit


class Traces(NamedTuple):
    """One kind of traces of n pairs: (n, k) numbers of the edited members, and of the other members."""

    name: str
    where: str
    edited: Floats
    other: Floats


class Detector(NamedTuple):
    """The result of one learner on one kind of traces."""

    traces: str
    where: str
    learner: str
    auc: Share
    pairs: Share


class Best(NamedTuple):
    """The best detector of one place.

    In each fold it is the one that was best on the other folds, so the choice does not see the data on which it is
    measured, and the best of many detectors is not high by selection.
    """

    where: str
    tried: int
    named: str  # the detector that was chosen in most folds
    auc: Share
    pairs: Share


class Verdicts(NamedTuple):
    """All detectors, and the best of each place."""

    detectors: tuple[Detector, ...]
    best: tuple[Best, ...]


def learners() -> Mapping[str, Callable[[], Any]]:
    """Return the learners by name. Fixed seeds and one thread give the same figures for the same pairs."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=400)),
        "forest": lambda: ExtraTreesClassifier(TREES, min_samples_leaf=4, max_features=0.5, random_state=0, n_jobs=1),
    }


def folds(groups: NDArray[np.int64]) -> list[tuple[Any, Any]]:
    """Return (pairs to learn from, pairs to score) of each fold; every group is in one fold."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    return list(GroupKFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(groups)), groups=groups))


def detect(
    traces: Sequence[Traces], groups: NDArray[np.int64], progress: Callable[[int, int], None] = lambda done, of: None
) -> Verdicts:
    """Train and score every detector.

    Args:
        traces: Kinds of traces of the same n pairs.
        groups: (n,) the number of each pair's group; at least `FOLDS` groups.
        progress: Called as (detectors done, number of detectors).
    """
    every = list(_with_all(traces))
    made, split = learners(), folds(groups)
    scores: dict[Name, Floats] = {}
    for kind in every:
        for learner, make in made.items():
            scores[kind.name, kind.where, learner] = _ranks(kind, split, make)
            progress(len(scores), len(every) * len(made))
    found = [Detector(*name, auc(of[0], of[1], groups), in_order(of[0], of[1], groups)) for name, of in scores.items()]
    return Verdicts(tuple(found), tuple(_best(where, scores, groups, split) for where in WHERE))


def _with_all(traces: Sequence[Traces]) -> Iterator[Traces]:
    """Yield the kinds, and for each place all of its kinds combined."""
    import numpy as np

    yield from traces
    for where in WHERE:
        kinds = [kind for kind in traces if kind.where == where]
        yield Traces(
            "all of these",
            where,
            np.concatenate([kind.edited for kind in kinds], axis=1),
            np.concatenate([kind.other for kind in kinds], axis=1),
        )


def _ranks(kind: Traces, split: Sequence[tuple[Any, Any]], make: Callable[[], Any]) -> Floats:
    """Return (2, n) scores of the edited members and of the others, as ranks in (0, 1) within their fold."""
    import numpy as np
    from scipy.stats import rankdata

    found = np.zeros((2, len(kind.edited)))
    for known, asked in split:
        learned = make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fit that has not converged is still a detector
            learned.fit(
                np.concatenate((kind.edited[known], kind.other[known])),
                np.repeat([1, 0], len(known)),
            )
            said = learned.predict_proba(np.concatenate((kind.edited[asked], kind.other[asked])))[:, 1]
        ranks = rankdata(np.round(said, 9)) / (len(said) + 1)
        found[:, asked] = ranks.reshape(2, len(asked))
    return found


def _best(
    where: str, scores: Mapping[Name, Floats], groups: NDArray[np.int64], split: Sequence[tuple[Any, Any]]
) -> Best:
    import numpy as np

    tried = {name: of for name, of in scores.items() if name[1] == where}
    chosen, made = [], np.zeros((2, len(groups)))
    for known, asked in split:
        name = max(tried, key=lambda name: auc(tried[name][0, known], tried[name][1, known], groups[known]).value)
        chosen.append(name)
        made[:, asked] = tried[name][:, asked]
    traces, _, learner = max(dict.fromkeys(chosen), key=chosen.count)
    return Best(
        where, len(tried), f"{traces}, {learner}", auc(made[0], made[1], groups), in_order(made[0], made[1], groups)
    )
