"""Stage 3, edit: an editor makes the safe member from the unsafe member's pixels, and what it changed is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from safetypairs_hf.building.preservation import Preserving
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Candidate, Edited, Editor, Generator, Instruction, Instructor, Pixels, Reject


@dataclass(frozen=True)
class Edit:
    """Asks `editor` for the edited pixels, with a seed of its own for each attempt, and encodes them losslessly.

    `attempts`: how many candidates are made of a source. `preservation` measures what changed.
    """

    editor: Editor | ByRound
    instructor_name: str
    preservation: Preserving
    attempts: int = 1

    def __call__(self, batch: Sequence[Candidate]) -> list[Candidate]:
        """Every attempt at every candidate, those of a candidate in a row; `batch` is of one round."""
        return [made for editor, found in with_editor(self.editor, batch) for made in self._by(editor, found)]

    def _by(self, editor: Editor, batch: Sequence[Candidate]) -> list[Candidate]:
        tries = [replace(candidate, judgements=[]) for candidate in batch for _ in range(self.attempts)]
        numbers = [item.round * self.attempts + index % self.attempts for index, item in enumerate(tries)]
        seeds = [derived_seed(item.source_id, "edit", number) for item, number in zip(tries, numbers, strict=True)]
        answers = editor.edit([item.unsafe for item in tries], [_instruction(item) for item in tries], seeds)
        baselines = self._baselines(editor, batch)
        for item, number, seed, answer in zip(tries, numbers, seeds, answers, strict=True):
            generator = Generator(self.instructor_name, editor.name, editor.revision, seed, number)
            self._take(item, answer, generator, baselines.get(item.source_id))
        return tries

    def _take(
        self, candidate: Candidate, answer: Edited | Reject, generator: Generator, baseline: Pixels | None
    ) -> None:
        before = candidate.unsafe.pixels
        if isinstance(answer, Reject):
            candidate.reject = answer
        elif answer.pixels.shape != before.shape:
            candidate.reject = Reject("edit", "size_changed", f"{before.shape} became {answer.pixels.shape}")
        else:
            after = self.preservation.finish(before, answer.pixels, baseline)
            candidate.safe = encode(after)
            candidate.generator = generator
            candidate.batch = answer.batch
            candidate.edit_box, candidate.preservation = self.preservation.measure(before, after, baseline)

    def _baselines(self, editor: Editor, batch: Sequence[Candidate]) -> dict[str, Pixels]:
        """Each source through the editor's autoencoder and back, where the editor has one and the measure needs it."""
        round_trip = getattr(editor, "round_trip", None)
        if round_trip is None or not self.preservation.needs_baseline or not batch:
            return {}
        returned = round_trip([candidate.unsafe for candidate in batch])
        return {candidate.source_id: pixels for candidate, pixels in zip(batch, returned, strict=True)}


def _instruction(candidate: Candidate) -> Instruction:
    if candidate.instruction is None:
        raise ValueError(f"{candidate.source_id} reached the edit stage without an instruction")
    return candidate.instruction


@dataclass(frozen=True)
class ByRound:
    """Stands for the editor in a recipe: `editors[0]` edits in the first round, the last one in all that are left.

    One is held at a time: asking for another lets go of the last. Rows name the one that made them.

    Raises:
        RecipeError: no editors.
    """

    editors: tuple[Editor, ...]

    def __post_init__(self) -> None:
        if not self.editors:
            raise RecipeError("ByRound(()): give at least one editor")

    @property
    def holds_model(self) -> bool:
        return any(getattr(editor, "holds_model", False) for editor in self.editors)

    def of_round(self, number: int) -> Editor:
        """The editor of a round, counted from 0."""
        chosen = self.editors[min(number, len(self.editors) - 1)]
        for other in self.editors:
            if other is not chosen:
                _release(other)
        return chosen

    def release(self) -> None:
        """Let go of every editor's model."""
        for editor in self.editors:
            _release(editor)


def editors_of(editor: Editor | ByRound) -> tuple[Editor, ...]:
    """Every editor of a recipe."""
    return editor.editors if isinstance(editor, ByRound) else (editor,)


def with_editor(editor: Editor | ByRound, items: Sequence[Candidate]) -> Iterator[tuple[Editor, list[Candidate]]]:
    """The candidates of each round with the editor of that round, in the order of the rounds."""
    for number, found in groupby(sorted(items, key=_round), key=_round):
        yield editor.of_round(number) if isinstance(editor, ByRound) else editor, list(found)


def _round(candidate: Candidate) -> int:
    return candidate.round


def _release(editor: Editor) -> None:
    if hasattr(editor, "release"):
        editor.release()


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
