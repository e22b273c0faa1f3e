"""Convert people's answers in a file of another program to decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from safetypairs_hf.core.errors import SafetyPairsError, printable
from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.reviewing.assignment import left_member, member_on
from safetypairs_hf.reviewing.decisions import JUDGED, Decision, blind_answers, check_reviewer, effective, now

ANSWERS: Final = (*JUDGED, "skip")
SIDES: Final = ("left", "right", "both", "neither")


class Pairs(Protocol):
    """An object that knows which pairs are reviewed."""

    def __contains__(self, pair_id: str, /) -> bool: ...


class Answer(NamedTuple):
    """One person's answer on one pair, as texts; "" if the file has none. `where` is its place in the file.

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
    """Return the member on the left in every exported file. It is the same for all reviewers."""
    return left_member("", pair_id)


def to_decision(answer: Answer, pairs: Pairs, reviewer: str) -> Decision | None:
    """Return the decision for an answer; None if nothing is filled in.

    Args:
        answer: From a file.
        pairs: The pairs that are reviewed.
        reviewer: The reviewer, if the answer does not name one.

    Raises:
        ForeignTextError: A value is invalid; the message begins with its place.
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
    """Return the new decisions of a file, so that the same file can be imported repeatedly.

    A decision is not new if it equals the reviewer's last one on the pair, or if its time in the file is not later than
    that one's. A blind answer alone is not new after the first one.
    """
    counts, blind = effective(made), set(blind_answers(made))
    new = []
    for answer, decision in found:
        key = decision.pair_id, decision.reviewer
        if decision.action == "blind":
            if key not in blind:
                new.append(decision)
                blind.add(key)
            continue
        last = counts.get(key)
        is_late = last is not None and answer.time and _moment(decision) <= _moment(last)
        if last is None or not (is_late or _said(last) == _said(decision)):
            new.append(decision)
            counts[key] = decision
    return new


def _moment(decision: Decision) -> datetime:
    return datetime.fromisoformat(decision.time)


def _said(decision: Decision) -> tuple[str, str, str]:
    return decision.action, decision.reason, decision.note
