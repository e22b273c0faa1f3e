"""The recipe of the stage that benchmarks/gpu.py runs: an editor that clocks itself, and nothing else that is slow.

It is a file of its own, as the engine reads it again in the processes that it starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Candidate, Origin, Picture, Reject
from safetypairs_hf.editors.klein import Klein
from safetypairs_hf.guards.user_guard import FunctionGuard
from safetypairs_hf.recipes import Judging, Recipe, Selection

PROMPTS = ("Paint the red square green.", "Replace the gun with an umbrella.", "Make the light warmer.")


def photographs(start: int, stop: int, size: int) -> list[Picture]:
    """Noise of all sizes, as it is in a photograph, of size x size pixels; each number is another image."""
    made = []
    for number in range(start, stop):
        rng, total = np.random.default_rng(number), np.zeros((size, size, 3), np.float32)
        for octave in range(2, size.bit_length()):
            small = Image.fromarray(rng.integers(0, 256, (2**octave, 2**octave, 3), dtype=np.uint8))
            total += np.asarray(small.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 2**octave
        low, high = total.min(), total.max()
        made.append(encode(((total - low) * (255 / (high - low))).astype(np.uint8)))
    return made


@dataclass(frozen=True)
class Noise:
    """`size` sources, each of `side` x `side` pixels."""

    size: int
    side: int

    def take(self, start: int, stop: int) -> list[Candidate]:
        numbers = range(start, min(stop, self.size))
        ids = [f"{number:016x}" for number in numbers]
        images = photographs(numbers.start, numbers.stop, self.side)
        origins = [Origin("noise", each, "CC0-1.0") for each in ids]
        return [Candidate(*each) for each in zip(ids, ["hate"] * len(ids), origins, images, strict=True)]

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        return []

    def fingerprint(self) -> str:
        return ""


@dataclass(frozen=True)
class Clocked(Klein):
    """Klein with a pipeline of this process, and the seconds of each call."""

    seconds: ClassVar[list[float]] = []
    pipeline: ClassVar[Any] = None
    wait: ClassVar[Callable[[], None]]  # for the device

    @property
    def revision(self) -> str:
        return "random weights"

    def edit(self, *given: Any) -> Any:
        return self._clocked(super().edit, *given)

    def round_trip(self, *given: Any) -> Any:
        return self._clocked(super().round_trip, *given)

    def _clocked(self, call: Callable[..., Any], *given: Any) -> Any:
        begin = time.perf_counter()
        result = call(*given)
        type(self).wait()
        self.seconds.append(time.perf_counter() - begin)
        return result


def instruct(image: Any, category: str) -> str:
    return PROMPTS[0]


def judge(image: Any, category: str) -> float:
    return 1.0


def recipe(images: int, side: int, unit: int, steps: int, batch: int, toy: bool) -> Recipe:
    small: dict[str, Any] = {"text_layers": (1,), "max_sequence_length": 64} if toy else {}
    return Recipe(
        source=Noise(images, side),
        instructor=instruct,  # type: ignore[arg-type]
        editor=Clocked("random weights", steps=steps, batch_size=batch, **small),
        judging=Judging((FunctionGuard(judge),)),
        selection=Selection(),
        pairs=images,
        license="CC0-1.0",
        attribution="Noise.",
        unit_size=unit,
        preservation=Perceptual(composite=True),
    )
