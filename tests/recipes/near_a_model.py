"""A recipe of squares whose editor holds a model, with a rule of its own that says where it works.

`TRACE` names a file that gets a line for each call: what was called, and in which process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from recipes import squares
from safetypairs_hf.recipes import (
    Box,
    Candidate,
    Edited,
    Exact,
    Instruction,
    Perceptual,
    Picture,
    Pixels,
    Preservation,
    Recipe,
    Reject,
    encode,
)

RULES = ("own", "measured", "dies", "raises", "exact")


def trace(what: str) -> None:
    with Path(os.environ["TRACE"]).open("a") as file:
        print(what, os.getpid(), file=file)


@dataclass(frozen=True)
class Large(squares.Squares):
    """Squares that are worth a process beside the model: of 256 x 256 pixels."""

    def take(self, start: int, stop: int) -> list[Candidate]:
        return [self._large(candidate) for candidate in super().take(start, stop)]

    def _large(self, candidate: Candidate) -> Candidate:
        pixels = np.kron(candidate.unsafe.pixels, np.ones((4, 4, 1), np.uint8))
        hint = {name: [4 * side for side in box] for name, box in candidate.hint.items()}
        return replace(candidate, unsafe=encode(pixels), hint=hint)


@dataclass(frozen=True)
class Painter(squares.Painter):
    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        neutral = any(each.region is None for each in instructions)
        trace(f"{'neutral' if neutral else 'edit'}-{len(images)}")
        return super().edit(images, instructions, seeds)


@dataclass(frozen=True)
class Own:
    """A rule of the user's own, which may do harm."""

    harm: str = ""
    needs_baseline: bool = True
    cannot_be_sent: Any = field(default=None, compare=False)

    def finish(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> Pixels:
        trace("finish")
        if self.harm == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.harm == "raises":
            raise ValueError("no finish today")
        return after

    def measure(self, before: Pixels, after: Pixels, baseline: Pixels | None) -> tuple[Box | None, Preservation | None]:
        return Perceptual().measure(before, after, baseline)


@dataclass(frozen=True)
class Far:
    """A distance that needs a model, as it says."""

    name: str = "far"
    holds_model: bool = True

    def distance(self, before: Pixels, after: Pixels) -> float:
        trace("distance")
        return float(abs(before.mean() - after.mean()))


def rule(name: str) -> Any:
    if name == "exact":
        return Exact()
    if name == "measured":
        return Perceptual(composite=True, measures=(Far(),))
    return Own("" if name == "own" else name)


def recipe(pairs: int = 9, preservation: str = "own") -> Recipe:
    """`preservation`: one of RULES. Only with "own" there are two rounds and attempts, and controls."""
    more = 2 if preservation == "own" else 1
    found = squares.recipe(pairs, models=True, rounds=more, attempts=more, misses=0.5, controls=more > 1)
    source = Large(0, None)
    return replace(found, source=source, editor=Painter(0.5, holds_model=True), preservation=rule(preservation))
