"""The source of the icons recipe: scenes of plates, each with one critical item among neutral ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Candidate, Origin, Reject
from safetypairs_hf.icons.backgrounds import background
from safetypairs_hf.icons.catalogue import Item, critical, neutral
from safetypairs_hf.icons.colours import Theme, theme
from safetypairs_hf.icons.photos import Scan, crop, pick, scan
from safetypairs_hf.icons.plates import draw, layout, put_glyph
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels

_SMALLEST = 128
# The share of neutral items that are placards differs from scene to scene, whatever its category.
_PLACARDS = (0.1, 0.6)


def generator(*parts: object) -> np.random.Generator:
    """Return a random generator that depends only on `parts`, on any machine and in any process."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@dataclass(frozen=True)
class IconScenes:
    """Endless scenes of `image_size` x `image_size` pixels; candidate i depends only on seed, i, size and backgrounds.

    `backgrounds`: a folder of photographs for the backgrounds, searched with its subfolders; None draws the
    backgrounds. The icons belong to the nine categories, so a category of another `taxonomy` is drawn as the one that
    it maps to.

    Raises:
        RecipeError: The folder does not exist or holds no usable photograph, or no category of the taxonomy maps to one
            of the nine.
    """

    seed: int = 0
    image_size: int = 384
    backgrounds: str | None = None
    taxonomy: Taxonomy = field(default=NINE, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.categories:
            raise RecipeError(
                f"there are icons for the nine categories alone, and no category of {self.taxonomy.name} maps to one; "
                "give one a maps_to, or take another recipe"
            )
        if self.image_size < _SMALLEST:
            raise RecipeError(f"size is {self.image_size}; signs can be read from {_SMALLEST} pixels on; give more")
        if self.backgrounds is not None and not Path(self.backgrounds).is_dir():
            raise RecipeError(
                f"backgrounds is {self.backgrounds!r}, which is not a folder; give a folder of photographs"
            )

    def __getstate__(self) -> dict[str, Any]:
        # Scan the photographs now, so that the copy of this source in a worker does not scan them again.
        if self.backgrounds is not None:
            _ = self._scan
        return self.__dict__

    @cached_property
    def _scan(self) -> Scan:
        return scan(self.backgrounds, self.image_size) if self.backgrounds is not None else Scan((), ())

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Return the categories that have icons."""
        return tuple(each.slug for each in self.taxonomy.categories if each.maps_to)

    @property
    def size(self) -> int | None:
        return None

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return the unused files of the folder as (name relative to it, reason), in sorted order."""
        return list(self._scan.rejects)

    def fingerprint(self) -> str:
        """Return a hash over the used photographs, in order; "" without a folder."""
        if self.backgrounds is None:
            return ""
        return hashlib.sha256("".join(photo.sha256 for photo in self._scan.photos).encode()).hexdigest()

    def take(self, start: int, stop: int) -> list[Candidate]:
        return [self._candidate(i) for i in range(start, stop)]

    def _backdrop(self, i: int, rng: np.random.Generator, look: Theme) -> tuple[Pixels, Origin]:
        scene = f"scene-{self.seed}-{i}"
        if self.backgrounds is None:
            return background(rng, self.image_size, look), Origin("fontawesomefree", scene, "CC-BY-4.0")
        photos = self._scan.photos
        turn, k = divmod(i, len(photos))
        # Each round uses every photograph once, in a new order, so that no category is tied to some of them.
        photo = photos[int(generator("photos", self.seed, turn).permutation(len(photos))[k])]
        # The licence of a user's photograph is unknown.
        origin = Origin("fontawesomefree", f"{scene}@{photo.sha256[:16]}", "NOASSERTION")
        return crop(pick(photo, self.image_size), rng, self.image_size), origin

    def _candidate(self, i: int) -> Candidate:
        category = self.categories[i % len(self.categories)]
        rng = generator("icons", self.seed, i)
        look = theme(rng)
        canvas, origin = self._backdrop(i, rng, look)
        choices = critical(self.taxonomy.find(category).maps_to)
        chosen = choices[int(rng.integers(len(choices)))]
        twin = chosen.twins[int(rng.integers(len(chosen.twins)))]
        plates, manner = layout(rng, self.image_size, [chosen.item, *_others(rng, twin)], look)
        draw(canvas, plates, manner, put_glyph)
        region = next(plate.region for plate in plates if plate.item == chosen.item)
        return Candidate(
            source_id=hashlib.sha256(str(canvas.shape).encode() + canvas.tobytes()).hexdigest()[:16],
            category=category,
            origin=origin,
            unsafe=encode(canvas),
            # All scenes on one photograph form a family, however it was cropped.
            family=origin.id.partition("@")[2],
            hint={"item": chosen.item.phrase, "region": list(region), "twin": twin.phrase},
        )


def _others(rng: np.random.Generator, twin: Item) -> list[Item]:
    """Draw three to seven different neutral items, none of them the twin."""
    share = rng.uniform(*_PLACARDS)
    words = [item for item in neutral() if item.is_placard and item != twin]
    icons = [item for item in neutral() if not item.is_placard and item != twin]
    count = int(rng.integers(3, 8))
    placards = int(rng.binomial(count, share))
    picked = [words[k] for k in rng.choice(len(words), placards, replace=False)]
    return picked + [icons[k] for k in rng.choice(len(icons), count - placards, replace=False)]
