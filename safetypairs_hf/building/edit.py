"""Stage 3, edit: an editor makes the safe member from the unsafe member's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetypairs_hf.building.ids import derived_seed
from safetypairs_hf.pictures import encode
from safetypairs_hf.records import Candidate, Editor, Generator, Instruction, Reject


@dataclass(frozen=True)
class Edit:
    """Asks `editor` for the edited pixels, with a seed of its own for each candidate, and encodes them losslessly."""

    editor: Editor
    instructor_name: str

    def __call__(self, batch: Sequence[Candidate]) -> None:
        seeds = [derived_seed(candidate.source_id, "edit", 0) for candidate in batch]
        instructions = [_instruction(candidate) for candidate in batch]
        answers = self.editor.edit([candidate.unsafe for candidate in batch], instructions, seeds)
        for candidate, seed, answer in zip(batch, seeds, answers, strict=True):
            if isinstance(answer, Reject):
                candidate.reject = answer
            elif answer.shape != candidate.unsafe.pixels.shape:
                detail = f"{candidate.unsafe.pixels.shape} became {answer.shape}"
                candidate.reject = Reject("edit", "size_changed", detail)
            else:
                candidate.safe = encode(answer)
                candidate.generator = Generator(
                    self.instructor_name, self.editor.name, self.editor.revision, seed, attempt=0
                )


def _instruction(candidate: Candidate) -> Instruction:
    if candidate.instruction is None:
        raise ValueError(f"{candidate.source_id} reached the edit stage without an instruction")
    return candidate.instruction
