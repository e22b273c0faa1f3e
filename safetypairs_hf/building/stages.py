"""The instruct and edit stages of a build, and the choice of the editor by round.

Instruct asks for an instruction for each candidate. Edit makes the safe member from the pixels of the unsafe member and
measures what changed. A later round may use another editor; see `ByRound`. Work without a model is submitted to a
`CpuWork`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from safetypairs_hf.building.finishing import CpuWork, FinishedEdit, Finishing
from safetypairs_hf.building.function_parts import EDITED, INSTRUCTED, as_editor, read_answer, read_edited
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.ids import derived_seed
from safetypairs_hf.core.kept_replies import KeptReplies
from safetypairs_hf.core.pictures import size_of
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

SLICE = 8  # images that a local model edits before any of them is finished


@dataclass(frozen=True)
class Instruct:
    """Asks an instructor for an instruction for each candidate. A refusal becomes a reject with its reason."""

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
    """Replaces the editor of a recipe and chooses one of `editors` by the round.

    `editors[0]` edits in the first round, `editors[1]` in the second, and the last one in all further rounds. Only one
    of them is in memory: `of_round` releases the others. Every row names the editor that made it.

    Raises:
        RecipeError: There are no editors.
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
        """Return the editor of a round, counted from 0, and release the models of the other editors."""
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
    """Return every editor of a recipe, in the order of the rounds."""
    return editor.editors if isinstance(editor, ByRound) else (editor,)


def keeping(editor: Editor | ByRound, run: RunFolder, step: str, unit: int) -> Editor | ByRound:
    """Return the editor for a step of a unit.

    One that asks a server keeps its replies in the run until the part exists.
    """
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


def revision_of_edits(editor: Editor) -> str:
    """Return the revision of an editor for rows: its own, and the levers that were active where it ran.

    The requested levers are in `recipe.json`, whose bytes do not depend on the machine.
    """
    return "; ".join((editor.revision, *getattr(editor, "levers", ())))


def _release(editor: Editor) -> None:
    if hasattr(editor, "release"):
        editor.release()


@dataclass(frozen=True)
class Edit:
    """Asks an editor for edited pixels. Each image is finished, encoded and measured as soon as it is ready.

    Args:
        editor: The editor of every round, or a `ByRound`.
        instructor_name: The name of the instructor in the rows.
        finishing: Finishes the edited image, encodes it and measures what changed.
        attempts: The number of candidates for each source in a round, each with its own seed.
    """

    editor: Editor | ByRound
    instructor_name: str
    finishing: Finishing
    attempts: int = 1

    def start(self, batch: Sequence[Candidate], cpu: CpuWork) -> Callable[[], list[Candidate]]:
        """Ask the editor for every attempt at every candidate.

        Returns:
            A function that waits for the work submitted to `cpu`, and returns the attempts by round, with attempts at
            one candidate next to each other.
        """
        made: list[Candidate] = []
        submitted: list[tuple[Candidate, Future[FinishedEdit]]] = []
        for editor, found in with_editor(self.editor, batch):
            tries = [replace(candidate, judgements=[]) for candidate in found for _ in range(self.attempts)]
            made += tries
            submitted += self._by(editor, tries, cpu)

        def rest() -> list[Candidate]:
            for candidate, future in submitted:
                found = future.result()
                found = self.finishing.measured(candidate.unsafe.pixels, found) if cpu.partial else found
                candidate.safe, candidate.edit_box, candidate.preservation = found
            return made

        return rest

    def _by(
        self, editor: Editor, tries: Sequence[Candidate], cpu: CpuWork
    ) -> Iterator[tuple[Candidate, Future[FinishedEdit]]]:
        """Ask one editor, one slice after another. Each finished attempt is submitted to `cpu`."""
        baselines: dict[str, Pixels | Reject] = {}
        numbers = [item.round * self.attempts + index % self.attempts for index, item in enumerate(tries)]
        seeds = [derived_seed(item.source_id, "edit", number) for item, number in zip(tries, numbers, strict=True)]
        if hasattr(editor, "embed_prompts"):
            editor.embed_prompts([_instruction(item) for item in tries])
        for places in _slices(editor, tries):
            items = [tries[place] for place in places]
            images, texts = [item.unsafe for item in items], [_instruction(item) for item in items]
            edited = editor.edit(images, texts, [seeds[place] for place in places])
            answers = read_each(edited, [image.name for image in images], place_of(editor.edit), read_edited, EDITED)
            baselines |= self._baselines(editor, [item for item in items if item.source_id not in baselines])
            for place, item, answer in zip(places, items, answers, strict=True):
                generator = Generator(
                    self.instructor_name, editor.name, revision_of_edits(editor), seeds[place], numbers[place]
                )
                baseline = baselines.get(item.source_id)
                if isinstance(baseline, Reject):  # without it, the figures of this row would not compare with others
                    answer = answer if isinstance(answer, Reject) else _of_baseline(baseline)
                    baseline = None
                pixels = _take(item, answer, generator)
                if pixels is not None:
                    before = item.unsafe.pixels
                    yield item, cpu.submit(Finishing.edit, before, pixels, baseline, item.unsafe.name)

    def _baselines(self, editor: Editor, batch: Sequence[Candidate]) -> dict[str, Pixels | Reject]:
        """Return, by source id, the unsafe image as the editor returns it without an edit.

        It is the image after the editor's round trip, or the `baseline` of an editor without one. The result is empty
        if `preservation` needs no baseline, or the editor has neither.
        """
        if not self.finishing.preservation.needs_baseline or not batch:
            return {}
        unedited = getattr(editor, "baseline", None) or getattr(editor, "round_trip", None)
        images = {candidate.source_id: candidate.unsafe for candidate in batch}
        returned = unedited and unedited(list(images.values()))
        return {} if returned is None else dict(zip(images, returned, strict=True))


def _slices(editor: Editor, tries: Sequence[Candidate]) -> Iterator[Sequence[int]]:
    """Yield the places of the attempts for each call of an editor.

    An editor that holds a model edits one batch after another, so it gets images of one size, either two of its batches
    or `SLICE` images: the first are finished while it edits the next. Any other editor gets all at once, because it may
    be a server that takes many requests.
    """
    if not getattr(editor, "holds_model", False):
        yield range(len(tries))
        return
    batch = max(1, getattr(editor, "batch_size", None) or 1)
    most = max(2, -(-SLICE // batch)) * batch
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, item in enumerate(tries):
        by_size[size_of(item.unsafe)].append(place)
    for places in by_size.values():
        for first in range(0, len(places), most):
            yield places[first : first + most]


def _take(candidate: Candidate, answer: Edited | Reject, generator: Generator) -> Pixels | None:
    """Record an editor's answer. Return the edited image if it can be finished."""
    shape = candidate.unsafe.pixels.shape
    if isinstance(answer, Reject):
        candidate.reject = answer
        return None
    if answer.pixels.shape != shape:
        candidate.reject = Reject("edit", "size_changed", f"{shape} became {answer.pixels.shape}")
        return None
    candidate.generator, candidate.batch = generator, answer.batch
    return answer.pixels


def _of_baseline(reject: Reject) -> Reject:
    return reject._replace(detail=f"of the baseline: {reject.detail}")


def _instruction(candidate: Candidate) -> Instruction:
    if candidate.instruction is None:
        raise ValueError(f"{candidate.source_id} reached the edit stage without an instruction")
    return candidate.instruction
