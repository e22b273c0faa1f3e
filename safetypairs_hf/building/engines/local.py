"""The local engine: this process for jobs that hold a model, worker processes for the others.

While a model works in this process, other processes decode the pictures of the next unit, and finish, encode and hash
the images that it made (see `cpu_work`); threads read and write the parts. So the model's thread does not wait, unless
the others are too slow: it is at most one unit ahead of what is written.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from time import monotonic
from typing import Any, Self

from safetypairs_hf.building.engines.base import Job, Opened, Parts, Sent, decode, holds_model, release
from safetypairs_hf.building.engines.cpu_work import MOST, CpuProcesses
from safetypairs_hf.building.engines.processes import begin_process, end_processes, interrupts_held
from safetypairs_hf.building.finishing import AtOnce, CpuWork
from safetypairs_hf.building.recipe import LoadedRecipe, check_machine
from safetypairs_hf.building.tempo import Meter
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.records import Picture
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.user_code import telling


class LocalEngine:
    """`workers`: the number of processes for jobs without a model, and next to a model; None means one per core."""

    def __init__(self, workers: int | None = None) -> None:
        cores = os.cpu_count() or 1
        self.workers, self._beside = workers or cores, workers or min(cores, MOST)
        self.meter = Meter()
        self._cpu: CpuProcesses | None = None  # started by the first job that holds a model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close(abandon=error[0] is not None)

    def check(self, loaded: LoadedRecipe) -> None:
        check_machine(loaded)

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        if not units:
            return
        heavy = holds_model(loaded.recipe, job)
        if heavy:
            yield from self._beside_a_model(loaded, run, job, units)
        elif self.workers == 1 or len(units) < 2 or not run.shared:
            yield from _run_here(loaded, run, job, units, AtOnce(loaded.recipe.finishing), Meter())
        else:
            yield from _run_in_pool(Sent.pack(loaded, run, job), units, self.workers)
        if heavy:
            release(loaded.recipe, job)

    def join(self, run: RunFolder) -> None:
        """Do nothing: a job is done when `do` ends."""

    def _beside_a_model(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        if self._cpu is None:
            self._cpu = CpuProcesses(loaded.recipe.finishing, loaded.path, self._beside)
        try:
            yield from _run_here(loaded, run, job, units, self._cpu, self.meter)
        except BrokenProcessPool as error:
            raise _died(self._beside) from error

    def _close(self, abandon: bool) -> None:
        if self._cpu is not None:
            self._cpu.abandon() if abandon else self._cpu.close()
            self._cpu = None


def _run_here(
    loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int], cpu: CpuWork, meter: Meter
) -> Iterator[int]:
    """Process one unit after another.

    The next one is read ahead, and the last one is finished and written meanwhile.
    """
    recipe = loaded.recipe

    def read_ahead(number: int) -> Any:
        found = job.read(recipe, run, number)
        decode(job.pictures(found), cpu)
        return found

    def end(number: int, rest: Callable[[], Parts]) -> None:
        with telling(about=f"in the work unit {number}"):
            made = rest()
        for name, data in made:
            run.write(name, data)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as ender, _abandoned(cpu):
        reading, ending = reader.submit(job.read, recipe, run, units[0]), None
        for index, number in enumerate(units):
            found = reading.result()
            if index == 0:  # nothing has to wait yet, and the processes are starting
                cpu.expect(job.pictures(found))
                reader.submit(_decode_here, job.pictures(found))
            if index + 1 < len(units):
                reading = reader.submit(read_ahead, units[index + 1])
            began = monotonic()
            with telling(about=f"in the work unit {number}"):
                rest = job.work(recipe, run, number, found, cpu)
            meter.add(job.images(recipe, found), monotonic() - began)
            if ending is not None:
                ending.result()
                yield units[index - 1]
            ending = ender.submit(end, number, rest)
            del found, rest  # free the memory of what is finished and written
        if ending is not None:
            ending.result()
            yield units[-1]


@contextlib.contextmanager
def _abandoned(cpu: CpuWork) -> Iterator[None]:
    """If an error ends a job, end its processes first: the threads of the job wait for them."""
    try:
        yield
    except BaseException:
        if isinstance(cpu, CpuProcesses):
            cpu.abandon()
        raise


def _decode_here(pictures: Sequence[Picture]) -> None:
    for picture in pictures:
        _ = picture.pixels


def _run_in_pool(sent: Sent, units: Sequence[int], workers: int) -> Iterator[int]:
    """Distribute units over worker processes, with at most two queued for each, so that an interrupt ends quickly."""
    context = multiprocessing.get_context("spawn")
    waiting = iter(units)
    running: dict[Future[None], int] = {}
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(min(workers, len(units)), context, _start_worker, (sent,)) as pool:
        try:
            while True:
                for unit in itertools.islice(waiting, 2 * workers - len(running)):
                    with interrupts_held():
                        running[pool.submit(_work_in_pool, unit)] = unit
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    yield running.pop(future)
        except BrokenProcessPool as error:
            raise _died(workers) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_processes(but=others)
            raise


def _died(workers: int) -> RunError:
    return RunError(
        "a worker process died (out of memory?); run the same command again, it resumes; "
        f"or with fewer workers than {workers}"
    )


_worker: Opened


def _start_worker(sent: Sent) -> None:
    """Prepare a new worker process."""
    global _worker
    begin_process()
    _worker = sent.open()


def _work_in_pool(number: int) -> None:
    _worker.make(number)
