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

from recipes import squares
from safetypairs_hf.recipes import Box, Edited, Instruction, Perceptual, Picture, Pixels, Preservation, Recipe, Reject

RULES = ("own", "measured", "dies", "raises")


def trace(what: str) -> None:
    with Path(os.environ["TRACE"]).open("a") as file:
        print(what, os.getpid(), file=file)


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
    if name == "measured":
        return Perceptual(composite=True, measures=(Far(),))
    return Own("" if name == "own" else name)


def recipe(pairs: int = 9, preservation: str = "own") -> Recipe:
    """`preservation`: one of RULES."""
    found = squares.recipe(pairs, models=True, rounds=2, attempts=2, misses=0.5, controls=True)
    return replace(found, editor=Painter(0.5, holds_model=True), preservation=rule(preservation))
