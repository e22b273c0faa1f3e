"""The base of all engines: jobs over work units, and parts that are written once. The engine changes no byte of a part.

A job is either several neighbouring steps that run together on a unit, or a single step that holds a model. A job
finishes all units before the next one starts, so that one GPU holds one model at a time. The work of a job on a unit
has two halves: `work` asks the models and submits everything else to a `CpuWork`; the function that `work` returns
waits for that, and makes the parts.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, Protocol, Self

from safetypairs_hf.building import stage_files
from safetypairs_hf.building.finishing import AtOnce, CpuWork, Finishing
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe
from safetypairs_hf.building.rounds import Step, Unit, steps
from safetypairs_hf.building.tempo import Meter, Tempos
from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.records import Candidate, Picture
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.user_code import load_file, telling
from safetypairs_hf.core.user_function import asked_about, kind_of, place_of

Parts = list[tuple[str, bytes]]  # names in the run folder, and contents


class HandedOver(Exception):  # noqa: N818 - a state, not a mistake
    """Another system does the jobs of a build, which continues after them.

    Attributes:
        units: The number of work units.
        jobs: The number of jobs.
        script: The script that submits them.
        said: The output of the script; "" if it was not run.
    """

    def __init__(self, units: int, jobs: int, script: str, said: str) -> None:
        super().__init__(units, jobs, script, said)
        self.units, self.jobs, self.script, self.said = units, jobs, script, said


class Job(Protocol):
    """The work on a unit. It is sent to other processes by pickle."""

    @property
    def name(self) -> str:
        """The steps of the job, as a file name."""

    def is_done(self, run: RunFolder, number: int) -> bool:
        """Return whether the parts of a unit exist."""

    def models(self, recipe: Recipe) -> tuple[Any, ...]:
        """Return the parts of the recipe that the job uses."""

    def read(self, recipe: Recipe, run: RunFolder, number: int) -> Any:
        """Read the input of `work` for a unit."""

    def pictures(self, found: Any) -> list[Picture]:
        """Return the pictures in that input, which are decoded before `work`."""

    def images(self, recipe: Recipe, found: Any) -> int:
        """Return the number of images that the models worked on in a unit; called after `work`."""

    def work(self, recipe: Recipe, run: RunFolder, number: int, found: Any, cpu: CpuWork) -> Callable[[], Parts]:
        """Ask the models; `found` is the result of `read`.

        Returns:
            A function that waits for the work submitted to `cpu`, and returns the parts of the unit to write, in order.
            It may be called in another thread.
        """


class Engine(Protocol):
    """Does jobs. It is a context manager that holds processes or a cluster.

    `meter` counts the work of the models in the jobs so far.
    """

    meter: Meter

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def check(self, loaded: LoadedRecipe) -> None:
        """Raise RecipeError if the models would run on a machine that does not suffice."""

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        """Do a job on units. Yields each unit when its parts are written, in any order."""

    def join(self, run: RunFolder) -> None:
        """Return when all jobs so far are done. Raises HandedOver if another system does them."""


@dataclass(frozen=True)
class Segment:
    """A job of several neighbouring steps."""

    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return "-to-".join(dict.fromkeys((self.steps[0].name, self.steps[-1].name)))

    def is_done(self, run: RunFolder, number: int) -> bool:
        return all(run.has(run.part(step.name, number)) for step in self.steps)

    def models(self, recipe: Recipe) -> tuple[Any, ...]:
        return tuple(model for step in self.steps for model in _models(recipe)[step.stage])

    def read(self, recipe: Recipe, run: RunFolder, number: int) -> Unit:
        return replay(run, number, recipe.rounds, before=self.steps[0])

    def pictures(self, found: Unit) -> list[Picture]:
        return pictures(found.entering)

    def images(self, recipe: Recipe, found: Unit) -> int:
        if self.steps[0].stage == "judge":  # the judges are not shown pairs that fail by their pixels
            return sum(bool(candidate.judgements) for candidate in found.entering)
        return len(found.entering) * (recipe.attempts if self.steps[0].stage == "edit" else 1)

    def work(self, recipe: Recipe, run: RunFolder, number: int, found: Unit, cpu: CpuWork) -> Callable[[], Parts]:
        *before, last = self.steps
        made = [part for step in before for part in _start(recipe, run, number, found, step, cpu)()]
        rest = _start(recipe, run, number, found, last, cpu)
        return lambda: made + rest()


def run_units(
    engine: Engine,
    loaded: LoadedRecipe,
    run: RunFolder,
    units: Sequence[int],
    done: Callable[[str, int], None],
    tempos: Tempos,
) -> None:
    """Make every missing part of `units`. `done(step, unit)` is called when a step of a unit is finished.

    The speed of steps that hold a model is recorded in `tempos`.

    Raises:
        RunError: The folder cannot be written, or a worker process died.
        HandedOver: The engine has another system do the jobs.
    """
    for segment in segments(loaded.recipe):
        todo = []
        for unit in units:
            if segment.is_done(run, unit):
                for step in segment.steps:
                    done(step.name, unit)
            else:
                todo.append(unit)
        doing = engine.do(loaded, run, segment, todo)
        if holds_model(loaded.recipe, segment):
            doing = tempos.timed(segment.steps[0].name, engine.meter, doing)
        for unit in doing:
            for step in segment.steps:
                done(step.name, unit)
    engine.join(run)


def segments(recipe: Recipe) -> list[Segment]:
    """Return the steps of a recipe, divided wherever one holds a model."""
    heavy = {stage: any(map(_is_heavy, models)) for stage, models in _models(recipe).items()}
    runs = itertools.groupby(steps(recipe.rounds), key=lambda step: (heavy[step.stage], heavy[step.stage] and step))
    return [Segment(tuple(found)) for _, found in runs]


def holds_model(recipe: Recipe, job: Job) -> bool:
    """Return whether an instructor, editor or judge of the job has `holds_model`."""
    return any(map(_is_heavy, job.models(recipe)))


def release(recipe: Recipe, job: Job) -> None:
    """Release the models of a job: the next job may need the whole GPU."""
    for model in {id(model): model for model in job.models(recipe)}.values():
        if hasattr(model, "release"):
            model.release()


def replay(run: RunFolder, unit: int, rounds: int, before: Step | None = None) -> Unit:
    """Restore a unit from its parts: as it was before a step, or at the end."""
    found = Unit()
    for step in itertools.takewhile(lambda step: step != before, steps(rounds)):
        found.after(step, _read(run, step, unit, found.entering))
    return found


def pictures(candidates: Sequence[Candidate]) -> list[Picture]:
    """Return the distinct pictures of some candidates."""
    found = (picture for each in candidates for picture in (each.unsafe, each.safe) if picture is not None)
    return list(dict.fromkeys(found))  # attempts at one source share its picture


def decode(found: Sequence[Picture], cpu: CpuWork) -> None:
    """Decode the pictures now, while a model is busy, so that it does not wait for them later."""
    cpu.expect(found)
    decoding = [(picture, cpu.submit(Finishing.decoded, picture.data)) for picture in found]
    for picture, decoded in decoding:
        pixels = decoded.result()
        pixels.flags.writeable = False  # as in the process that decoded it
        picture.pixels = pixels


class Sent(NamedTuple):
    """A job for another process, which also reads the recipe's file for the classes defined there."""

    path: str
    url: str
    pickled: bytes

    @classmethod
    def pack(cls, loaded: LoadedRecipe, run: RunFolder, job: Job) -> Sent:
        """Pack a job. Raises RecipeError if the recipe holds something that cannot be pickled."""
        try:
            return cls(loaded.path, run.url, pickle.dumps((loaded.recipe, job)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RecipeError(
                f"recipe {loaded.name!r} cannot be sent to another process: {error}; use only objects of "
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

    def make(
        self, number: int, busy: contextlib.AbstractContextManager[Any] | None = None, cpu: CpuWork | None = None
    ) -> Made:
        """Do the job on a unit. `busy` is entered while the models work, not for reading, finishing and writing.

        `cpu` does the work that needs no model; None does it in this thread.
        """
        cpu = cpu or AtOnce(self.recipe.finishing)
        found = self.job.read(self.recipe, self.run, number)
        decode(self.job.pictures(found), cpu)
        # Add the context here, because a traceback is not sent to the other process.
        with telling(about=f"in the work unit {number}"):
            with busy or contextlib.nullcontext():
                began = monotonic()
                rest = self.job.work(self.recipe, self.run, number, found, cpu)
                took = monotonic() - began
            images = self.job.images(self.recipe, found)
            made = rest()
        for name, data in made:
            self.run.write(name, data)
        return Made([name for name, _ in made], images, took)


class Made(NamedTuple):
    """The result for a unit: names of the written parts, number of images of its models, the seconds they worked."""

    names: list[str]
    images: int
    busy: float


def _is_heavy(model: Any) -> bool:
    return bool(getattr(model, "holds_model", False))


def _models(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """Return the parts of the recipe that each stage uses."""
    judges = recipe.judging.judges
    editing = (recipe.editor, recipe.preservation)
    return {"source": (recipe.source,), "instruct": (recipe.instructor,), "edit": editing, "judge": judges}


def _read(run: RunFolder, step: Step, unit: int, entering: list[Candidate]) -> list[Candidate]:
    name = run.part(step.name, unit)
    with run.checked(name):
        return stage_files.load(step.stage, run.read(name), entering)


def _start(recipe: Recipe, run: RunFolder, number: int, unit: Unit, step: Step, cpu: CpuWork) -> Callable[[], Parts]:
    """Start a step of a unit. The returned function ends it and returns its part, or none if the part exists."""
    name = run.part(step.name, number)
    if run.has(name):
        unit.after(step, _read(run, step, number, unit.entering))
        return list
    rest = _step(recipe, run, step, number, unit.entering, cpu)

    def end() -> Parts:
        candidates = rest()
        unit.after(step, candidates)
        return [(name, stage_files.dump(step.stage, candidates))]

    return end


def _step(
    recipe: Recipe, run: RunFolder, step: Step, unit: int, candidates: list[Candidate], cpu: CpuWork
) -> Callable[[], Sequence[Candidate]]:
    if step.stage == "source":
        start, stop = unit * recipe.unit_size, (unit + 1) * recipe.unit_size
        with telling(about=f"it was asked for the sources {start} to {stop - 1}"):
            taken = list(recipe.source.take(start, stop))
        _refuse_strange(recipe, taken)
        return lambda: taken
    if not candidates:
        return list
    for candidate in candidates:  # their names in error messages
        candidate.unsafe.name = f"the image {candidate.origin.id}"
        if candidate.safe is not None:
            candidate.safe.name = f"the edit of {candidate.origin.id}"
    with telling(about=f"in the step {step.name} {asked_about([item.unsafe.name for item in candidates])}"):
        if step.stage == "instruct":
            instructed = recipe.instruct(candidates)
            return lambda: instructed
        if step.stage == "edit":
            return recipe.edit(run, step.name, unit).start(candidates, cpu)
        return recipe.judging.start(candidates, cpu)


def _refuse_strange(recipe: Recipe, taken: Sequence[Candidate]) -> None:
    """Raise RecipeError if a source gives a category that the recipe's taxonomy does not have."""
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
