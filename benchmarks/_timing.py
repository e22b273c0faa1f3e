"""The arguments and the clocks that the benchmarks share. No benchmark itself: `make bench` leaves it out.

Ratios are of CPU time wherever threads or processes are involved: the user and system seconds of this process, with all
of its threads, and of the child processes that have ended. Other work on the machine stretches wall time by as much as
it likes, and CPU time by little.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class Seconds(NamedTuple):
    """How long something took: CPU seconds first, so that the least of several is the one with the least work."""

    cpu: float
    wall: float

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.cpu - other.cpu, self.wall - other.wall)

    def __str__(self) -> str:
        return f"{self.cpu:8.3f} s CPU {self.wall:8.3f} s wall"


def now() -> Seconds:
    """The CPU time that this process and its ended children have used so far, and the clock."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Seconds(sum(each.ru_utime + each.ru_stime for each in used), time.perf_counter())


def timed(call: Callable[[], Result]) -> tuple[Seconds, Result]:
    """Call once: how long it took, and what it returned."""
    begin = now()
    result = call()
    return now() - begin, result


def best(call: Callable[[], Any], repeats: int) -> Seconds:
    """Call `repeats` times: the least CPU time, and the least wall time."""
    return least(timed(call)[0] for _ in range(repeats))


def least(times: Iterable[Seconds]) -> Seconds:
    """The least CPU time and the least wall time, each by itself."""
    cpu, wall = zip(*times, strict=True)
    return Seconds(min(cpu), min(wall))


def on_gpu() -> bool:
    """Whether models run on a GPU here."""
    import torch

    return bool(torch.cuda.is_available())


def ratio(longer: Seconds, shorter: Seconds, *, models: bool = True) -> str:
    """How many times as long the first took: in CPU time, or in wall time where a GPU does the work of `models`."""
    if models and on_gpu():
        return f"ratio {longer.wall / shorter.wall:.2f}x in wall time"
    return f"ratio {longer.cpu / shorter.cpu:.2f}x in CPU time"


def timed_command(command: list[str]) -> Seconds:
    """Run a command, whose output goes nowhere: the CPU time is that of the command and of its children."""
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[0]


def peak(command: list[str]) -> tuple[float, float]:
    """VmHWM of the command's main process and of its largest worker, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    highest = {True: 0, False: 0}

    def watch() -> None:
        while process.poll() is None:
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
                    if process.pid in (int(fields["Pid"]), int(fields["PPid"])):
                        main = process.pid == int(fields["Pid"])
                        highest[main] = max(highest[main], int(fields["VmHWM"].split()[0]))
                except (OSError, KeyError, ValueError):
                    continue
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join()
    assert process.returncode == 0
    return highest[True] / 1024, highest[False] / 1024


def last_json(command: list[str], **options: Any) -> Any:
    """Run a command that prints JSON on its last line, and return what that says."""
    return json.loads(subprocess.check_output(command, **options).splitlines()[-1])


def safetypairs(*words: str) -> list[str]:
    """The command `safetypairs` with these words, by the interpreter that runs the benchmark."""
    return [sys.executable, "-m", "safetypairs_hf", *words]


def parser_of(text: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the benchmark's docstring, with the option `--smoke`; see `parsed`."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="toy size: shows that it runs; its figures mean nothing")
    return parser


def parsed(parser: argparse.ArgumentParser, **toy: Any) -> argparse.Namespace:
    """Parse the command line. With `--smoke`, the options in `toy` have these defaults in place of their own."""
    if parser.parse_known_args()[0].smoke:
        parser.set_defaults(**toy)
    return parser.parse_args()
