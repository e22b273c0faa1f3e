"""How fast the steps of a build go that hold a model: images an hour, and how much of the time the model works.

These figures depend on the machine and the hour, so that nothing of them may be in a run folder, which has the same
bytes whoever made it. They are remembered on the machine that builds, for `status`. The tasks of an array job, which
may be on other machines, note theirs among the scripts.
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
_NOTE: Final = ".tempo"  # the ending of a task's note


@dataclass
class Meter:
    """What the models of an engine have done so far: images, and the seconds that they worked, as of one model."""

    images: int = 0
    busy: float = 0.0

    def add(self, images: int, busy: float) -> None:
        self.images += images
        self.busy += busy


@dataclass
class Tempo:
    """Of a step: the images that its models worked on, and the seconds that it took and that they worked.

    What a build does again after it was stopped counts again. The time in which a model is loaded is time of its work.
    """

    images: int = 0
    seconds: float = 0.0
    busy: float = 0.0

    @property
    def hourly(self) -> float:
        """Images an hour."""
        return 3600 * self.images / self.seconds if self.seconds else 0.0

    @property
    def share(self) -> float:
        """The share of the time that the models worked, in [0, 1]; of several models their mean."""
        return min(1.0, self.busy / self.seconds) if self.seconds else 0.0

    def __str__(self) -> str:
        return f"{self.hourly:,.0f} images/h, model busy {self.share:.0%}"


@dataclass
class Note:
    """What the models of one task have done of a step, from `began` to `ended`, in seconds since 1970."""

    step: str
    images: int
    busy: float
    began: float
    ended: float


class Tempos:
    """The tempo of each step of a run that holds a model, by the step's name."""

    def __init__(self, run: RunFolder) -> None:
        self._about, self._scripts = run.fs.unstrip_protocol(run.root), run.scripts
        self._steps = {name: Tempo(**found) for name, found in _known(self._about).items()}
        self._of_tasks = _by_step(_notes(self._scripts))

    def begin(self) -> None:
        """Forget a run that lay in the same folder before."""
        self._steps, self._of_tasks = {}, {}
        for path in self._scripts.glob(f"*/*{_NOTE}"):
            with contextlib.suppress(OSError):
                path.unlink()
        self._save()

    def add(self, step: str, images: int, seconds: float, busy: float) -> None:
        """Count what was done of a step."""
        tempo = self._steps.setdefault(step, Tempo())
        tempo.images += images
        tempo.seconds += seconds
        tempo.busy += busy
        self._save()

    def of(self, step: str) -> str:
        """The tempo of a step as text; "" where none is known."""
        return str(found) if (found := self._all().get(step)) else ""

    def timed(self, step: str, meter: Meter, done: Iterator[int]) -> Iterator[int]:
        """Count what `meter` says of each unit of a step as it is done; the units go through."""
        before, since = replace(meter), monotonic()
        for unit in done:
            if meter.images > before.images:
                now = monotonic()
                self.add(step, meter.images - before.images, now - since, meter.busy - before.busy)
                before, since = replace(meter), now
            yield unit

    def lines(self) -> Iterator[str]:
        """A line for each step."""
        for name, tempo in self._all().items():
            yield f"{name}: {tempo}"

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values: `images`, `seconds`, `images_an_hour`, `busy_share`."""
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
        """What this machine did of each step, and what tasks did."""
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
    except (AttributeError, TypeError):  # of another version, or damaged
        return {}


def noted(job: Path, task: int, step: str, meter: Meter, done: Iterator[int]) -> Iterator[int]:
    """Note beside the file of a job what `meter` says of a task as its units are done; the units go through.

    A task that is begun again makes another note.
    """
    began = time()
    file = job.with_name(f"{job.stem}-{task}-{began:.3f}{_NOTE}")
    for unit in done:
        part = file.with_suffix(".part")
        with contextlib.suppress(OSError):  # it is worth no build
            part.write_text(json.dumps(asdict(Note(step, meter.images, meter.busy, began, time()))), "utf-8")
            part.replace(file)
        yield unit


def _notes(scripts: Path) -> Iterator[Note]:
    for path in sorted(scripts.glob(f"*/*{_NOTE}")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # of another version, or damaged
            note = Note(**json.loads(path.read_text("utf-8")))
            if note.images:
                yield note


def _by_step(notes: Iterator[Note]) -> dict[str, Tempo]:
    """The tempo of each step over tasks that worked at one time or one after another.

    Its seconds are those in which any task worked; of these, the models are busy the share that they are of the tasks'.
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
    """The seconds in which any of them worked."""
    seconds, until = 0.0, float("-inf")
    for note in sorted(notes, key=lambda note: note.began):
        seconds += max(0.0, note.ended - max(note.began, until))
        until = max(until, note.ended)
    return seconds
