"""How far a command is, with rate and time left, on stderr: bars on a terminal, a line a minute where there is none."""

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
    """Show no progress and no remarks in this process, neither ours nor those of the libraries."""
    import logging

    global _quiet
    _quiet = True
    logging.getLogger("safetypairs_hf").setLevel(logging.ERROR)
    for library in ("HF_HUB", "HF_DATASETS"):  # read when these are imported, which takes longer than many a command
        os.environ[f"{library}_DISABLE_PROGRESS_BARS"] = "1"


def be_verbose() -> None:
    """Show what the libraries log, from "info" on."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    for name in ("datasets", "huggingface_hub", "transformers", "diffusers"):
        logging.getLogger(name).setLevel(logging.INFO)


def remark(text: str) -> None:
    """Print a line on stderr that a reader can do without: what was done, and how fast. Not with --quiet."""
    import click

    if not _quiet:
        click.echo(f"safetypairs: {text}", err=True)


def _shows_bars() -> bool:
    return sys.stderr.isatty() and not _quiet


def quiet_hub() -> None:
    """Switch the bars of `huggingface_hub` off where stderr is no terminal, as ours are."""
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not _shows_bars():
        disable_progress_bars()


def quiet_datasets() -> None:
    """Switch the bars of `datasets` off where stderr is no terminal."""
    if not _shows_bars():
        import datasets

        datasets.disable_progress_bars()


def _nothing(stage: str) -> str:
    return ""


@contextmanager
def reported(command: str, more: More = _nothing) -> Iterator[Report]:
    """Show how far a command is while the context lasts; the yielded function takes (stage, done, total).

    Args:
        command: the command that works.
        more: what there is to say of a stage in place of its rate, asked each time that it is shown; "" for nothing.
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
    """A stage: how much was done when it began, at which time that was, and where it stands."""

    began: float
    at_first: int
    done: int
    total: int


class Lines:
    """What a line says: the stage that went on last, what is done of it, its rate and the time that is left.

    Args:
        command: the command that works.
        clock: seconds, from any start.
        more: what there is to say of a stage in place of its rate.
    """

    def __init__(self, command: str, clock: Callable[[], float] = time.monotonic, more: More = _nothing) -> None:
        self._command, self._clock, self._more = command, clock, more
        self._began = clock()
        self._stages: dict[str, _Stage] = {}
        self._current = ""

    def report(self, name: str, done: int, total: int) -> None:
        """Take (stage, done, total). A stage that falls back begins anew."""
        stage = self._stages.get(name)
        if stage is None or done < stage.done:
            self._stages[name] = _Stage(self._clock(), done, done, total)
            self._current = self._current or name
            return
        if done > stage.done:
            self._current = name
        stage.done, stage.total = done, total

    def line(self) -> str:
        """How far the command is now."""
        now, start = self._clock(), f"safetypairs: {self._command}"
        stage = self._stages.get(self._current)
        if stage is None:
            return f"{start}: at work for {_span(now - self._began)}"
        share = f" ({stage.done / stage.total:.0%})" if stage.total else ""
        text = f"{start}, {self._current}: {stage.done:,} of {stage.total:,}{share}"
        rate = (stage.done - stage.at_first) / (now - stage.began) if now > stage.began else 0.0
        if not rate or stage.done >= stage.total:
            return f"{text}, at work for {_span(now - self._began)}"
        return f"{text}, {self._more(self._current) or _rate(rate)}, {_span((stage.total - stage.done) / rate)} left"


def _rate(rate: float) -> str:
    """A rate in the largest unit of time that gives a number to read: it is a second's."""
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

    whole = Column(no_wrap=True)  # where there is little room, the bars are shorter
    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), Rate(whole), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report
