"""Show the progress of a command on stderr, with rate and time left: bars on a terminal, else a line per minute."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

Report: TypeAlias = Callable[[str, int, int], None]
More: TypeAlias = Callable[[str], str]

EVERY = 60.0  # seconds between two lines

_quiet = False


def be_quiet() -> None:
    """Show no progress and no remarks in this process, of this package or of the libraries."""
    import logging

    global _quiet
    _quiet = True
    logging.getLogger("safetypairs_hf").setLevel(logging.ERROR)
    for library in ("HF_HUB", "HF_DATASETS"):  # variables: importing the libraries takes longer than many commands
        os.environ[f"{library}_DISABLE_PROGRESS_BARS"] = "1"


def be_verbose() -> None:
    """Show the logs of the libraries, from level INFO on."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    for name in ("datasets", "huggingface_hub", "transformers", "diffusers"):
        logging.getLogger(name).setLevel(logging.INFO)


def remark(text: str) -> None:
    """Print a line of optional information on stderr, such as the rate. --quiet suppresses it."""
    import click

    if not _quiet:
        click.echo(f"safetypairs: {text}", err=True)


def _shows_bars() -> bool:
    return sys.stderr.isatty() and not _quiet


def quiet_hub() -> None:
    """Switch off the bars of `huggingface_hub` if stderr is not a terminal, or with --quiet."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not _shows_bars():
        disable_progress_bars()


def quiet_datasets() -> None:
    """Switch off the bars of `datasets` if stderr is not a terminal, or with --quiet."""
    if not _shows_bars():
        import datasets

        datasets.disable_progress_bars()


def _nothing(stage: str) -> str:
    return ""


@contextmanager
def reported(command: str, more: More = _nothing) -> Iterator[Report]:
    """Show the progress of a command during the block.

    Args:
        command: The name of the command.
        more: Returns the text to show instead of a stage's rate, or "". It is called at each update.

    Yields:
        A function of (stage, done, total) that updates the progress.
    """
    if _quiet:
        yield lambda stage, done, total: None
        return
    with _bars(more) if _shows_bars() else _lines(command, more) as report:
        yield report


@contextmanager
def _lines(command: str, more: More) -> Iterator[Report]:
    import click

    lines, over = Lines(command, more=more), threading.Event()

    def tick() -> None:
        while not over.wait(EVERY):
            click.echo(lines.line(), err=True)

    ticking = threading.Thread(target=tick, name="progress", daemon=True)
    ticking.start()
    try:
        yield lines.report
    finally:
        over.set()
        ticking.join()


@dataclass
class _Stage:
    """The progress of a stage: the time and the count at its start, and the counts now."""

    began: float
    at_first: int
    done: int
    total: int


class Lines:
    """Makes the progress line: the stage that advanced last, its counts, its rate and the time left.

    Args:
        command: The name of the command.
        clock: Returns seconds since any fixed time.
        more: Returns the text to show instead of a stage's rate, or "".
    """

    def __init__(self, command: str, clock: Callable[[], float] = time.monotonic, more: More = _nothing) -> None:
        self._command, self._clock, self._more = command, clock, more
        self._began = clock()
        self._stages: dict[str, _Stage] = {}
        self._current = ""

    def report(self, name: str, done: int, total: int) -> None:
        """Take (stage, done, total). A stage whose count falls starts again."""
        stage = self._stages.get(name)
        if stage is None or done < stage.done:
            self._stages[name] = _Stage(self._clock(), done, done, total)
            self._current = self._current or name
            return
        if done > stage.done:
            self._current = name
        stage.done, stage.total = done, total

    def line(self) -> str:
        """Return the line for the current progress."""
        now, start = self._clock(), f"safetypairs: {self._command}"
        stage = self._stages.get(self._current)
        if stage is None:
            return f"{start}: running for {_span(now - self._began)}"
        share = f" ({stage.done / stage.total:.0%})" if stage.total else ""
        text = f"{start}, {self._current}: {stage.done:,} of {stage.total:,}{share}"
        rate = (stage.done - stage.at_first) / (now - stage.began) if now > stage.began else 0.0
        if not rate or stage.done >= stage.total:
            return f"{text}, running for {_span(now - self._began)}"
        return f"{text}, {self._more(self._current) or _rate(rate)}, {_span((stage.total - stage.done) / rate)} left"


def _rate(rate: float) -> str:
    """Return a rate, given per second, in the largest unit of time in which it is at least 1."""
    for factor, unit in ((1, "s"), (60, "min")):
        if rate * factor >= 1:
            return f"{rate * factor:,.1f}/{unit}"
    return f"{rate * 3600:,.1f}/h"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


@contextmanager
def _bars(more: More) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft
    from rich.table import Column
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(more(task.description) or (_rate(task.speed) if task.speed else ""))

    whole = Column(no_wrap=True)  # on a narrow terminal the bars become shorter instead
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), Rate(whole), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report
