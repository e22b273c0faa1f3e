"""The work of a job that needs no model, in processes beside the model, or in a thread where there can be none.

A process gets pixels and gives files, figures or pixels back. It reads and writes no part and knows of no unit, so that
it makes no difference to a run which process did what, or when. It imports little (see `building.finishing`).
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

MOST = 8  # processes beside one model, by default: more than a model can keep busy
SMALL = 256 * 256  # pixels of an image, below which a process costs more time to start than it saves


class Beside:
    """Work for a model in this process, done beside it.

    Args:
        finishing: does the work.
        path: the recipe's file, which defines what classes `finishing` has of the user's own; "" without one.
        workers: processes; 1 means a thread of this process. A thread does it, too, until an image is expected that is
            not small, and where no other process can be given `finishing`: it cannot be pickled, its class is known in
            this process alone, or all of it needs a model.
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
        """End the processes when they have done what they were given."""
        if self._pool is not None:
            self._pool.close()
        if self._thread is not None:
            self._thread.shutdown()

    def abandon(self) -> None:
        """End the processes now; the futures of what they were given raise."""
        if self._pool is not None:
            self._pool.abandon()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _processes(self) -> WorkerPool | None:
        """The processes, if they could make something of what they were sent."""
        with self._checking:
            while self._unchecked:
                try:
                    self._unchecked.pop().result()
                except BrokenProcessPool:
                    raise
                except Exception:  # what unpickling raises, and loading a file
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
    """In a new process."""
    try:
        found: Finishing = pickle.loads(sent)
    except ModuleNotFoundError:  # it is of a class that the recipe's file defines, or a file beside that
        load_file(path)
        found = pickle.loads(sent)
    return found
