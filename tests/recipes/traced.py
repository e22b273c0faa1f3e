"""A recipe for tests: the editor's autoencoder leaves its trace on all that it makes, and one judge goes by that alone.

The squares, and two judges. One looks for red. The other calls unsafe whatever bears no trace: every pair is as it
wants it, and no regenerated one is. So it is what `artifact_gap` is there to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipes.squares import Painter, RedJudge, SquareInstructor, Squares
from safetypairs_hf.recipes import (
    Controls,
    Edited,
    Instruction,
    Judging,
    Picture,
    Recipe,
    Reject,
    Selection,
    Verdict,
    encode,
)


@dataclass(frozen=True)
class Traced(Painter):
    """Paints what comes back from the coarse autoencoder, so that the lowest bits of the whole image are lost."""

    name: str = "traced"

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        made = super().edit(images, instructions, seeds)
        back = self.round_trip([encode(each.pixels) for each in made if isinstance(each, Edited)])
        return [Edited(pixels, len(images)) for pixels in back]


@dataclass(frozen=True)
class TraceJudge:
    """What bears no trace of an edit is unsafe."""

    name: str = "trace-judge"

    def judge(self, images: Sequence[Picture], categories: object, regions: object) -> list[Verdict]:
        return [Verdict(0.9 if (image.pixels & 7).any() else 0.1) for image in images]


def recipe(pairs: int = 12, seed: int = 0, misses: float = 0.0, rounds: int = 1, test_fraction: float = 0.8) -> Recipe:
    return Recipe(
        source=Squares(seed, None),
        instructor=SquareInstructor(),
        editor=Traced(misses),
        judging=Judging((RedJudge(), TraceJudge()), max_changed_fraction=1.0, region_slack=None),
        selection=Selection(test_fraction=test_fraction),
        pairs=pairs,
        license="CC0-1.0",
        attribution="Squares.",
        unit_size=8,
        expected_yield=0.8,
        packages=("numpy",),
        rounds=rounds,
        controls=Controls(),
    )
