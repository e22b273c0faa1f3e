"""What people said of pairs in a file of another program, on its way to becoming decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from safetypairs_hf.core.errors import SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.reviewing.assignment import left_member, member_on
from safetypairs_hf.reviewing.decisions import JUDGED, Decision, check_reviewer, effective, now

ANSWERS: Final = (*JUDGED, "skip")
SIDES: Final = ("left", "right", "both", "neither")


class Pairs(Protocol):
    """What knows whether a pair is reviewed."""

    def __contains__(self, pair_id: str, /) -> bool: ...


class Answer(NamedTuple):
    """What one person said of one pair, as texts; "" where the file says nothing. `where` is its place in the file.

    `blind` is one of SIDES, as the file shows the pair; see `left_of`.
    """

    where: str
    pair_id: str
    decision: str
    blind: str
    reason: str
    note: str
    reviewer: str
    time: str
    seconds: str


def left_of(pair_id: str) -> str:
    """The member on the left in every file: the same for everybody, whoever will fill it in."""
    return left_member("", pair_id)


def to_decision(answer: Answer, pairs: Pairs, reviewer: str) -> Decision | None:
    """The decision that an answer stands for; None where nothing is filled in.

    Args:
        answer: From a file.
        pairs: The pairs that are reviewed, which know whether an id is one of theirs.
        reviewer: Who it is by, where the answer does not say.

    Raises:
        ForeignTextError: a value is of no use; the message begins with the place.
    """
    decision, blind = answer.decision.strip().lower(), answer.blind.strip().lower()
    if not decision and not blind:
        return None
    for name, value, allowed in (("decision", decision, ANSWERS), ("blind", blind, SIDES)):
        if value and value not in allowed:
            raise ForeignTextError(f"{answer.where}: {name} {printable(value)!r}; expected {', '.join(allowed)}")
    if answer.pair_id not in pairs:
        raise ForeignTextError(f"{answer.where}: the pair {printable(answer.pair_id)!r} is not among those reviewed")
    who = answer.reviewer.strip() or reviewer
    if not who:
        raise ForeignTextError(f"{answer.where}: nobody is named; fill in the reviewer, or give --reviewer NAME")
    left = left_of(answer.pair_id)
    try:
        return Decision(
            pair_id=answer.pair_id,
            action=decision or "blind",
            reason=" ".join(answer.reason.split()) if decision == "reject" else "",
            note=answer.note.strip(),
            blind=member_on(blind, left) if blind else None,
            left=left,
            reviewer=check_reviewer(who),
            time=answer.time or now(),
            seconds=_seconds(answer),
        )
    except SafetyPairsError as error:
        raise ForeignTextError(f"{answer.where}: {error}") from error


def _seconds(answer: Answer) -> float:
    try:
        return float(answer.seconds or 0)
    except ValueError:
        raise SafetyPairsError(f"the seconds {printable(answer.seconds)!r}; expected a number") from None


def new_ones(found: Iterable[tuple[Answer, Decision]], made: Sequence[Decision]) -> list[Decision]:
    """The decisions of a file that are not recorded yet, so that the same file can be read again.

    A decision is there if the reviewer's counts for the same, or if one of the same moment was made before.
    """
    counts = {key: _said(each) for key, each in effective(made).items()}
    moments = {(each.pair_id, each.reviewer, each.time, each.action) for each in made}
    new = []
    for answer, decision in found:
        key = decision.pair_id, decision.reviewer
        is_there = answer.time and (*key, decision.time, decision.action) in moments
        if not is_there and counts.get(key) != _said(decision):
            new.append(decision)
            counts[key] = _said(decision)
    return new


def _said(decision: Decision) -> tuple[str, str, str]:
    return decision.action, decision.reason, decision.note
