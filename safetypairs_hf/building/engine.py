"""The local engine: runs the stages over work units, each part written once, by one process or several.

Stages that hold no model run together, a unit at a time, in worker processes. A stage that holds a model runs alone in
this process over all units before the next stage starts, so that one GPU holds one model at a time; the parts of the
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
from safetypairs_hf.errors import RunError
from safetypairs_hf.records import Candidate


@dataclass(frozen=True)
class Segment:
    """Neighbouring stages that run together on a unit."""

    stages: tuple[str, ...]
    holds_model: bool


def run_units(
    loaded: LoadedRecipe, run: RunFolder, units: Sequence[int], workers: int, done: Callable[[str, int], None]
) -> None:
    """Make every part of `units` that is not there. `done(stage, unit)` is called as each stage of a unit is finished.

    Raises:
        RunError: the folder cannot be written, or a worker process died.
    """
    for segment in segments(loaded.recipe):
        todo = []
        for unit in units:
            if all(run.has(run.part(stage, unit)) for stage in segment.stages):
                for stage in segment.stages:
                    done(stage, unit)
            else:
                todo.append(unit)
        if segment.holds_model or workers == 1 or len(todo) < 2 or not run.shared:
            finished = _run_here(loaded.recipe, run, segment, todo)
        else:
            finished = _run_in_pool(loaded, run, segment, todo, workers)
        for unit in finished:
            for stage in segment.stages:
                done(stage, unit)


def segments(recipe: Recipe) -> list[Segment]:
    """The stages of a recipe, cut wherever one holds a model (its instructor, editor or a judge says `holds_model`)."""
    models: dict[str, tuple[Any, ...]] = {
        "source": (recipe.source,),
        "instruct": (recipe.instructor,),
        "edit": (recipe.editor,),
        "judge": recipe.judging.judges,
    }
    heavy = {stage: any(getattr(model, "holds_model", False) for model in found) for stage, found in models.items()}
    runs = itertools.groupby(parts.STAGES, key=lambda stage: (heavy[stage], stage if heavy[stage] else ""))
    return [Segment(tuple(stages), key[0]) for key, stages in runs]


def candidates_of(run: RunFolder, unit: int, before: str | None = None) -> list[Candidate]:
    """The candidates that reached stage `before` (or the end of the last stage, rejects included), from their parts."""
    candidates: list[Candidate] = []
    for stage in parts.STAGES[: parts.STAGES.index(before)] if before else parts.STAGES:
        candidates = _read(run, stage, unit, candidates)
    return candidates


def _read(run: RunFolder, stage: str, unit: int, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates of a part that is there; `candidates` are those of the part before it, rejects included."""
    name = run.part(stage, unit)
    with run.checked(name):
        return parts.load(stage, run.read(name), parts.surviving(candidates))


def _work(
    recipe: Recipe, run: RunFolder, segment: Segment, unit: int, candidates: list[Candidate]
) -> list[tuple[str, bytes]]:
    """Run the segment's stages on a unit; the parts that it has to write, in order."""
    made = []
    for stage in segment.stages:
        name = run.part(stage, unit)
        if run.has(name):
            candidates = _read(run, stage, unit, candidates)
            continue
        candidates = _stage(recipe, stage, unit, parts.surviving(candidates))
        made.append((name, parts.dump(stage, candidates)))
    return made


def _stage(recipe: Recipe, stage: str, unit: int, candidates: list[Candidate]) -> list[Candidate]:
    if stage == "source":
        return recipe.source.take(unit * recipe.unit_size, (unit + 1) * recipe.unit_size)
    work: dict[str, Callable[[Sequence[Candidate]], None]] = {
        "instruct": recipe.instruct,
        "edit": recipe.edit,
        "judge": recipe.judging,
    }
    work[stage](candidates)
    return candidates


def _run_here(recipe: Recipe, run: RunFolder, segment: Segment, units: Sequence[int]) -> Iterator[int]:
    """One unit after another, with the next one's parts read ahead and the last one's written behind."""

    def read(unit: int) -> list[Candidate]:
        candidates = parts.surviving(candidates_of(run, unit, before=segment.stages[0]))
        for candidate in candidates:
            _ = candidate.unsafe.pixels, candidate.safe and candidate.safe.pixels
        return candidates

    def write(made: list[tuple[str, bytes]]) -> None:
        for name, data in made:
            run.write(name, data)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        reading = reader.submit(read, units[0]) if units else None
        for index, unit in enumerate(units):
            candidates = reading.result() if reading else []
            reading = reader.submit(read, units[index + 1]) if index + 1 < len(units) else None
            made = _work(recipe, run, segment, unit, candidates)
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


def _work_in_pool(unit: int) -> None:
    recipe, run, segment = _worker
    candidates = parts.surviving(candidates_of(run, unit, before=segment.stages[0]))
    for name, data in _work(recipe, run, segment, unit, candidates):
        run.write(name, data)
