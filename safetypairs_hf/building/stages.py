"""The instruct and edit stages of a build, and the choice of the editor by round.

Instruct asks for an instruction for each candidate. Edit makes the safe member from the pixels of the unsafe member and
measures what changed. A later round of both may have another editor; see `ByRound`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from safetypairs_hf.building.function_parts import EDITED, INSTRUCTED, as_editor, read_answer, read_edited
from safetypairs_hf.building.preservation import Preserving
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.kept_replies import KeptReplies
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import (
    Candidate,
    Edited,
    Editor,
    Generator,
    Instruction,
    Instructor,
    Pixels,
    Reject,
)
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.user_function import place_of, read_each


@dataclass(frozen=True)
class Instruct:
    """Asks an instructor for an instruction for each candidate; what it refuses is rejected with its reason."""

    instructor: Instructor

    def __call__(self, batch: Sequence[Candidate]) -> Sequence[Candidate]:
        names = [candidate.unsafe.name for candidate in batch]
        write = self.instructor.write
        answers = read_each(write(batch), names, place_of(write), read_answer, INSTRUCTED)
        for candidate, answer in zip(batch, answers, strict=True):
            candidate.answer = answer
            if isinstance(answer.outcome, Reject):
                candidate.reject = answer.outcome
            else:
                candidate.instruction = answer.outcome
        return batch


@dataclass(frozen=True)
class ByRound:
    """Takes an editor's place in a recipe and chooses one of `editors` by the round.

    `editors[0]` edits in the first round, `editors[1]` in the second, and the last one in every round that is left.
    Only one of them is held in memory: `of_round` releases the others. Every row names the editor that made it.

    Raises:
        RecipeError: there are no editors.
    """

    editors: tuple[Editor, ...]

    def __post_init__(self) -> None:
        if not self.editors:
            raise RecipeError("ByRound(()): give at least one editor")
        object.__setattr__(self, "editors", tuple(as_editor(editor) for editor in self.editors))

    @property
    def holds_model(self) -> bool:
        return any(getattr(editor, "holds_model", False) for editor in self.editors)

    def of_round(self, number: int) -> Editor:
        """The editor of a round, counted from 0; the models of the other editors are released."""
        chosen = self.editors[min(number, len(self.editors) - 1)]
        for other in self.editors:
            if other is not chosen:
                _release(other)
        return chosen

    def release(self) -> None:
        """Release the model of every editor."""
        for editor in self.editors:
            _release(editor)


def editors_of(editor: Editor | ByRound) -> tuple[Editor, ...]:
    """Every editor of a recipe, in the order of the rounds."""
    return editor.editors if isinstance(editor, ByRound) else (editor,)


def keeping(editor: Editor | ByRound, run: RunFolder, step: str, unit: int) -> Editor | ByRound:
    """The editor for a step of a unit: one that asks a server keeps the replies in the run until the part is there."""
    if not any(hasattr(each, "keeping") for each in editors_of(editor)):
        return editor
    kept = KeptReplies(run, step, unit)
    made: tuple[Any, ...] = editors_of(editor)
    made = tuple(each.keeping(kept) if hasattr(each, "keeping") else each for each in made)
    return ByRound(made) if isinstance(editor, ByRound) else made[0]


def with_editor(editor: Editor | ByRound, items: Sequence[Candidate]) -> Iterator[tuple[Editor, list[Candidate]]]:
    """Group the candidates by round, in the order of the rounds, each group with the editor of its round."""
    for number, found in groupby(sorted(items, key=_round), key=_round):
        yield editor.of_round(number) if isinstance(editor, ByRound) else editor, list(found)


def _round(candidate: Candidate) -> int:
    return candidate.round


def _release(editor: Editor) -> None:
    if hasattr(editor, "release"):
        editor.release()


@dataclass(frozen=True)
class Edit:
    """Asks an editor for the edited pixels, encodes them without loss, and measures what changed.

    Args:
        editor: the editor of every round, or a `ByRound`.
        instructor_name: what the rows name as the instructor.
        preservation: finishes the edited image and measures what changed.
        attempts: how many candidates are made of a source in a round, each with a seed of its own.
    """

    editor: Editor | ByRound
    instructor_name: str
    preservation: Preserving
    attempts: int = 1

    def __call__(self, batch: Sequence[Candidate]) -> list[Candidate]:
        """Every attempt at every candidate, by round; the attempts at one candidate follow each other."""
        return [made for editor, found in with_editor(self.editor, batch) for made in self._by(editor, found)]

    def _by(self, editor: Editor, batch: Sequence[Candidate]) -> list[Candidate]:
        tries = [replace(candidate, judgements=[]) for candidate in batch for _ in range(self.attempts)]
        numbers = [item.round * self.attempts + index % self.attempts for index, item in enumerate(tries)]
        seeds = [derived_seed(item.source_id, "edit", number) for item, number in zip(tries, numbers, strict=True)]
        edited = editor.edit([item.unsafe for item in tries], [_instruction(item) for item in tries], seeds)
        names = [item.unsafe.name for item in tries]
        answers = read_each(edited, names, place_of(editor.edit), read_edited, EDITED)
        baselines = self._baselines(editor, batch)
        for item, number, seed, answer in zip(tries, numbers, seeds, answers, strict=True):
            generator = Generator(self.instructor_name, editor.name, editor.revision, seed, number)
            baseline = baselines.get(item.source_id)
            if isinstance(baseline, Reject):  # without one, the figures of this row would not be as those of others
                answer = answer if isinstance(answer, Reject) else _of_baseline(baseline)
                baseline = None
            self._take(item, answer, generator, baseline)
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

    def _baselines(self, editor: Editor, batch: Sequence[Candidate]) -> dict[str, Pixels | Reject]:
        """By source id, what the editor makes of the unsafe image with no edit; empty if `preservation` needs none.

        It is the image after the editor's round trip, or what an editor that has none gives as its `baseline`. Of an
        editor with neither it is empty, too.
        """
        if not self.preservation.needs_baseline or not batch:
            return {}
        unedited = getattr(editor, "baseline", None) or getattr(editor, "round_trip", None)
        returned = unedited and unedited([candidate.unsafe for candidate in batch])
        if returned is None:
            return {}
        return {candidate.source_id: pixels for candidate, pixels in zip(batch, returned, strict=True)}


def _of_baseline(reject: Reject) -> Reject:
    return reject._replace(detail=f"of the baseline: {reject.detail}")


def _instruction(candidate: Candidate) -> Instruction:
    if candidate.instruction is None:
        raise ValueError(f"{candidate.source_id} reached the edit stage without an instruction")
    return candidate.instruction
