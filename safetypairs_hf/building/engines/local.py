"""The local engine: this process for jobs that hold a model, worker processes for the others.

The parts of the next unit are read and decoded, and those of the last written, while a model works.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from safetypairs_hf.building.engines.base import Job, Opened, Parts, Sent, holds_model, release
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe, check_machine
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.user_code import telling


class LocalEngine:
    """`workers`: processes for jobs that hold no model; None = one a core."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to let go of: what a job holds, it lets go of at its end."""

    def check(self, loaded: LoadedRecipe) -> None:
        check_machine(loaded)

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        heavy = holds_model(loaded.recipe, job)
        if heavy or self.workers == 1 or len(units) < 2 or not run.shared:
            yield from _run_here(loaded.recipe, run, job, units)
        else:
            yield from _run_in_pool(Sent.pack(loaded, run, job), units, self.workers)
        if heavy:
            release(loaded.recipe, job)

    def join(self, run: RunFolder) -> None:
        """A job is done when `do` ends."""


def _run_here(recipe: Recipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
    """One unit after another, with the next one's parts read ahead and the last one's written behind."""

    def write(made: Parts) -> None:
        for name, data in made:
            run.write(name, data)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        reading = reader.submit(job.read, recipe, run, units[0]) if units else None
        for index, number in enumerate(units):
            assert reading is not None
            found = reading.result()
            reading = reader.submit(job.read, recipe, run, units[index + 1]) if index + 1 < len(units) else None
            with telling(about=f"in the work unit {number}"):
                made = job.work(recipe, run, number, found)
            if written is not None:
                written.result()
                yield units[index - 1]
            written = writer.submit(write, made)
        if written is not None:
            written.result()
            yield units[-1]


def _run_in_pool(sent: Sent, units: Sequence[int], workers: int) -> Iterator[int]:
    """Units over worker processes; at most two a worker are queued, so that an interrupt has little to wait for."""
    context = multiprocessing.get_context("spawn")
    waiting = iter(units)
    running: dict[Future[None], int] = {}
    others = multiprocessing.active_children()
    with ProcessPoolExecutor(min(workers, len(units)), context, _start_worker, (sent,)) as pool:
        try:
            while True:
                for unit in itertools.islice(waiting, 2 * workers - len(running)):
                    with _interrupts_held():  # a new process would say a traceback before it can be told to ignore them
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


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back; processes that are started meanwhile never get one."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_worker: Opened


def _start_worker(sent: Sent) -> None:
    """In a new worker process: an interrupt is the parent's to handle."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = sent.open()


def _end_with_parent() -> None:
    """A killed parent tells its workers nothing: without this they would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work_in_pool(number: int) -> None:
    _worker.make(number)
