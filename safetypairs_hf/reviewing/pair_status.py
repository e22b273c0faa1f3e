"""Compute the status of a pair from the decisions of its reviewers. All other code uses this module for it.

A reviewer's vote on a pair is the last decision that was not taken back, if it is accept, reject or borderline; a skip
is not a vote. The status of a pair is

* `unreviewed`: there is no vote;
* `accepted`, `rejected`, `borderline`: more than half of the votes have this action;
* `disputed`: no action has more than half of the votes; another reviewer has to decide.

The agreement is the share of pairs of reviewers with equal votes (the P_i of Fleiss 1971, Psychological Bulletin 76).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from safetypairs_hf.dataset.manifest import UNREVIEWED
from safetypairs_hf.dataset.reviews import STATUSES, Review, Said
from safetypairs_hf.reviewing.decisions import JUDGED, Decision, blind_answers, effective

STATUS_OF: Final = dict(zip(JUDGED, STATUSES, strict=False))
DISPUTED: Final = STATUSES[-1]


def status_of(votes: Sequence[str]) -> str:
    """Return the status of a pair from its votes, each one of JUDGED; UNREVIEWED without votes."""
    if not votes:
        return UNREVIEWED
    vote, count = Counter(votes).most_common(1)[0]
    return STATUS_OF[vote] if 2 * count > len(votes) else DISPUTED


def agreement_of(votes: Sequence[str]) -> float | None:
    """Return the share of pairs of reviewers with the same vote, in [0, 1]; None for fewer than two votes."""
    n = len(votes)
    alike = sum(count * (count - 1) for count in Counter(votes).values())
    return alike / (n * (n - 1)) if n > 1 else None


def votes_of(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """Return (pair id, reviewer) -> the decision that is this reviewer's vote on the pair."""
    return {key: each for key, each in effective(decisions).items() if each.action in JUDGED}


def pseudonyms(decisions: Iterable[Decision]) -> dict[str, str]:
    """Return reviewer -> R1, R2, ... in the order of their first decisions.

    Times are not published, so a number does not reveal a name.
    """
    first: dict[str, str] = {}
    for decision in decisions:
        first[decision.reviewer] = min(first.get(decision.reviewer, decision.time), decision.time)
    order = sorted(first, key=lambda name: (first[name], name))
    return {name: f"R{number}" for number, name in enumerate(order, 1)}


def review_pairs(decisions: Sequence[Decision]) -> dict[str, Review]:
    """Return pair id -> the review of each pair with a vote, by pseudonym."""
    called, blind = pseudonyms(decisions), blind_answers(decisions)
    by_pair: dict[str, list[tuple[str, Decision]]] = defaultdict(list)
    for (pair_id, reviewer), vote in votes_of(decisions).items():
        by_pair[pair_id].append((reviewer, vote))
    return {pair_id: _review(pair_id, votes, called, blind) for pair_id, votes in sorted(by_pair.items())}


def _review(
    pair_id: str,
    votes: Sequence[tuple[str, Decision]],
    called: Mapping[str, str],
    blind: Mapping[tuple[str, str], Decision],
) -> Review:
    actions = [vote.action for _, vote in votes]
    said = []
    for reviewer, vote in votes:
        first = blind.get((pair_id, reviewer))
        said.append(Said(called[reviewer], vote.action, " ".join(vote.reason.split()), first.blind if first else None))
    said.sort(key=lambda each: int(each.reviewer[1:]))
    return Review(pair_id, status_of(actions), len(said), agreement_of(actions), tuple(said))


def reject_reason(review: Review) -> str:
    """Return the most frequent reason for rejecting a pair; of equally frequent ones, the first in the alphabet."""
    reasons = Counter(each.reason for each in review.decisions if each.decision == "reject")
    return min(reasons, key=lambda reason: (-reasons[reason], reason))
