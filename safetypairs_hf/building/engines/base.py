"""What all engines share: jobs over work units, and parts that are written once. An engine changes no byte of a part.

A job is neighbouring steps that run together on a unit, or one that holds a model, alone. A job is over for all units
before the next starts, so that one GPU holds one model at a time.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from safetypairs_hf.building import stage_files
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe
from safetypairs_hf.building.rounds import Step, Unit, steps
from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.user_code import load_file, telling
from safetypairs_hf.core.user_function import asked_about, kind_of, place_of

Parts = list[tuple[str, bytes]]  # names in the run folder, and what they hold


class HandedOver(Exception):  # noqa: N818 - a state, not a mistake
    """The jobs of a build are another's to do, and the build goes on when they are done.

    Attributes:
        units: how many work units they have.
        jobs: how many jobs there are.
        script: what hands them over.
        said: what it said, "" where it was not run.
    """

    def __init__(self, units: int, jobs: int, script: str, said: str) -> None:
        super().__init__(units, jobs, script, said)
        self.units, self.jobs, self.script, self.said = units, jobs, script, said


class Job(Protocol):
    """What is done to a unit. It goes to other processes, by pickle."""

    @property
    def name(self) -> str:
        """The steps that it does, as the name of a file."""

    def is_done(self, run: RunFolder, number: int) -> bool:
        """Whether the parts of a unit are there."""

    def models(self, recipe: Recipe) -> tuple[Any, ...]:
        """What it works with."""

    def read(self, recipe: Recipe, run: RunFolder, number: int) -> Any:
        """What `work` needs of a unit, read and decoded."""

    def work(self, recipe: Recipe, run: RunFolder, number: int, found: Any) -> Parts:
        """The parts of a unit that have to be written, in order; `found` is what was read."""


class Engine(Protocol):
    """Does jobs. Used as a context, which holds what it works on: nothing, or a cluster."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def check(self, loaded: LoadedRecipe) -> None:
        """Raise RecipeError where the models would run on a machine that is not enough for them."""

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        """Do a job to units; each is yielded when its parts are written, in any order."""

    def join(self, run: RunFolder) -> None:
        """Return when all jobs so far are done. Raises HandedOver where another does them."""


@dataclass(frozen=True)
class Segment:
    """The job of some neighbouring steps."""

    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return "-to-".join(dict.fromkeys((self.steps[0].name, self.steps[-1].name)))

    def is_done(self, run: RunFolder, number: int) -> bool:
        return all(run.has(run.part(step.name, number)) for step in self.steps)

    def models(self, recipe: Recipe) -> tuple[Any, ...]:
        return tuple(model for step in self.steps for model in _models(recipe)[step.stage])

    def read(self, recipe: Recipe, run: RunFolder, number: int) -> Unit:
        unit = replay(run, number, recipe.rounds, before=self.steps[0])
        decode(unit.entering)
        return unit

    def work(self, recipe: Recipe, run: RunFolder, number: int, found: Unit) -> Parts:
        made = []
        for step in self.steps:
            name = run.part(step.name, number)
            if run.has(name):
                found.after(step, _read(run, step, number, found.entering))
                continue
            candidates = _step(recipe, run, step, number, found.entering)
            made.append((name, stage_files.dump(step.stage, candidates)))
            found.after(step, candidates)
        return made


def run_units(
    engine: Engine, loaded: LoadedRecipe, run: RunFolder, units: Sequence[int], done: Callable[[str, int], None]
) -> None:
    """Make every part of `units` that is not there. `done(step, unit)` is called as each step of a unit is finished.

    Raises:
        RunError: the folder cannot be written, or a worker process died.
        HandedOver: the engine has others do it.
    """
    for segment in segments(loaded.recipe):
        todo = []
        for unit in units:
            if segment.is_done(run, unit):
                for step in segment.steps:
                    done(step.name, unit)
            else:
                todo.append(unit)
        for unit in engine.do(loaded, run, segment, todo):
            for step in segment.steps:
                done(step.name, unit)
    engine.join(run)


def segments(recipe: Recipe) -> list[Segment]:
    """The steps of a recipe, cut wherever one holds a model."""
    heavy = {stage: any(map(_is_heavy, models)) for stage, models in _models(recipe).items()}
    runs = itertools.groupby(steps(recipe.rounds), key=lambda step: (heavy[step.stage], heavy[step.stage] and step))
    return [Segment(tuple(found)) for _, found in runs]


def holds_model(recipe: Recipe, job: Job) -> bool:
    """Whether an instructor, an editor or a judge that the job works with says `holds_model`."""
    return any(map(_is_heavy, job.models(recipe)))


def release(recipe: Recipe, job: Job) -> None:
    """Let go of a job's models: the next may need the whole GPU."""
    for model in {id(model): model for model in job.models(recipe)}.values():
        if hasattr(model, "release"):
            model.release()


def replay(run: RunFolder, unit: int, rounds: int, before: Step | None = None) -> Unit:
    """A unit from its parts: as it stood before a step, or at the end."""
    found = Unit()
    for step in itertools.takewhile(lambda step: step != before, steps(rounds)):
        found.after(step, _read(run, step, unit, found.entering))
    return found


def decode(candidates: Sequence[Candidate]) -> None:
    """Decode the pictures now, while a model is at work, and not when it waits for them."""
    for candidate in candidates:
        _ = candidate.unsafe.pixels, candidate.safe and candidate.safe.pixels


class Sent(NamedTuple):
    """A job as another process gets it. The recipe's own classes come from its file, which that process reads too."""

    path: str
    url: str
    pickled: bytes

    @classmethod
    def pack(cls, loaded: LoadedRecipe, run: RunFolder, job: Job) -> Sent:
        """Raise RecipeError where the recipe holds what cannot be sent."""
        try:
            return cls(loaded.path, run.url, pickle.dumps((loaded.recipe, job)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RecipeError(
                f"recipe {loaded.name!r} cannot be sent to another process: {error}; a recipe holds objects of "
                "classes, and functions, that a file defines at its top level"
            ) from error

    def open(self) -> Opened:
        if self.path:
            load_file(self.path)
        recipe, job = pickle.loads(self.pickled)
        return Opened(recipe, RunFolder(self.url), job)


class Opened(NamedTuple):
    """A job in the process that does it."""

    recipe: Recipe
    run: RunFolder
    job: Job

    def make(self, number: int, busy: contextlib.AbstractContextManager[Any] | None = None) -> list[str]:
        """Do the job to a unit; the parts written. `busy` is held while the models work, not to read and to write."""
        found = self.job.read(self.recipe, self.run, number)
        # It is told here, as a traceback does not go to another process.
        with busy or contextlib.nullcontext(), telling(about=f"in the work unit {number}"):
            made = self.job.work(self.recipe, self.run, number, found)
        for name, data in made:
            self.run.write(name, data)
        return [name for name, _ in made]


def _is_heavy(model: Any) -> bool:
    return bool(getattr(model, "holds_model", False))


def _models(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """What each stage works with."""
    judges = recipe.judging.judges
    editing = (recipe.editor, recipe.preservation)
    return {"source": (recipe.source,), "instruct": (recipe.instructor,), "edit": editing, "judge": judges}


def _read(run: RunFolder, step: Step, unit: int, entering: list[Candidate]) -> list[Candidate]:
    name = run.part(step.name, unit)
    with run.checked(name):
        return stage_files.load(step.stage, run.read(name), entering)


def _step(recipe: Recipe, run: RunFolder, step: Step, unit: int, candidates: list[Candidate]) -> Sequence[Candidate]:
    if step.stage == "source":
        start, stop = unit * recipe.unit_size, (unit + 1) * recipe.unit_size
        with telling(about=f"it was asked for the sources {start} to {stop - 1}"):
            taken = list(recipe.source.take(start, stop))
        _refuse_strange(recipe, taken)
        return taken
    if not candidates:
        return []
    for candidate in candidates:  # what an error calls them
        candidate.unsafe.name = f"the image {candidate.origin.id}"
        if candidate.safe is not None:
            candidate.safe.name = f"the edit of {candidate.origin.id}"
    work: dict[str, Callable[[], Callable[[Sequence[Candidate]], Sequence[Candidate]]]] = {
        "instruct": lambda: recipe.instruct,
        "edit": lambda: recipe.edit(run, step.name, unit),
        "judge": lambda: recipe.judging,
    }
    with telling(about=f"in the step {step.name} {asked_about([item.unsafe.name for item in candidates])}"):
        return work[step.stage]()(candidates)


def _refuse_strange(recipe: Recipe, taken: Sequence[Candidate]) -> None:
    """Raise RecipeError where a source gives a category that the recipe's taxonomy has not."""
    slugs = recipe.taxonomy.slugs
    for candidate in taken:
        if not isinstance(candidate, Candidate):
            given, place = kind_of(candidate), place_of(recipe.source.take)
            raise UserCodeError(f"{place}: it returned {given} among its sources; expected a Candidate")
        if candidate.reject is None and candidate.category not in slugs:
            raise RecipeError(
                f"the source gave {candidate.origin.id} the category {candidate.category!r}; "
                f"{recipe.taxonomy.name} has {', '.join(slugs)}"
            )
