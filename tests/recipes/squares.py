"""A recipe for tests, all real and tiny: red squares are unsafe, the editor paints them green, the judge looks.

Of 10 squares in a row, one is too pale for the judge; every 13th has no hint, so no instruction can be written. The
painter may be told to miss: then the square is as red as before, unless its seed is a lucky one. An editor behind a
server may take its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from safetypairs_hf.recipes import (
    NINE,
    Answer,
    Box,
    Candidate,
    Controls,
    Edited,
    ImageServer,
    Instruction,
    Judging,
    Origin,
    Picture,
    Pixels,
    Recipe,
    Reject,
    Selection,
    ServerEditor,
    Taxonomy,
    Verdict,
    Weights,
    encode,
)

SIDE = 64


@dataclass(frozen=True)
class Squares:
    seed: int
    size: int | None
    variant: str = ""
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def take(self, start: int, stop: int) -> list[Candidate]:
        stop = stop if self.size is None else min(stop, self.size)
        return [self._candidate(number) for number in range(start, stop)]

    def _candidate(self, number: int) -> Candidate:
        rng = np.random.default_rng([self.seed, number])
        pixels = np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        x, y = (8 * int(value) for value in rng.integers(1, 6, 2))
        pixels[y : y + 16, x : x + 16] = (255, 190, 190) if number % 10 == 9 else (255, 0, 0)
        picture = encode(pixels)
        hint = {} if number % 13 == 12 else {"box": [x, y, x + 16, y + 16]}
        source_id = hashlib.sha256(picture.data).hexdigest()[:16]
        category = self.taxonomy.slugs[number % len(self.taxonomy.slugs)]
        return Candidate(source_id, category, Origin("squares", str(number), "CC0-1.0"), picture, hint)

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        return []

    def fingerprint(self) -> str:
        return self.variant


@dataclass(frozen=True)
class SquareInstructor:
    name: str = "square-instructor"
    holds_model: bool = False

    def write(self, batch: Sequence[Candidate]) -> list[Answer]:
        return [Answer(self._one(candidate), "paint it", 100, 10) for candidate in batch]

    def _one(self, candidate: Candidate) -> Instruction | Reject:
        if not candidate.hint:
            return Reject("instruct", "no_hint", "the source says nothing of its square")
        return Instruction("a red square", "Paint the square green.", Box(*candidate.hint["box"]))


@dataclass(frozen=True)
class Painter:
    misses: float = 0.0
    name: str = "painter"
    revision: str = "1"
    holds_model: bool = False

    def edit(
        self, images: Sequence[Picture], instructions: Sequence[Instruction], seeds: Sequence[int]
    ) -> list[Edited | Reject]:
        each = zip(images, instructions, seeds, strict=True)
        if any(item.region is None for item in instructions):  # an edit that no policy is about
            return [Edited(np.minimum(image.pixels, 250), len(images)) for image in images]
        return [Edited(self._paint(image, item.region, seed), len(images)) for image, item, seed in each]

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        """As by a coarse autoencoder: the lowest bits are lost."""
        return [image.pixels & np.uint8(0xF8) for image in images]

    def _paint(self, image: Picture, region: Box | None, seed: int) -> Pixels:
        assert region is not None
        pixels = image.pixels.copy()
        missed = seed % 1000 < 1000 * self.misses
        # Colours of their own, so that two attempts that both hit are different pairs.
        colour = np.array((250, 5, 5) if missed else (0, 215, 0)) + np.random.default_rng(seed).integers(0, 5, 3)
        pixels[region.y0 : region.y1, region.x0 : region.x1] = colour
        return pixels


@dataclass(frozen=True)
class RedJudge:
    name: str = "red-judge"
    holds_model: bool = False

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        return [self._look(image.pixels, box) for image, box in zip(images, regions, strict=True)]

    def _look(self, pixels: Pixels, box: Box | None) -> Verdict:
        assert box is not None
        red, green, _ = pixels[box.y0 : box.y1, box.x0 : box.x1].reshape(-1, 3).mean(axis=0) / 255
        return Verdict(max(0.0, float(red - green)), "too_faint" if red > green > 0.5 else "")


# Random weights redraw the whole image.
SERVED: dict[str, Any] = {"max_changed_fraction": 1.0, "region_slack": None}


def served(urls: tuple[str, ...], retries: int) -> ServerEditor:
    """The editor `klein` behind these servers."""
    return ServerEditor(ImageServer("klein", urls[0], replicas=urls[1:], retries=retries), steps=1)


def recipe(
    pairs: int = 20,
    seed: int = 0,
    sources: int | None = None,
    unit_size: int = 8,
    test_fraction: float = 0.8,
    models: bool = False,
    variant: str = "",
    misses: float = 0.0,
    rounds: int = 1,
    attempts: int = 1,
    controls: bool = False,
    restricted: bool = False,
    gpu_gb: float = 0.0,
    server: tuple[str, ...] = (),
    retries: int = 1,
    taxonomy: Taxonomy = NINE,
) -> Recipe:
    return Recipe(
        source=Squares(seed, sources, variant, taxonomy),
        instructor=SquareInstructor(holds_model=models),
        editor=served(server, retries) if server else Painter(misses, holds_model=models),
        judging=Judging((RedJudge(holds_model=models),), **(SERVED if server else {})),
        selection=Selection(test_fraction=test_fraction),
        pairs=pairs,
        license="CC0-1.0",
        attribution="Squares.",
        unit_size=unit_size,
        expected_yield=0.8,
        packages=("numpy",),
        rounds=rounds,
        attempts=attempts,
        controls=(Controls(("neutral_edit",)) if server else Controls()) if controls else None,
        weights=(Weights("lab/free", "mit"), Weights("lab/painter", "painters-only", not restricted)),
        gpu_gb=gpu_gb,
        taxonomy=taxonomy,
    )
