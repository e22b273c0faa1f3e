"""Processes that a build starts: only the parent handles interrupts, and no process outlives the parent.

`WorkerPool` is for large messages. The processes of a `concurrent.futures` pool share two pipes, and the parent holds
every end: if a process dies in the middle of a message, the parent waits for the rest of it forever.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection
from typing import Any


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Block interrupts. Processes that are started meanwhile never receive one.

    Otherwise a new process could print a traceback before it can ignore them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_process() -> None:
    """Prepare a new process: ignore interrupts, and end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End with the parent: a killed parent cannot tell its workers, which would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_processes(but: list[multiprocessing.process.BaseProcess]) -> None:
    """End every child process except these. A part is complete or missing, so none need be waited for."""
    for child in multiprocessing.active_children():
        if child not in but:
            child.terminate()


class WorkerPool:
    """Processes that make calls, each over its own pipe and served by a thread of this process.

    Args:
        workers: The number of processes.
        opener: Called once in each process with `args`; its result is the first argument of every call.
    """

    def __init__(self, workers: int, opener: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Any] | None] = queue.SimpleQueue()
        self._died, self._ended = threading.Event(), threading.Event()
        self._processes, self._threads = [], []
        self.opened: list[Future[None]] = []  # one for each process; raises the error of `opener` there
        spawning = multiprocessing.get_context("spawn")
        for _ in range(workers):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(target=_serve, args=(theirs, opener, args), daemon=True)
            with interrupts_held():
                process.start()
            theirs.close()  # so that the pipe ends with the process
            opened: Future[None] = Future()
            thread = threading.Thread(target=self._talk, args=(ours, opened), daemon=True)
            thread.start()
            self._processes.append(process)
            self._threads.append(thread)
            self.opened.append(opened)

    def submit(self, call: Callable[..., Any], *args: Any, **options: Any) -> Future[Any]:
        """Call `call(opened, *args, **options)` in a process. The future raises BrokenProcessPool if a process died."""
        future: Future[Any] = Future()
        self._calls.put((future, (call, args, options)))
        if self._ended.is_set():
            self._refuse()
        return future

    def close(self) -> None:
        """Wait for all submitted calls, and end the processes."""
        for _ in self._threads:
            self._calls.put(None)
        for thread, process in zip(self._threads, self._processes, strict=True):
            thread.join()
            process.join()
        self._ended.set()
        self._refuse()

    def abandon(self) -> None:
        """End the processes now. The futures of unfinished calls raise."""
        self._died.set()
        for process in self._processes:
            process.terminate()
        self.close()

    def _refuse(self) -> None:
        """Settle the calls that were submitted after all processes ended."""
        with contextlib.suppress(queue.Empty):
            while True:
                found = self._calls.get_nowait()
                if found is not None:
                    found[0].set_exception(BrokenProcessPool("a worker process was ended"))

    def _talk(self, pipe: Connection, opened: Future[None]) -> None:
        with pipe:
            self._settle(opened, pipe.recv)
            while (found := self._calls.get()) is not None:
                future, call = found

                def answer(call: Any = call) -> Any:
                    pipe.send(call)
                    return pipe.recv()

                self._settle(future, answer)

    def _settle(self, future: Future[Any], answer: Callable[[], Any]) -> None:
        """Wait for an answer. After a process died, all remaining calls fail."""
        try:
            if self._died.is_set():
                raise EOFError
            good, value = answer()
        except (EOFError, OSError):
            self._died.set()
            good, value = False, BrokenProcessPool("a worker process died")
        except Exception as error:  # the value cannot be sent, or cannot be read here
            good, value = False, error
        if good:
            future.set_result(value)
        else:
            future.set_exception(value)


def _serve(pipe: Connection, opener: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Answer calls in a new process until the pipe ends."""
    begin_process()
    with contextlib.suppress(EOFError, OSError), pipe:
        try:
            opened = opener(*args)
        except Exception as error:
            pipe.send((False, error))
            return
        pipe.send((True, None))
        while True:
            call, given, options = pipe.recv()
            _answer(pipe, partial(call, opened, *given, **options))


def _answer(pipe: Connection, call: Callable[[], Any]) -> None:
    try:
        answer = True, call()
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        answer = False, error
    try:
        pipe.send(answer)
    except (EOFError, OSError):
        raise
    except Exception as error:  # the user's exception cannot be pickled
        pipe.send((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]} ({error})")))
