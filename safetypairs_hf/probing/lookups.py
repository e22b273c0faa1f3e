"""Look-ups: is a pair decided by which items and words its members have, with no look at how they are put together?

Each look-up gives a member a score from its tokens alone, learned on other pairs. A pair is right where the unsafe
member's score is higher; a tie is wrong, as somebody who looks up nothing useful has no answer.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.probing.auc import Share, in_order, numbered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
OVER = ("pairs", "groups")
NAMES = ("one item", "bag of items and words", "changed item")


class Clue(NamedTuple):
    """What the members of a pair have in words: their tokens, those of them that changed, and the pair's group.

    A token is any text: an item ("a knife"), a word of it, or a feature of a recipe's own.
    """

    unsafe: Collection[str]
    safe: Collection[str]
    unsafe_changed: Collection[str]
    safe_changed: Collection[str]
    group: str


class Lookup(NamedTuple):
    """The share of pairs that a look-up has right. `over`: what it was learned on, other pairs or other groups."""

    name: str
    over: str
    pairs: Share


def lookups(clues: Iterable[Clue]) -> tuple[Lookup, ...]:
    """Learn and score the look-ups, each cross-validated over pairs and over groups.

    * One item: a member has the log odds of its most telling token, log((u + 1/2) / (s + 1/2)), where u unsafe and s
      safe members have it among the pairs learned from; a token that is in none has 0.
    * Bag: a logistic regression on which tokens a member has.
    * Changed item: the sum of the log odds of the tokens that changed.

    Over pairs, the same item may stand in pairs that were learned from; over groups, only in other groups, such as
    families. Where each pair is a group of its own the two differ only by the draw of the folds.

    Raises:
        ValueError: There are fewer groups than folds.
    """
    import numpy as np

    known = list(clues)
    groups = numbered([clue.group for clue in known])
    if len(set(groups.tolist())) < FOLDS:
        raise ValueError(f"{len(set(groups.tolist()))} groups: it takes {FOLDS}")
    made = {
        over: _scores(known, numbers)
        for over, numbers in (("pairs", np.arange(len(known))), ("groups", groups))
    }
    return tuple(
        Lookup(name, over, in_order(*made[over][number], groups, tie=0.0))
        for number, name in enumerate(NAMES)
        for over in OVER
    )


def _scores(clues: Sequence[Clue], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """(look-ups, 2, n) the scores of the unsafe and of the safe members."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    found = np.zeros((len(NAMES), 2, len(clues)))
    for known, asked in GroupKFold(FOLDS, shuffle=True, random_state=0).split(groups, groups=groups):
        odds = _odds([clues[number] for number in known])
        of = [clues[number] for number in asked]
        for side, (having, changed) in enumerate((("unsafe", "unsafe_changed"), ("safe", "safe_changed"))):
            found[0, side, asked] = [_most([odds.get(token, 0.0) for token in getattr(clue, having)]) for clue in of]
            found[2, side, asked] = [
                math.fsum(odds.get(token, 0.0) for token in set(getattr(clue, changed))) for clue in of
            ]
        found[1][:, asked] = _bag([clues[number] for number in known], of)
    return np.round(found, 9)  # equal tokens give equal scores, in whatever order they were added up


def _most(odds: Sequence[float]) -> float:
    return max(odds, default=0.0)


def _odds(clues: Sequence[Clue]) -> dict[str, float]:
    """The log odds of each token."""
    unsafe = Counter(token for clue in clues for token in set(clue.unsafe))
    safe = Counter(token for clue in clues for token in set(clue.safe))
    return {token: math.log((unsafe[token] + 0.5) / (safe[token] + 0.5)) for token in unsafe.keys() | safe.keys()}


def _bag(known: Sequence[Clue], asked: Sequence[Clue]) -> Any:
    """(2, n) what a logistic regression on the bag of tokens says of the members of `asked`."""
    import numpy as np
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    columns = {token: at for at, token in enumerate(sorted({t for c in known for t in (*c.unsafe, *c.safe)}))}

    def table(bags: Sequence[Collection[str]]) -> Any:
        places = [sorted({columns[token] for token in bag if token in columns}) for bag in bags]
        ends = np.cumsum([0, *map(len, places)])
        at = np.array([place for of in places for place in of], dtype=np.int32)
        return csr_array((np.ones(len(at)), at, ends.astype(np.int32)), shape=(len(bags), max(1, len(columns))))

    bags = [clue.unsafe for clue in known] + [clue.safe for clue in known]
    learned = LogisticRegression(max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learned.fit(table(bags), np.repeat([1, 0], len(known)))
    said = learned.decision_function(table([clue.unsafe for clue in asked] + [clue.safe for clue in asked]))
    return said.reshape(2, len(asked))
