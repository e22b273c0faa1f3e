"""The speed of the steps of a build that hold a model: images an hour, and the share of time that the model works.

These figures depend on the machine and the time, so they are not stored in the run folder, whose bytes do not depend on
them. They are stored on the machine that builds, for `status`. Tasks of an array job, which may run on other machines,
write theirs next to the scripts.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic, time
from typing import Any, Final

from safetypairs_hf.core.remembered import recall, remember
from safetypairs_hf.core.run_folder import RunFolder

_KIND = "tempo"
_NOTE: Final = ".tempo"  # the file ending of a task's note


@dataclass
class Meter:
    """The work of an engine's models so far: images, and the seconds that they worked, as if there were one model."""

    images: int = 0
    busy: float = 0.0

    def add(self, images: int, busy: float) -> None:
        self.images += images
        self.busy += busy


@dataclass
class Tempo:
    """The speed of a step: the images of its models, its duration in seconds, and the seconds that the models worked.

    Work that is repeated after an interruption counts again. The time to load a model counts as work.
    """

    images: int = 0
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def hourly(self) -> float:
        """Images per hour."""
        return 3600 * self.images / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float:
        """The share of the time that the models worked, in [0, 1]; the mean over several models."""
        return min(1.0, self.busy / self.seconds) if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.hourly:,.0f} images/h, model busy {self.share:.0%}"


@dataclass
class Note:
    """The work of one task's models in a step, from `began` to `ended`, in seconds since 1970."""

    step: str
    images: int
    busy: float
    began: float
    ended: float


class Tempos:
    """The speed of each step of a run that holds a model, by the step's name."""

    def __init__(self, run: RunFolder) -> None:
        self._about, self._scripts = run.fs.unstrip_protocol(run.root), run.scripts
        self._steps = {name: Tempo(**found) for name, found in _known(self._about).items()}
        self._of_tasks = _by_step(_notes(self._scripts))

    def begin(self) -> None:
        """Discard the measurements of an earlier run in the same folder."""
        self._steps, self._of_tasks = {}, {}
        for path in self._scripts.glob(f"*/*{_NOTE}"):
            with contextlib.suppress(OSError):
                path.unlink()
        self._save()

    def add(self, step: str, images: int, seconds: float, busy: float) -> None:
        """Add work on a step."""
        tempo = self._steps.setdefault(step, Tempo())
        tempo.images += images
        tempo.seconds += seconds
        tempo.busy += busy
        self._save()

    def of(self, step: str) -> str:
        """Return the speed of a step as text; "" if it is unknown."""
        return str(found) if (found := self._all().get(step)) else ""

    def timed(self, step: str, meter: Meter, done: Iterator[int]) -> Iterator[int]:
        """Measure each unit of a step by `meter` when it is done, and yield the unit."""
        before, since = replace(meter), monotonic()
        for unit in done:
            if meter.images > before.images:
                now = monotonic()
                self.add(step, meter.images - before.images, now - since, meter.busy - before.busy)
                before, since = replace(meter), now
            yield unit

    def lines(self) -> Iterator[str]:
        """Yield a line for each step."""
        for name, tempo in self._all().items():
            yield f"{name}: {tempo}"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values: `images`, `seconds`, `images_an_hour`, `busy_share`."""
        return {
            name: {
                "images": tempo.images,
                "seconds": round(tempo.seconds, 3),
                "images_an_hour": round(tempo.hourly, 1),
                "busy_share": round(tempo.share, 4),
            }
            for name, tempo in self._all().items()
        }

    def _all(self) -> dict[str, Tempo]:
        """Return the work of this machine and of tasks, by step."""
        both = {name: replace(tempo) for name, tempo in self._steps.items()}
        for name, more in self._of_tasks.items():
            tempo = both.setdefault(name, Tempo())
            tempo.images += more.images
            tempo.seconds += more.seconds
            tempo.busy += more.busy
        return both

    def _save(self) -> None:
        remember(_KIND, self._about, {"steps": {name: asdict(tempo) for name, tempo in self._steps.items()}})


def _known(about: str) -> dict[str, dict[str, Any]]:
    found = recall(_KIND, about).get("steps", {})
    try:
        return {str(name): asdict(Tempo(**each)) for name, each in found.items()}
    except (AttributeError, TypeError):  # written by another version, or damaged
        return {}


def noted(job: Path, task: int, step: str, meter: Meter, done: Iterator[int]) -> Iterator[int]:
    """Record a task's work, measured by `meter`, next to the file of its job, and yield each finished unit.

    A task that is restarted writes another note.
    """
    began = time()
    file = job.with_name(f"{job.stem}-{task}-{began:.3f}{_NOTE}")
    for unit in done:
        part = file.with_suffix(".part")
        with contextlib.suppress(OSError):  # a failed note must not end a build
            part.write_text(json.dumps(asdict(Note(step, meter.images, meter.busy, began, time()))), "utf-8")
            part.replace(file)
        yield unit


def _notes(scripts: Path) -> Iterator[Note]:
    for path in sorted(scripts.glob(f"*/*{_NOTE}")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # written by another version, or damaged
            note = Note(**json.loads(path.read_text("utf-8")))
            if note.images:
                yield note


def _by_step(notes: Iterator[Note]) -> dict[str, Tempo]:
    """Return the speed of each step over tasks that worked at the same time or one after another.

    The seconds of a step are those in which any task worked. Models are busy in the same share of them as in the tasks.
    """
    by_step: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_step[note.step].append(note)
    tempos = {}
    for step, found in by_step.items():
        together = sum(note.ended - note.began for note in found)
        seconds = _seconds(found)
        busy = sum(note.busy for note in found) * (seconds / together if together else 0.0)
        tempos[step] = Tempo(sum(note.images for note in found), seconds, busy)
    return tempos


def _seconds(notes: Sequence[Note]) -> float:
    """Return the seconds in which at least one of them worked."""
    seconds, until = 0.0, float("-inf")
    for note in sorted(notes, key=lambda note: note.began):
        seconds += max(0.0, note.ended - max(note.began, until))
        until = max(until, note.ended)
    return seconds
