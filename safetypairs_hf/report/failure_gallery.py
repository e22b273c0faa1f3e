"""Collect the verdicts of guards on each pair, and the pairs that they misjudge, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.report.outcomes import OUTCOMES
from safetypairs_hf.report.pair_pictures import BUDGET
from safetypairs_hf.report.raw_answers import raw_answers

if TYPE_CHECKING:
    from safetypairs_hf.report.guard_files import Guard
    from safetypairs_hf.report.pair_pictures import Pictured

_CARD, _LINE = 2500, 350  # characters on the page for a pair, and for each guard that fails on it
_VERDICTS = {1: "unsafe", 0: "safe", -1: "none"}


class Judged(NamedTuple):
    """The judgement of a guard on a pair.

    Attributes:
        pair_id: The id of the pair.
        category: Its category; None if the predictions have none.
        outcome: The key of the outcome.
        unsafe_verdict, safe_verdict: "unsafe", "safe" or "none" for each image.
        unsafe_score, safe_score: P(unsafe) of each image; None if the guard gave none.
        unsafe_answer, safe_answer: The text that the guard wrote about each image, or "".
    """

    pair_id: str
    category: str | None
    outcome: str
    unsafe_verdict: str
    safe_verdict: str
    unsafe_score: float | None
    safe_score: float | None
    unsafe_answer: str
    safe_answer: str


def worst(guard: Guard, most: int) -> tuple[list[Judged], int]:
    """Return the `most` worst failures of a guard, and the number of all its failures.

    They are sorted by s_safe - s_unsafe, largest first, which is how sure the guard is of the wrong answer. Pairs
    without two scores come after the others, and abstained pairs last. Ties are sorted by id.
    """
    import numpy as np

    pairs = guard.pairs
    outcome = pairs.outcome
    rows = np.flatnonzero(outcome != 0)
    if pairs.unsafe_score is None or pairs.safe_score is None:
        margin = np.full(len(rows), np.nan)
    else:
        margin = (pairs.safe_score - pairs.unsafe_score)[rows]
    # Without scores the outcomes still differ: "inverted" has two wrong verdicts.
    kind = np.select([outcome[rows] == 4, np.isnan(margin) & (outcome[rows] != 3)], [2, 1], 0)
    ids = np.array([str(each) for each in pairs.texts("pair_id").take(rows).to_pylist()], dtype=object)
    keys = (ids.astype(str), -np.nan_to_num(margin, nan=-2.0), kind)
    order = np.lexsort(keys)[:most]
    wrote = raw_answers(guard.path, set(ids[order]))
    judged = [_judged(guard, int(row), str(name), wrote) for row, name in zip(rows[order], ids[order], strict=True)]
    return judged, len(rows)


def _judged(guard: Guard, row: int, pair_id: str, wrote: Mapping[tuple[str, int], str]) -> Judged:
    pairs = guard.pairs

    def score(scores: Any) -> float | None:
        return None if scores is None or scores[row] != scores[row] else float(scores[row])

    return Judged(
        pair_id,
        None if pairs.category is None else pairs.categories[int(pairs.category[row])],
        OUTCOMES[int(pairs.outcome[row])].key,
        _VERDICTS[int(pairs.unsafe_verdict[row])],
        _VERDICTS[int(pairs.safe_verdict[row])],
        score(pairs.unsafe_score),
        score(pairs.safe_score),
        wrote.get((pair_id, 1), ""),
        wrote.get((pair_id, 0), ""),
    )


def by_pair(failures: Sequence[Sequence[Judged]]) -> list[dict[str, Any]]:
    """Group the failures of several guards by pair: the worst of each guard first, then the second of each, and so on.

    Args:
        failures: The failures of each guard, worst first.

    Returns:
        For each pair `pair_id`, `category` and `guards`. `guards` has an entry for each guard that fails on the pair:
        the guard's position in `failures`, the rank of the pair among its failures (from 0), the outcome, the verdicts
        and the scores.
    """
    found: dict[str, dict[str, Any]] = {}
    ranked = [(rank, place, each) for place, of in enumerate(failures) for rank, each in enumerate(of)]
    for rank, place, each in sorted(ranked, key=lambda item: item[:2]):
        pair = found.setdefault(each.pair_id, {"pair_id": each.pair_id, "category": each.category, "guards": []})
        pair["guards"].append({"guard": place, "rank": rank, **_judgement(each)})
    for pair in found.values():
        pair["guards"].sort(key=lambda one: one["guard"])
    return list(found.values())


def fitting(pairs: Sequence[Mapping[str, Any]], pictures: Mapping[str, Pictured], budget: int = BUDGET) -> int:
    """Return how many of the pairs from `by_pair`, counted from the first, fit on a page with their pictures."""
    for number, pair in enumerate(pairs):
        budget -= _CARD + _LINE * len(pair["guards"])
        budget -= sum(len(one[name]) for one in pair["guards"] for name in ("unsafe_answer", "safe_answer"))
        budget -= pictures[pair["pair_id"]].size if pair["pair_id"] in pictures else 0
        if budget < 0:
            return number
    return len(pairs)


def verdicts_by_pair(guards: Sequence[Guard]) -> dict[str, list[dict[str, Any]]]:
    """Return the judgements of all guards by pair id, right or wrong, with the guard's position in `guards`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for place, guard in enumerate(guards):
        ids = [str(each) for each in guard.pairs.texts("pair_id").to_pylist()]
        wrote = raw_answers(guard.path, set(ids))
        for row, pair_id in enumerate(ids):
            found.setdefault(pair_id, []).append({"guard": place, **_judgement(_judged(guard, row, pair_id, wrote))})
    return found


def _judgement(judged: Judged) -> dict[str, Any]:
    return {name: value for name, value in judged._asdict().items() if name not in ("pair_id", "category")}
