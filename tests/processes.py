"""Watch processes of a test."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def interruptible() -> None:
    """Take Ctrl-C as a command at a terminal does: a `preexec_fn`, as tests that run in the background ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory is `folder`."""
    return [str(entry) for entry in Path("/proc").glob("[0-9]*/cwd") if os.path.realpath(entry) == str(folder)]


# Seconds until a test gives up waiting for something to happen: just less than pytest's own limit, see pyproject.toml.
# No test has a shorter limit, so that none fails because the machine is slow.
LIMIT = 290.0


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until the condition holds; `otherwise` says what went wrong where it does not within LIMIT."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
