"""A recipe for tests whose source, instructor, editor and judge are plain classes, as an author of recipes writes them.

With `DIES_AT=N` in the environment the judge kills the process on its N-th call.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import safetypairs_hf.recipes as sp
from recipes.squares import Painter, RedJudge, SquareInstructor, Squares


def twice(number: int) -> int:
    return 2 * number


class MySource:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.size = None
        self._squares = Squares(seed, None)

    def take(self, start: int, stop: int) -> list[sp.Candidate]:
        return self._squares.take(start, stop)

    def rejected_inputs(self) -> list[tuple[str, sp.Reject]]:
        return []

    def fingerprint(self) -> str:
        return "squares"


class MyInstructor:
    name = "my-instructor"

    def __init__(self, languages: set[str]) -> None:
        self.languages = languages

    def write(self, batch: Sequence[sp.Candidate]) -> list[sp.Answer]:
        return SquareInstructor().write(batch)


class MyEditor:
    name, revision = "my-editor", "7"

    def __init__(self, steps: Callable[[int], int], colours: Any, client: Any) -> None:
        self.steps = steps
        self.colours = colours
        self.weights = Path("weights") / "my.bin"
        self.client = client
        self._cache: dict[str, object] = {"a": object()}

    @cached_property
    def painter(self) -> Painter:
        return Painter()

    def edit(
        self, images: Sequence[sp.Picture], instructions: Sequence[sp.Instruction], seeds: Sequence[int]
    ) -> list[sp.Edited | sp.Reject]:
        return self.painter.edit(images, instructions, seeds)


class MyJudge:
    def __init__(self, name: str) -> None:
        self.name = name
        self._calls = 0

    def judge(
        self, images: Sequence[sp.Picture], categories: Sequence[str], regions: Sequence[sp.Box | None]
    ) -> list[sp.Verdict]:
        self._calls += 1
        if self._calls == int(os.environ.get("DIES_AT", "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        return RedJudge().judge(images, categories, regions)


def recipe(pairs: int = 18, seed: int = 0, client: bool = False) -> sp.Recipe:
    """The recipe. `client`: the editor has a public attribute that has no stable description."""
    return sp.Recipe(
        source=MySource(seed),
        instructor=MyInstructor({"de", "en", "fr"}),
        editor=MyEditor(twice, np.arange(6).reshape(2, 3), object() if client else None),
        judging=sp.Judging((MyJudge("my-judge"),)),
        selection=sp.Selection(),
        pairs=pairs,
        license="CC0-1.0",
        attribution="Squares.",
        unit_size=8,
        expected_yield=0.8,
    )
