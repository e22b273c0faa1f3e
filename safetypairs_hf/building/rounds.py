"""The order of the steps of a build, and the candidates that go from one step to the next.

    source -> (instruct -> edit -> judge), repeated for each round of the recipe

A source whose edits all failed goes back to the instructor with the reasons, until a round succeeds, the failure is
final, or no rounds are left. Within a round an editor may make several candidates of a source; the best one that passes
the judges becomes the pair.

A recipe without rounds has a source that gives finished pairs: source -> judge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from safetypairs_hf.building.stage_files import STAGES
from safetypairs_hf.core.records import Box, Candidate


class Step(NamedTuple):
    """A stage in a round. Rounds count from 0."""

    stage: str
    round: int = 0

    @property
    def name(self) -> str:
        """The name of its folder: "edit" in the first round, "edit-2" in the second."""
        return f"{self.stage}-{self.round + 1}" if self.round else self.stage


def steps(rounds: int) -> tuple[Step, ...]:
    """Return every step of a recipe with that many rounds, in order; with 0 rounds, the steps for finished pairs."""
    if rounds == 0:
        return Step("source"), Step("judge")
    return (Step("source"), *(Step(stage, number) for number in range(rounds) for stage in STAGES[1:]))


class Unit:
    """A work unit between two steps. `entering` go into the next step; `passed` are pairs, one for each source."""

    def __init__(self) -> None:
        self.entering: list[Candidate] = []
        self.passed: list[Candidate] = []
        self._failed: list[Candidate] = []  # failed candidates of this round
        self._order: dict[str, int] = {}

    def after(self, step: Step, candidates: Sequence[Candidate]) -> None:
        """Take the results of a step, including rejects."""
        alive = [candidate for candidate in candidates if candidate.reject is None]
        if step.stage == "source":
            self._order = {candidate.source_id: number for number, candidate in enumerate(candidates)}
            self.entering = alive
            return
        self._failed += [candidate for candidate in candidates if candidate.reject is not None]
        self.entering = alive
        if step.stage == STAGES[-1]:
            self._end_round(alive)

    def _end_round(self, passed: Sequence[Candidate]) -> None:
        done = {candidate.source_id for candidate in passed}
        self.passed = sorted([*self.passed, *passed], key=lambda candidate: self._order[candidate.source_id])
        attempts: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in self._failed:
            if candidate.source_id not in done:
                attempts[candidate.source_id].append(candidate)
        self._failed = []
        again = [_again(tried) for tried in attempts.values() if not any(map(_final, tried))]
        self.entering = sorted(again, key=lambda candidate: self._order[candidate.source_id])


def _final(candidate: Candidate) -> bool:
    return candidate.reject is not None and candidate.reject.final


def _again(tried: Sequence[Candidate]) -> Candidate:
    """Return a source whose attempts all failed, for the next round, with the reason of the one that got furthest."""
    best = max(tried, key=lambda candidate: STAGES.index(candidate.reject.stage) if candidate.reject else 0)
    assert best.reject
    asked = f"{best.instruction.text!r}: " if best.instruction else ""
    why = f"{asked}{best.reject.reason}" + (f" ({best.reject.detail})" if best.reject.detail else "")
    return Candidate(
        best.source_id,
        best.category,
        best.origin,
        best.unsafe,
        best.hint,
        best.family,
        round=best.round + 1,
        feedback=(*best.feedback, why),
        known=best.known | {key: p for each in tried for key, p in _found(each)},
    )


def _found(tried: Candidate) -> Iterator[tuple[tuple[int, Box | None], float]]:
    """Yield the judges' verdicts on the unsafe member. After an abstention it is asked again, for its reason."""
    region = tried.instruction.region if tried.instruction else None
    for number, judgement in enumerate(tried.judgements):
        if judgement.p_unsafe_before is not None:
            yield (number, region), judgement.p_unsafe_before
