"""Processes that a build starts: interrupts are the parent's to handle, and none outlives the parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold interrupts back; processes that are started meanwhile never get one.

    A new process would say a traceback before it can be told to ignore them.
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
    """In a new process: ignore interrupts, and end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent tells its workers nothing: without this they would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_processes(but: list[multiprocessing.process.BaseProcess]) -> None:
    """End every child process but these. A part is whole or not there, so none need be waited for."""
    for child in multiprocessing.active_children():
        if child not in but:
            child.terminate()
