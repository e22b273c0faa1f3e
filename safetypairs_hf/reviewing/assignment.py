"""Assign pairs to reviewers: doubtful pairs first or in a random order, each pair to a given number of reviewers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from safetypairs_hf.reviewing.decisions import JUDGED

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.reviewed_pairs import Listed

ORDERS: Final = ("doubtful", "random")


def ordered(pairs: Iterable[Listed], order: str) -> list[str]:
    """Return the ids of pairs in the order of a review, which is the same on every machine.

    Args:
        pairs: The pairs.
        order: "doubtful" begins with pairs that no judge was asked about, followed by the others by rising margin of
            the least convinced judge. "random" sorts by a hash of the id, which also orders equal margins.
    """

    def key(pair: Listed) -> tuple[float, bytes]:
        doubt = 0.0 if order == "random" else -2.0 if pair.margin is None else pair.margin
        return doubt, hashlib.sha256(pair.pair_id.encode()).digest()

    return [pair.pair_id for pair in sorted(pairs, key=key)]


def left_member(reviewer: str, pair_id: str) -> str:
    """Return the member shown on the left to a reviewer, "unsafe" or "safe": a fixed coin flip for both."""
    return "unsafe" if hashlib.sha256(f"{reviewer}/{pair_id}".encode()).digest()[0] & 1 else "safe"


def member_on(side: str, left: str) -> str:
    """Return the members that a blind answer by sides (left, right, both, neither) means; `left` is the left member."""
    right = "safe" if left == "unsafe" else "unsafe"
    return {"left": left, "right": right}.get(side, side)


def side_of(answer: str, left: str) -> str:
    """Return the side of a member, the inverse of `member_on`; "both" and "neither" are returned unchanged."""
    return {"both": "both", "neither": "neither"}.get(answer, "left" if answer == left else "right")


def reviewers_wanted(actions: Sequence[str], reviewers: int) -> int:
    """Return the total number of reviewers that a pair needs, given the actions of those who decided.

    It is one more than `reviewers` if these disagree, or one of them calls the pair borderline.
    """
    said = {action for action in actions if action in JUDGED}
    return reviewers + ("borderline" in said or len(said) > 1)


def is_open(votes: Mapping[str, str], reviewer: str, reserved: int, reviewers: int) -> bool:
    """Return whether a pair can be assigned to a reviewer who has not decided on it.

    Args:
        votes: Reviewer -> action, of the decisions on the pair that count.
        reviewer: The reviewer who asks for pairs.
        reserved: The number of other reviewers who have the pair assigned now.
        reviewers: The number of reviewers for each pair.
    """
    judged = [action for who, action in votes.items() if who != reviewer and action in JUDGED]
    return len(judged) + reserved < reviewers_wanted(judged, reviewers)
