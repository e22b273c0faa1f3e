"""The local engine: runs the steps over work units, each part written once, by one process or several.

Steps that hold no model run together, a unit at a time, in worker processes. A step that holds a model runs alone in
this process over all units before the next step starts, so that one GPU holds one model at a time; the parts of the
next unit are read and decoded, and those of the last written, while the model works. What runs where changes no byte.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building import parts
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe, import_recipe
from safetypairs_hf.building.runfolder import RunFolder
from safetypairs_hf.building.steps import Step, Unit, steps
from safetypairs_hf.errors import RunError
from safetypairs_hf.records import Candidate


@dataclass(frozen=True)
class Segment:
    """Neighbouring steps that run together on a unit."""

    steps: tuple[Step, ...]
    holds_model: bool


def run_units(
    loaded: LoadedRecipe, run: RunFolder, units: Sequence[int], workers: int, done: Callable[[str, int], None]
) -> None:
    """Make every part of `units` that is not there. `done(step, unit)` is called as each step of a unit is finished.

    Raises:
        RunError: the folder cannot be written, or a worker process died.
    """
    for segment in segments(loaded.recipe):
        todo = []
        for unit in units:
            if all(run.has(run.part(step.name, unit)) for step in segment.steps):
                for step in segment.steps:
                    done(step.name, unit)
            else:
                todo.append(unit)
        if segment.holds_model or workers == 1 or len(todo) < 2 or not run.shared:
            finished = _run_here(loaded.recipe, run, segment, todo)
        else:
            finished = _run_in_pool(loaded, run, segment, todo, workers)
        for unit in finished:
            for step in segment.steps:
                done(step.name, unit)
        if segment.holds_model:
            _release(loaded.recipe, segment)


def segments(recipe: Recipe) -> list[Segment]:
    """The steps of a recipe, cut wherever one holds a model (its instructor, editor or a judge says `holds_model`)."""
    every = _models(recipe)
    heavy = {stage: any(getattr(model, "holds_model", False) for model in found) for stage, found in every.items()}
    runs = itertools.groupby(steps(recipe.rounds), key=lambda step: (heavy[step.stage], heavy[step.stage] and step))
    return [Segment(tuple(found), bool(key[0])) for key, found in runs]


def replay(run: RunFolder, unit: int, rounds: int, before: Step | None = None) -> Unit:
    """A unit from its parts: as it stood before a step, or at the end."""
    found = Unit()
    for step in itertools.takewhile(lambda step: step != before, steps(rounds)):
        found.after(step, _read(run, step, unit, found.entering))
    return found


def _models(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """What each stage works with."""
    judges = recipe.judging.judges
    editing = (recipe.editor, recipe.preservation)
    return {"source": (recipe.source,), "instruct": (recipe.instructor,), "edit": editing, "judge": judges}


def _release(recipe: Recipe, segment: Segment) -> None:
    """Let go of a segment's models: the next may need the whole GPU."""
    for model in {id(model): model for step in segment.steps for model in _models(recipe)[step.stage]}.values():
        if hasattr(model, "release"):
            model.release()


def _read(run: RunFolder, step: Step, unit: int, entering: list[Candidate]) -> list[Candidate]:
    name = run.part(step.name, unit)
    with run.checked(name):
        return parts.load(step.stage, run.read(name), entering)


def _work(recipe: Recipe, run: RunFolder, segment: Segment, number: int, unit: Unit) -> list[tuple[str, bytes]]:
    """Run the segment's steps on a unit; the parts that it has to write, in order."""
    made = []
    for step in segment.steps:
        name = run.part(step.name, number)
        if run.has(name):
            unit.after(step, _read(run, step, number, unit.entering))
            continue
        candidates = _step(recipe, step, number, unit.entering)
        made.append((name, parts.dump(step.stage, candidates)))
        unit.after(step, candidates)
    return made


def _step(recipe: Recipe, step: Step, unit: int, candidates: list[Candidate]) -> Sequence[Candidate]:
    if step.stage == "source":
        return recipe.source.take(unit * recipe.unit_size, (unit + 1) * recipe.unit_size)
    work: dict[str, Callable[[Sequence[Candidate]], Sequence[Candidate]]] = {
        "instruct": recipe.instruct,
        "edit": recipe.edit,
        "judge": recipe.judging,
    }
    return work[step.stage](candidates) if candidates else []


def _run_here(recipe: Recipe, run: RunFolder, segment: Segment, units: Sequence[int]) -> Iterator[int]:
    """One unit after another, with the next one's parts read ahead and the last one's written behind."""

    def read(number: int) -> Unit:
        unit = replay(run, number, recipe.rounds, before=segment.steps[0])
        for candidate in unit.entering:
            _ = candidate.unsafe.pixels, candidate.safe and candidate.safe.pixels
        return unit

    def write(made: list[tuple[str, bytes]]) -> None:
        for name, data in made:
            run.write(name, data)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        reading = reader.submit(read, units[0]) if units else None
        for index, number in enumerate(units):
            unit = reading.result() if reading else Unit()
            reading = reader.submit(read, units[index + 1]) if index + 1 < len(units) else None
            made = _work(recipe, run, segment, number, unit)
            if written is not None:
                written.result()
                yield units[index - 1]
            written = writer.submit(write, made)
        if written is not None:
            written.result()
            yield units[-1]


def _run_in_pool(
    loaded: LoadedRecipe, run: RunFolder, segment: Segment, units: Sequence[int], workers: int
) -> Iterator[int]:
    """Units over worker processes; at most two a worker are queued, so that an interrupt has little to wait for."""
    context = multiprocessing.get_context("spawn")
    arguments = (loaded.path, pickle.dumps(loaded.recipe), run.url, segment)
    waiting = iter(units)
    running: dict[Future[None], int] = {}
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(min(workers, len(units)), context, _start_worker, arguments) as pool:
        try:
            while True:
                for unit in itertools.islice(waiting, 2 * workers - len(running)):
                    running[pool.submit(_work_in_pool, unit)] = unit
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    yield running.pop(future)
        except BrokenProcessPool as error:
            raise RunError(
                f"a worker process died (out of memory?); run the same command again, it resumes; "
                f"or with fewer workers than {workers}"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():  # a part is whole or not there, so none need be waited for
                if child not in others:
                    child.terminate()
            raise


_worker: tuple[Recipe, RunFolder, Segment]


def _start_worker(path: str, recipe: bytes, url: str, segment: Segment) -> None:
    """In a new worker process: an interrupt is the parent's to handle; the recipe's own classes come from its file."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_recipe(path)
    _worker = (pickle.loads(recipe), RunFolder(url), segment)


def _end_with_parent() -> None:
    """A killed parent tells its workers nothing: without this they would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_in_pool(number: int) -> None:
    recipe, run, segment = _worker
    unit = replay(run, number, recipe.rounds, before=segment.steps[0])
    for name, data in _work(recipe, run, segment, number, unit):
        run.write(name, data)
