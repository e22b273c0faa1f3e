"""What all engines share: jobs over work units, and parts that are written once. An engine changes no byte of a part.

A job is neighbouring steps that run together on a unit, or one that holds a model, alone. A job is over for all units
before the next starts, so that one GPU holds one model at a time. What a job does to a unit has two halves: `work` asks
the models and submits what needs none to a `CpuWork`; the function that `work` returns waits for that, and makes the
parts of it.
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
        """What `work` needs of a unit."""

    def pictures(self, found: Any) -> list[Picture]:
        """The pictures of what was read, which are decoded before `work`."""

    def images(self, recipe: Recipe, found: Any) -> int:
        """How many images the models work on in a unit."""

    def work(self, recipe: Recipe, run: RunFolder, number: int, found: Any, cpu: CpuWork) -> Callable[[], Parts]:
        """Have the models work; `found` is what was read.

        Returns:
            A function that waits for what was submitted to `cpu`, and returns the parts of the unit that have to be
            written, in order. It may be called in another thread.
        """


class Engine(Protocol):
    """Does jobs. Used as a context, which holds what it works on: processes, or a cluster.

    `meter`: what the models have done in the jobs so far.
    """

    meter: Meter

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
        return replay(run, number, recipe.rounds, before=self.steps[0])

    def pictures(self, found: Unit) -> list[Picture]:
        return pictures(found.entering)

    def images(self, recipe: Recipe, found: Unit) -> int:
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
    """Make every part of `units` that is not there. `done(step, unit)` is called as each step of a unit is finished.

    How fast the steps that hold a model go is noted in `tempos`.

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
        doing = engine.do(loaded, run, segment, todo)
        if holds_model(loaded.recipe, segment):
            doing = tempos.timed(segment.steps[0].name, engine.meter, doing)
        for unit in doing:
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


def pictures(candidates: Sequence[Candidate]) -> list[Picture]:
    """The pictures of some candidates."""
    found = (picture for each in candidates for picture in (each.unsafe, each.safe) if picture is not None)
    return list(dict.fromkeys(found))  # attempts at one source share its picture


def decode(found: Sequence[Picture], cpu: CpuWork) -> None:
    """Decode the pictures now, while a model is at work, and not when it waits for them."""
    cpu.expect(found)
    decoding = [(picture, cpu.submit(Finishing.decoded, picture.data)) for picture in found]
    for picture, decoded in decoding:
        pixels = decoded.result()
        pixels.flags.writeable = False  # as where it was decoded
        picture.pixels = pixels


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

    def make(
        self, number: int, busy: contextlib.AbstractContextManager[Any] | None = None, cpu: CpuWork | None = None
    ) -> Made:
        """Do the job to a unit. `busy` is held while the models work, not to read, to finish and to write.

        What needs no model is done by `cpu`; None does it in this thread.
        """
        cpu = cpu or AtOnce(self.recipe.finishing)
        found = self.job.read(self.recipe, self.run, number)
        decode(self.job.pictures(found), cpu)
        images = self.job.images(self.recipe, found)
        # It is told here, as a traceback does not go to another process.
        with telling(about=f"in the work unit {number}"):
            with busy or contextlib.nullcontext():
                began = monotonic()
                rest = self.job.work(self.recipe, self.run, number, found, cpu)
                took = monotonic() - began
            made = rest()
        for name, data in made:
            self.run.write(name, data)
        return Made([name for name, _ in made], images, took)


class Made(NamedTuple):
    """What came of a unit: the names of the parts written, the images of its models, and the seconds they worked."""

    names: list[str]
    images: int
    busy: float


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


def _start(recipe: Recipe, run: RunFolder, number: int, unit: Unit, step: Step, cpu: CpuWork) -> Callable[[], Parts]:
    """Begin a step of a unit; what is returned ends it, and returns its part, or none where that is there already."""
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
    for candidate in candidates:  # what an error calls them
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
