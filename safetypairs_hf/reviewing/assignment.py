"""Which reviewer gets which pair next: doubtful pairs first or in a random order, each pair to so many reviewers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from safetypairs_hf.reviewing.decisions import JUDGED

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.reviewed_pairs import Listed

ORDERS: Final = ("doubtful", "random")


def ordered(pairs: Iterable[Listed], order: str) -> list[str]:
    """The ids of some pairs in the order of a review, which is the same on every machine.

    Args:
        pairs: the pairs.
        order: "doubtful" begins with pairs that no judge was asked about, then goes by rising margin of the least
            convinced judge; "random" goes by a hash of the id, and so do equal margins.
    """

    def key(pair: Listed) -> tuple[float, bytes]:
        doubt = 0.0 if order == "random" else -2.0 if pair.margin is None else pair.margin
        return doubt, hashlib.sha256(pair.pair_id.encode()).digest()

    return [pair.pair_id for pair in sorted(pairs, key=key)]


def left_member(reviewer: str, pair_id: str) -> str:
    """Which member is on the left for a reviewer, "unsafe" or "safe": a coin, that falls the same way each time."""
    return "unsafe" if hashlib.sha256(f"{reviewer}/{pair_id}".encode()).digest()[0] & 1 else "safe"


def member_on(side: str, left: str) -> str:
    """What a blind answer by sides (left, right, both, neither) says of the members; `left` is the one on the left."""
    right = "safe" if left == "unsafe" else "unsafe"
    return {"left": left, "right": right}.get(side, side)


def side_of(answer: str, left: str) -> str:
    """The other way: the side of a member; "both" and "neither" stay as they are."""
    return {"both": "both", "neither": "neither"}.get(answer, "left" if answer == left else "right")


def reviewers_wanted(actions: Sequence[str], reviewers: int) -> int:
    """How many reviewers a pair needs in all, given what those who decided said of it.

    One more than `reviewers` where these disagree, or one of them calls the pair borderline.
    """
    said = {action for action in actions if action in JUDGED}
    return reviewers + ("borderline" in said or len(said) > 1)


def is_open(votes: Mapping[str, str], reviewer: str, reserved: int, reviewers: int) -> bool:
    """Whether a reviewer who has not decided on a pair may be given it.

    Args:
        votes: reviewer -> action, of the decisions on the pair that count.
        reviewer: who asks.
        reserved: how many others have the pair before them now.
        reviewers: how many each pair goes to.
    """
    judged = [action for who, action in votes.items() if who != reviewer and action in JUDGED]
    return len(judged) + reserved < reviewers_wanted(judged, reviewers)
