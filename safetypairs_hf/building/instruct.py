"""Stage 2, instruct: an instructor writes the smallest edit that makes each image safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetypairs_hf.records import Candidate, Instructor, Reject


@dataclass(frozen=True)
class Instruct:
    """Asks `instructor` for an instruction for each candidate."""

    instructor: Instructor

    def __call__(self, batch: Sequence[Candidate]) -> Sequence[Candidate]:
        for candidate, answer in zip(batch, self.instructor.write(batch), strict=True):
            candidate.answer = answer
            if isinstance(answer.outcome, Reject):
                candidate.reject = answer.outcome
            else:
                candidate.instruction = answer.outcome
        return batch
