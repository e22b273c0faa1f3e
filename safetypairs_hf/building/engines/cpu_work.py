"""The work of a job that needs no model, in processes next to the model, or in a thread if there can be none.

A process receives pixels and returns files, figures or pixels. It does not read or write parts and does not know units,
so the run is the same whichever process did what and when. It imports little (see `building.finishing`).
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from typing import Concatenate, ParamSpec, TypeVar

from safetypairs_hf.building.engines.processes import WorkerPool
from safetypairs_hf.building.finishing import Finishing
from safetypairs_hf.core.pictures import size_of
from safetypairs_hf.core.records import Picture
from safetypairs_hf.core.user_code import load_file

Given = ParamSpec("Given")
Result = TypeVar("Result")

MOST = 8  # default number of processes for one model, more than it can keep busy
SMALL = 256 * 256  # pixels of an image, below which a process costs more time to start than it saves


class CpuProcesses:
    """Processes that work for a model in this process.

    Args:
        finishing: Does the work.
        path: The recipe's file, which defines the user's own classes in `finishing`; "" if there is none.
        workers: The number of processes; 1 means a thread of this process. A thread is also used until an image is
            expected that is not small, and if `finishing` cannot be used in another process: it cannot be pickled, its
            class is known only in this process, or all of it needs a model.
    """

    def __init__(self, finishing: Finishing, path: str, workers: int) -> None:
        light = finishing.without_models()
        self.path, self.workers, self._expected = path, workers, False
        self._finishing = finishing if light is None else light
        self._sent = None if light is None else _pickled(light)
        self.partial = finishing.holds_model and light is not None
        self._thread: ThreadPoolExecutor | None = None
        self._pool: WorkerPool | None = None
        self._unchecked: list[Future[None]] = []
        self._checking = threading.Lock()

    def expect(self, pictures: Sequence[Picture]) -> None:
        with self._checking:
            if not self._expected and any(prod(size_of(picture)) >= SMALL for picture in pictures):
                self._expected = True
                self._start()

    def _start(self) -> None:
        if self._sent is not None and self.workers > 1 and not multiprocessing.current_process().daemon:
            self._pool = WorkerPool(self.workers, _open, (self.path, self._sent))
            self._unchecked = self._pool.opened

    def submit(
        self, task: Callable[Concatenate[Finishing, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Future[Result]:
        pool = self._processes()
        if pool is not None:
            return pool.submit(task, *args, **options)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1)
        return self._thread.submit(task, self._finishing, *args, **options)

    def close(self) -> None:
        """End the processes after they finish their work."""
        if self._pool is not None:
            self._pool.close()
        if self._thread is not None:
            self._thread.shutdown()

    def abandon(self) -> None:
        """End the processes now. The futures of unfinished work raise."""
        if self._pool is not None:
            self._pool.abandon()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _processes(self) -> WorkerPool | None:
        """Return the processes if they can load what they are sent; otherwise None."""
        with self._checking:
            while self._unchecked:
                try:
                    self._unchecked.pop().result()
                except BrokenProcessPool:
                    raise
                except Exception:  # unpickling, or loading the file, may raise anything
                    assert self._pool is not None
                    self._pool.close()
                    self._pool, self._unchecked = None, []
            return self._pool


def _pickled(finishing: Finishing) -> bytes | None:
    try:
        return pickle.dumps(finishing)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def _open(path: str, sent: bytes) -> Finishing:
    """Prepare a new process."""
    try:
        found: Finishing = pickle.loads(sent)
    except ModuleNotFoundError:  # its class is defined in the recipe's file, or in one next to it
        load_file(path)
        found = pickle.loads(sent)
    return found
