"""A recipe for tests: pictures with a red square, from a folder or the Hub; the square is found by looking.

Where a picture has no red square, the instructor writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recipes.squares import Painter, RedJudge
from safetypairs_hf.recipes import (
    Answer,
    Box,
    Candidate,
    Controls,
    FolderSource,
    Frame,
    HubSource,
    Instruction,
    Judging,
    Recipe,
    Reject,
    Screen,
    Selection,
)


@dataclass(frozen=True)
class LooksForRed:
    name: str = "looks-for-red"

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        return [Answer(self._one(candidate)) for candidate in batch]

    def _one(self, candidate: Candidate) -> Instruction | Reject:
        red = (candidate.unsafe.pixels == (255, 0, 0)).all(axis=2)
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        if rows.size == 0:
            return Reject("instruct", "nothing_red", "there is no red square")
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return Instruction("a red square", "Paint the square green.", box)


def recipe(
    folder: str | None = None,
    dataset: str | None = None,
    labels: str = "",
    hashes: str | None = None,
    against: str | None = None,
    size: int = 128,
    pairs: int = 100,
    unit_size: int = 4,
    controls: bool = False,
) -> Recipe:
    screen, frame = Screen(against, (hashes,) if hashes else ()), Frame(size)
    source = (
        HubSource(dataset, label_column="kind", labels=labels, frame=frame, screen=screen)
        if dataset
        else FolderSource(folder or ".", labels=labels, license="CC0-1.0", frame=frame, screen=screen)
    )
    return Recipe(
        source=source,
        instructor=LooksForRed(),
        editor=Painter(),
        judging=Judging((RedJudge(),)),
        selection=Selection(),
        pairs=pairs,
        license="CC0-1.0",
        attribution="Pictures.",
        unit_size=unit_size,
        controls=Controls() if controls else None,
        categories=source.categories,
    )
