"""The sessions of all reviewers of a run or version: assign the next pairs to each, and save their decisions."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.reviewing import decisions as records
from safetypairs_hf.reviewing.assignment import is_open, left_member, member_on, ordered, reviewers_wanted
from safetypairs_hf.reviewing.decisions import BLIND, FOLDER, JUDGED, REASONS, Decision
from safetypairs_hf.reviewing.reviewed_pairs import ReviewedPairs

AHEAD: Final = 4  # pairs that a page holds: the one on display, and those that it preloads
REST: Final = timedelta(minutes=30)  # after this time without a decision, a new session begins
AWAY: Final = 15 * 60.0  # seconds after which the pairs of an inactive reviewer are free for others
BREAK: Final = 20  # minutes of review after which the page suggests a break
SIDES: Final = ("left", "right", "both", "neither")


class OutOfDateError(SafetyPairsError):
    """A page is out of date: the pair was decided in another window, or is now assigned to another reviewer."""


@dataclass(frozen=True)
class Rules:
    """The rules of a review.

    Args:
        reviewers: The number of reviewers for each pair.
        order: One of `assignment.ORDERS`.
        limit: The largest number of pairs that one reviewer sees in a session.
        reviewer: The only reviewer, or None if the page asks for a name.
    """

    reviewers: int = 2
    order: str = "doubtful"
    limit: int = 200
    reviewer: str | None = None


class Sessions:
    """All sessions of one server. Every method may be called by several threads.

    A page gets a `state`, a dict: `reviewer`, `next` (up to AHEAD pairs, the first is to be shown), `ended` (None,
    "all", "limit", or "waiting" if the rest is assigned to others), `total`, `complete` (pairs that need no further
    reviewer), `yours` (action -> count), `seen` in this session, `limit`, `last` (the decision that `undo` takes back).
    A pair in it has no `details` until this reviewer's blind answer is on disk.

    Args:
        pairs: The pairs to review.
        folder: The folder of the decisions.
        rules: The rules of the review.
        clock: Returns seconds from any start, to detect inactive reviewers.
    """

    def __init__(
        self,
        pairs: ReviewedPairs,
        folder: RunFolder,
        rules: Rules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pairs, self.folder, self.rules = pairs, folder, rules
        self._clock = clock
        self._order = ordered(pairs.pairs, rules.order)
        self._ids = frozenset(self._order)
        self._lock = threading.RLock()
        self._made: dict[str, list[Decision]] = {}
        self._votes: dict[str, dict[str, str]] = defaultdict(dict)  # pair -> reviewer -> action that counts
        self._complete: set[str] = set()  # pairs that need no further reviewer
        self._blind: dict[tuple[str, str], Decision] = {}
        self._sizes: dict[str, int] = {}
        self.faults: dict[str, list[str]] = {}  # reviewer -> lines of their file that were cut short
        self._before: dict[str, list[str]] = {}  # reviewer -> the pairs assigned to them
        self._heard: dict[str, float] = {}
        self._first: dict[str, str] = {}  # reviewer -> the pair that an undo brought back
        self._again: dict[str, set[str]] = {}  # reviewer -> skipped pairs that they look at again
        for reviewer in records.reviewers(folder):
            self._read(reviewer)

    def open(self, reviewer: str) -> dict[str, Any]:
        """Start or continue a session.

        Raises:
            SafetyPairsError: The name is invalid, or the review is for another reviewer.
        """
        records.check_reviewer(reviewer)
        if self.rules.reviewer not in (None, reviewer):
            raise SafetyPairsError(f"this review is for {self.rules.reviewer}, by --reviewer")
        with self._lock:
            for other in self._made:
                if other != reviewer and other.casefold() == reviewer.casefold():
                    raise SafetyPairsError(f"there is a reviewer {other!r} already; use that spelling, or another name")
            return self._state(reviewer)

    def answer_blind(self, reviewer: str, pair_id: str, side: str, seconds: float) -> dict[str, Any]:
        """Record which side was called unsafe; the state then has the pair's details. The first answer counts."""
        if side not in SIDES:
            raise SafetyPairsError(f"{side!r} is no side; expected {', '.join(SIDES)}")
        with self._lock:
            self._claim(reviewer, pair_id)
            if (pair_id, reviewer) not in self._blind:
                member = member_on(side, left_member(reviewer, pair_id))
                assert member in BLIND
                self._add(reviewer, pair_id, "blind", seconds=seconds, blind=member)
            return self._state(reviewer)

    def decide(
        self, reviewer: str, pair_id: str, action: str, reason: str = "", note: str = "", seconds: float = 0.0
    ) -> dict[str, Any]:
        """Record a decision or a skip. A repeated request, as after a lost answer, is recorded once.

        Raises:
            SafetyPairsError: It is not a decision, or comes before the blind answer.
            OutOfDateError: The pair is not assigned to this reviewer.
            RunError: The file cannot be written.
        """
        if action not in (*JUDGED, "skip"):
            raise SafetyPairsError(f"{action!r} is no decision; expected {', '.join(JUDGED)} or skip")
        with self._lock:
            self._refresh()
            if self._is_there(reviewer, pair_id, action, reason, note):
                return self._state(reviewer)
            self._claim(reviewer, pair_id)
            if action in JUDGED and (pair_id, reviewer) not in self._blind:
                raise SafetyPairsError("the blind answer comes first: which of the two images is unsafe?")
            reason = reason if action == "reject" else ""
            self._add(reviewer, pair_id, action, reason=reason, note=note, seconds=seconds)
            self._before[reviewer].remove(pair_id)
            self._again.get(reviewer, set()).discard(pair_id)
            if self._first.get(reviewer) == pair_id:
                del self._first[reviewer]
            return self._state(reviewer)

    def undo(self, reviewer: str, pair_id: str) -> dict[str, Any]:
        """Take back this reviewer's last decision, which must be on that pair, and show the pair again."""
        with self._lock:
            self._refresh()
            last = self._last(reviewer)
            if last and last.pair_id == pair_id:
                self._add(reviewer, pair_id, "undo")
                self._first[reviewer] = pair_id
            elif self._first.get(reviewer) != pair_id:
                raise OutOfDateError("that is not your last decision any more")
            return self._state(reviewer)

    def look_again(self, reviewer: str) -> dict[str, Any]:
        """Show the pairs again that this reviewer skipped."""
        with self._lock:
            self._refresh()
            votes = ((pair_id, self._votes.get(pair_id, {})) for pair_id in self._order)
            self._again[reviewer] = {pair_id for pair_id, said in votes if said.get(reviewer) == "skip"}
            return self._state(reviewer)

    def picture(self, reviewer: str, pair_id: str, side: str) -> bytes | None:
        """Return the encoded image on a side, "left" or "right", of a pair assigned to this reviewer; else None."""
        with self._lock:
            if side not in SIDES[:2] or pair_id not in self._before.get(reviewer, ()):
                return None
        shown = self.pairs.shown(pair_id)
        return shown.unsafe if (left_member(reviewer, pair_id) == "unsafe") == (side == "left") else shown.safe

    def _state(self, reviewer: str) -> dict[str, Any]:
        self._refresh()
        self._heard[reviewer] = self._clock()
        seen, since = self._session(reviewer)
        more = self._assign(reviewer, seen)
        before = self._before[reviewer]
        last = self._last(reviewer)
        return {
            "reviewer": reviewer,
            "next": [self._described(reviewer, pair_id) for pair_id in before],
            "ended": None if before else more,
            "total": len(self._order),
            "complete": len(self._complete),
            "yours": self._counts(reviewer),
            "seen": len(seen),
            "limit": self.rules.limit,
            "rested": since and (since + REST).isoformat(),
            "last": last and {"pair_id": last.pair_id, "action": last.action},
        }

    def _assign(self, reviewer: str, seen: set[str]) -> str:
        """Assign pairs to a reviewer; return the reason why there are no more, as in `ended`."""
        room = self.rules.limit - len(seen)
        others = self._reserved(reviewer)
        chosen: list[str] = []
        waiting = limited = False
        first = self._first.get(reviewer)
        for pair_id in [first, *self._order] if first else self._order:
            votes = self._votes.get(pair_id, {})
            action = votes.get(reviewer)
            passed = action == "skip" and pair_id not in self._again.get(reviewer, ())
            if action in JUDGED or passed or pair_id in chosen:
                continue
            if pair_id != first and not is_open(votes, reviewer, others.get(pair_id, 0), self.rules.reviewers):
                waiting = waiting or is_open(votes, reviewer, 0, self.rules.reviewers)
                continue
            if pair_id not in seen:
                if room <= 0:
                    limited = True
                    continue
                room -= 1
            chosen.append(pair_id)
            if len(chosen) == AHEAD:
                break
        self._before[reviewer] = chosen
        return "limit" if limited else "waiting" if waiting else "all"

    def _described(self, reviewer: str, pair_id: str) -> dict[str, Any]:
        """Return a pair as the page may know it: before the blind answer, nothing that distinguishes the members."""
        category = self.pairs.taxonomy.find(self.pairs.listed(pair_id).category)
        answer = self._blind.get((pair_id, reviewer))
        details = None
        if answer:
            left = left_member(reviewer, pair_id)
            details = {**self.pairs.shown(pair_id).details(), "left": left, "blind": answer.blind}
        return {
            "pair_id": pair_id,
            "category": category.name,
            "policy": self.pairs.taxonomy.policy(category.slug),
            "details": details,
        }

    def _claim(self, reviewer: str, pair_id: str) -> None:
        """Raise OutOfDateError if a pair is not assigned to a reviewer."""
        self._refresh()
        decided = self._votes.get(pair_id, {}).get(reviewer) in JUDGED
        if decided or pair_id not in self._before.get(reviewer, ()):
            self._state(reviewer)
        if pair_id not in self._before[reviewer]:
            raise OutOfDateError(
                "this pair is no longer assigned to you: it was decided in another window or by others"
            )

    def _is_there(self, reviewer: str, pair_id: str, action: str, reason: str, note: str) -> bool:
        last = self._last(reviewer)
        wanted = (pair_id, action, reason, note)
        return (
            last is not None
            and (last.pair_id, last.action, last.reason, last.note) == wanted
            and (pair_id not in self._before.get(reviewer, ()))
        )

    def _reserved(self, reviewer: str) -> dict[str, int]:
        """Return how many other active reviewers have each pair assigned."""
        counts: dict[str, int] = defaultdict(int)
        now = self._clock()
        for other, pair_ids in self._before.items():
            if other != reviewer and now - self._heard[other] < AWAY:
                for pair_id in pair_ids:
                    counts[pair_id] += 1
        return counts

    def _is_complete(self, pair_id: str) -> bool:
        said = [action for action in self._votes.get(pair_id, {}).values() if action in JUDGED]
        return len(said) >= reviewers_wanted(said, self.rules.reviewers)

    def _counts(self, reviewer: str) -> dict[str, int]:
        counts = dict.fromkeys((*JUDGED, "skip"), 0)
        for pair_id in self._order:
            if action := self._votes.get(pair_id, {}).get(reviewer):
                counts[action] += 1
        return counts

    def _session(self, reviewer: str) -> tuple[set[str], datetime | None]:
        """Return the pairs that a reviewer saw since the last rest, and the time of the last one."""
        seen: set[str] = set()
        later = datetime.now(UTC)
        latest = None
        for decision in reversed(self._made.get(reviewer, [])):
            when = datetime.fromisoformat(decision.time)
            if later - when > REST:
                break
            seen.add(decision.pair_id)
            later, latest = when, latest or when
        return seen, latest

    def _last(self, reviewer: str) -> Decision | None:
        """Return the last decision or skip of a reviewer that was not taken back."""
        undone: dict[str, int] = defaultdict(int)
        for decision in reversed(self._made.get(reviewer, [])):
            if decision.action == "undo":
                undone[decision.pair_id] += 1
            elif decision.action != "blind" and decision.pair_id in self._ids:
                if not undone[decision.pair_id]:
                    return decision
                undone[decision.pair_id] -= 1
        return None

    def _add(
        self,
        reviewer: str,
        pair_id: str,
        action: str,
        *,
        reason: str = "",
        note: str = "",
        seconds: float = 0.0,
        blind: str | None = None,
    ) -> None:
        """Record a decision, first on disk, then in memory."""
        if blind is None and action != "undo" and (answer := self._blind.get((pair_id, reviewer))):
            blind = answer.blind
        left = left_member(reviewer, pair_id)
        seconds = round(max(seconds, 0.0), 2)
        made = Decision(pair_id, action, reason, note, blind, left, reviewer, records.now(), seconds)
        records.append(self.folder, made)
        self._made.setdefault(reviewer, []).append(made)
        self._sizes[reviewer] = self._sizes.get(reviewer, 0) + len(made.line())
        self._count(reviewer, pair_id)

    def _read(self, reviewer: str) -> None:
        found = records.read_reviewer(self.folder, reviewer)
        self._made[reviewer], self.faults[reviewer] = found
        self._count(reviewer)

    def _count(self, reviewer: str, pair_id: str | None = None) -> None:
        """Update the votes and blind answers of a reviewer, on one pair or on all."""
        made = [each for each in self._made[reviewer] if pair_id in (None, each.pair_id)]
        touched = [pair_id] if pair_id else [*self._votes]
        for about in touched:
            self._votes[about].pop(reviewer, None)
        for (about, _), decision in records.effective(made).items():
            self._votes[about][reviewer] = decision.action
        for about in {*touched, *(each.pair_id for each in made)} & self._ids:
            (self._complete.add if self._is_complete(about) else self._complete.discard)(about)
        self._blind |= records.blind_answers(made)

    def _refresh(self) -> None:
        """Read the decisions that other servers added to the files of a local folder."""
        if "file" not in self.folder.fs.protocol:
            return
        for path in Path(self.folder.root, FOLDER).glob("[!.]*.jsonl"):
            size = path.stat().st_size
            if records.is_reviewer(path.stem) and self._sizes.get(path.stem) != size:
                self._sizes[path.stem] = size
                self._read(path.stem)


def page_settings(sessions: Sessions) -> dict[str, Any]:
    """Return the page's settings as JSON values: the name of the reviewed run or version, and the rules."""
    return {
        "name": sessions.pairs.name,
        "pairs": len(sessions.pairs.pairs),
        "reviewer": sessions.rules.reviewer,
        "reviewers": sessions.rules.reviewers,
        "limit": sessions.rules.limit,
        "break_minutes": BREAK,
        "reasons": REASONS,
    }
