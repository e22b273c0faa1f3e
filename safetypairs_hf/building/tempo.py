"""How fast the steps of a build go that hold a model: images an hour, and how much of the time the model works.

These figures depend on the machine and the hour, so that nothing of them may be in a run folder, which has the same
bytes whoever made it. They are remembered on the machine that builds, for `status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Any

from safetypairs_hf.core.remembered import recall, remember
from safetypairs_hf.core.run_folder import RunFolder

_KIND = "tempo"


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


class Tempos:
    """The tempo of each step of a run that holds a model, by the step's name."""

    def __init__(self, run: RunFolder) -> None:
        self._about = run.fs.unstrip_protocol(run.root)
        self._steps = {name: Tempo(**found) for name, found in _known(self._about).items()}

    def begin(self) -> None:
        """Forget a run that lay in the same folder before."""
        self._steps = {}
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
        return str(self._steps[step]) if step in self._steps else ""

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
        for name in self._steps:
            yield f"{name}: {self.of(name)}"

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values: `images`, `seconds`, `images_an_hour`, `busy_share`."""
        return {
            name: {
                "images": tempo.images,
                "seconds": round(tempo.seconds, 3),
                "images_an_hour": round(tempo.hourly, 1),
                "busy_share": round(tempo.share, 4),
            }
            for name, tempo in self._steps.items()
        }

    def _save(self) -> None:
        remember(_KIND, self._about, {"steps": {name: asdict(tempo) for name, tempo in self._steps.items()}})


def _known(about: str) -> dict[str, dict[str, Any]]:
    found = recall(_KIND, about).get("steps", {})
    try:
        return {str(name): asdict(Tempo(**each)) for name, each in found.items()}
    except (AttributeError, TypeError):  # of another version, or damaged
        return {}
