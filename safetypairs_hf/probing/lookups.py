"""Look-ups: is a pair decided by the items and words of its members, without their arrangement?

Each look-up gives a member a score from its tokens only, learned on other pairs. A pair is right if the unsafe member's
score is higher. A tie counts as wrong, because a look-up without useful tokens has no answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from safetypairs_hf.probing.auc import Share, in_order, numbered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
OVER = ("pairs", "groups")
NAMES = ("one item", "bag of items and words", "changed item")


class Clue(NamedTuple):
    """The tokens of a pair's members, those of them that changed, and the pair's group.

    A token is any text: an item ("a knife"), a word of it, or a recipe's own feature.
    """

    unsafe: Collection[str]
    safe: Collection[str]
    unsafe_changed: Collection[str]
    safe_changed: Collection[str]
    group: str


class Lookup(NamedTuple):
    """The share of pairs that a look-up gets right. `over`: whether it was learned on other pairs or other groups."""

    name: str
    over: str
    pairs: Share


def lookups(clues: Iterable[Clue]) -> tuple[Lookup, ...]:
    """Learn and score the look-ups, each cross-validated over pairs and over groups.

    * One item: a member has the log odds of its most informative token, log((u + 1/2) / (s + 1/2)), where u unsafe and
      s safe members have it among the training pairs; a token that none of them has counts 0.
    * Bag: the sum of the log odds of all tokens of the member, as in naive Bayes.
    * Changed item: the sum of the log odds of the changed tokens only, `unsafe_changed` and `safe_changed`.

    Over pairs, the training pairs may have the same item. Over groups, they are from other groups, such as families. If
    each pair is its own group, the two differ only by the random folds.

    Raises:
        ValueError: There are fewer groups than folds.
    """
    import numpy as np

    known = list(clues)
    groups = numbered([clue.group for clue in known])
    if len(set(groups.tolist())) < FOLDS:
        raise ValueError(f"{len(set(groups.tolist()))} groups: it takes {FOLDS}")
    made = {over: _scores(known, numbers) for over, numbers in (("pairs", np.arange(len(known))), ("groups", groups))}
    return tuple(
        Lookup(name, over, in_order(made[over][number, 0], made[over][number, 1], groups, tie=0.0))
        for number, name in enumerate(NAMES)
        for over in OVER
    )


def _scores(clues: Sequence[Clue], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (look-ups, 2, n) scores of the unsafe and of the safe members."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    found = np.zeros((len(NAMES), 2, len(clues)))
    for known, asked in GroupKFold(FOLDS, shuffle=True, random_state=0).split(groups, groups=groups):
        odds = _odds([clues[number] for number in known])
        for side, (having, changed) in enumerate((("unsafe", "unsafe_changed"), ("safe", "safe_changed"))):
            for number in asked:
                of_all = [odds.get(token, 0.0) for token in set(getattr(clues[number], having))]
                of_changed = [odds.get(token, 0.0) for token in set(getattr(clues[number], changed))]
                found[:, side, number] = _most(of_all), math.fsum(of_all), math.fsum(of_changed)
    return np.round(found, 9)  # equal tokens give equal scores in any order of summation


def _most(odds: Sequence[float]) -> float:
    return max(odds, default=0.0)


def _odds(clues: Sequence[Clue]) -> dict[str, float]:
    """Return the log odds of each token."""
    unsafe = Counter(token for clue in clues for token in set(clue.unsafe))
    safe = Counter(token for clue in clues for token in set(clue.safe))
    return {token: math.log((unsafe[token] + 0.5) / (safe[token] + 0.5)) for token in unsafe.keys() | safe.keys()}
