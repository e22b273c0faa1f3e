"""The work of a job that needs no model, in processes beside the model, or in a thread where there can be none.

A process gets pixels and gives files, figures or pixels back. It reads and writes no part and knows of no unit, so that
it makes no difference to a run which process did what, or when. It imports little (see `building.finishing`).
"""

from __future__ import annotations

import functools
import multiprocessing
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from typing import Any, Concatenate, ParamSpec, TypeVar

from safetypairs_hf.building.engines.processes import begin_process, end_processes, interrupts_held
from safetypairs_hf.building.finishing import CpuWork, Finishing
from safetypairs_hf.core.pictures import size_of
from safetypairs_hf.core.records import Picture
from safetypairs_hf.core.user_code import load_file

Given = ParamSpec("Given")
Result = TypeVar("Result")

MOST = 8  # processes beside one model, by default: more than a model can keep busy
SMALL = 256 * 256  # pixels of an image, below which a process costs more time to start than it saves


class Beside(CpuWork):
    """Work for a model in this process, done beside it.

    Args:
        finishing: does the work.
        path: the recipe's file, which defines what classes `finishing` has of the user's own; "" without one.
        workers: processes; 1 means a thread of this process. A thread does it, too, until an image is expected that is
            not small, and where no other process can be given `finishing`: it cannot be pickled, its class is known in
            this process alone, or all of it needs a model.
    """

    def __init__(self, finishing: Finishing, path: str, workers: int) -> None:
        self.finishing, self.path, self.workers = finishing, path, workers
        self._partial = self._expected = False
        self._thread: ThreadPoolExecutor | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._starting: list[Future[None]] = []
        self._others = multiprocessing.active_children()

    def expect(self, pictures: Sequence[Picture]) -> None:
        if not self._expected and any(prod(size_of(picture)) >= SMALL for picture in pictures):
            self._expected = True
            self._start()

    def _start(self) -> None:
        sent = _pickled(self.finishing.without_models())
        if sent is not None and self.workers > 1 and not multiprocessing.current_process().daemon:
            spawned = multiprocessing.get_context("spawn")
            with interrupts_held():  # a process for each of the first calls is started at once
                self._pool = ProcessPoolExecutor(self.workers, spawned, _begin, (self.path, sent))
                self._starting = [self._pool.submit(_check) for _ in range(self.workers)]
            self._partial = self.finishing.holds_model

    @property
    def partial(self) -> bool:
        return self._partial

    def submit(
        self, task: Callable[Concatenate[Finishing, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Future[Result]:
        pool = self._processes()
        if pool is not None:
            return pool.submit(_work, task, args, options)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1)
        return self._thread.submit(task, self.finishing, *args, **options)

    def close(self) -> None:
        """End the processes when they have done what they were given."""
        self._shut(wait=True)

    def abandon(self) -> None:
        """End the processes now; the futures of what they were given raise."""
        if self._pool is not None:
            end_processes(but=self._others)
        self._shut(wait=False)

    def _shut(self, wait: bool) -> None:
        for executor in (self._pool, self._thread):
            if executor is not None:
                executor.shutdown(wait=wait, cancel_futures=not wait)

    def _processes(self) -> ProcessPoolExecutor | None:
        """The processes, if they could make something of what they were sent."""
        while self._starting:
            try:
                self._starting.pop().result()
            except BrokenProcessPool:
                raise
            except Exception:  # what unpickling raises, and loading a file
                self._starting, self._partial = [], False
                assert self._pool is not None
                self._pool.shutdown()
                self._pool = None
        return self._pool


def _pickled(finishing: Finishing | None) -> bytes | None:
    try:
        return None if finishing is None else pickle.dumps(finishing)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


_sent: tuple[str, bytes]


def _begin(path: str, sent: bytes) -> None:
    global _sent
    begin_process()
    _sent = path, sent


@functools.cache
def _finishing() -> Finishing:
    path, sent = _sent
    try:
        found: Finishing = pickle.loads(sent)
    except ModuleNotFoundError:  # it is of a class that the recipe's file defines, or a file beside that
        load_file(path)
        found = pickle.loads(sent)
    return found


def _check() -> None:
    _finishing()


def _work(task: Callable[..., Any], args: Any, options: Any) -> Any:
    return task(_finishing(), *args, **options)
