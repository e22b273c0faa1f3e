"""Watch processes of a test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory is `folder`."""
    return [str(entry) for entry in Path("/proc").glob("[0-9]*/cwd") if os.path.realpath(entry) == str(folder)]


def wait_for(condition: Callable[[], bool], otherwise: str, seconds: float = 120) -> None:
    """Wait until the condition holds, for `seconds` at most; `otherwise` says what went wrong."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
