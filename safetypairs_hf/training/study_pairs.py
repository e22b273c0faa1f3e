"""The pairs of a study: the pool for training, held-out pairs of the same families, and pairs of other families."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode, sha256
from safetypairs_hf.core.records import Picture
from safetypairs_hf.training.cached_features import Read
from safetypairs_hf.training.pair_augmentation import PairAugmentation
from safetypairs_hf.training.training_pairs import TrainingPairs, training_pairs

if TYPE_CHECKING:
    from datasets import Dataset

LOOKS = ("image", "edit-box")
_SEEN_OF = 6  # at most one in this many train pairs is held out
_FEWEST = 4  # the least number of pairs of a family with one held out


class StudyImage(NamedTuple):
    """An image: the key of its features, and the function that reads it."""

    key: str
    read: Read


class StudyPair(NamedTuple):
    """A pair, or a failed attempt (`verified` is False) whose edited image is nevertheless labelled safe."""

    pair_id: str
    category: str
    family: str
    unsafe: StudyImage
    safe: StudyImage
    verified: bool = True

    def member(self, unsafe: bool) -> StudyImage:
        return self.unsafe if unsafe else self.safe


@dataclass(frozen=True)
class StudySets:
    """The pairs of a study.

    Attributes:
        pool: The pairs that training images are drawn from.
        failures: Failed attempts at the same sources.
        measured: The measured sets by name: "seen" (pairs of families in train that are in no fit), "unseen" (the test
            split), and one for each further target.
    """

    name: str
    categories: tuple[str, ...]
    pool: list[StudyPair]
    failures: list[StudyPair]
    measured: dict[str, list[StudyPair]]


def study_sets(data: str, also: Sequence[str], look: str, limit: int, check: str = "error") -> StudySets:
    """Open the pairs of a study.

    Args:
        data: `TARGET@X.Y.Z`, or `TARGET` for its newest version. It must have the splits train and test.
        also: Other versions, whose test pairs of the same categories are judged too.
        look: "image" uses whole images; "edit-box" uses only the part that differs, which a real guard does not know.
        limit: The largest number of pairs in a measured set, a sample by their ids.
        check: As in `load`.

    Raises:
        SafetyPairsError: As for `training_pairs`, or another set has no pair of these categories.
    """
    pairs = training_pairs(data, ("train", "test"), check)
    train, test = _pairs(pairs.splits["train"], look), _pairs(_sample(pairs.splits["test"], limit), look)
    held = _held_out(train)
    pool = [pair for pair in train if pair.pair_id not in held]
    present = {pair.category for pair in pool}
    categories = tuple(slug for slug in pairs.taxonomy.slugs if slug in present)
    if missing := sorted({pair.category for pair in test} - present):
        raise SafetyPairsError(
            f"category {missing[0]} of {pairs.name} has test pairs and no train pairs, so nothing can be learned about "
            "it; name a version with train pairs of each category"
        )
    seen = [pair for pair in train if pair.pair_id in held]
    measured = {"seen": sorted(seen, key=lambda pair: pair.pair_id)[:limit], "unseen": test}
    for name in also:
        other = training_pairs(name, ("test",), check)
        found = _pairs(_sample(other.splits["test"], limit, categories), look)
        if not found:
            raise SafetyPairsError(
                f"{other.name} has no test pairs of {', '.join(categories)}; leave out --also {name}"
            )
        measured[other.name] = found
    return StudySets(pairs.name, categories, pool, _failures(pairs, look, categories, check), measured)


def augmented(image: StudyImage, draw: int) -> StudyImage:
    """Return an image with the usual augmentation: a random crop and changed light; not mirrored, because of text."""

    def read() -> Picture:
        from PIL import Image

        seed = zlib.crc32(f"{image.key} {draw}".encode())
        whole = Image.fromarray(image.read().pixels)
        (changed,) = PairAugmentation(mirror=0)([whole], random.Random(seed))
        import numpy as np

        return encode(np.asarray(changed))

    return StudyImage(f"{image.key} augmented {draw}", read)


def _pairs(part: Dataset, look: str) -> list[StudyPair]:
    names = part.features["category"].names
    columns = {name: part[name][:] for name in ("pair_id", "category", "group", "edit_box")}
    return [
        StudyPair(
            columns["pair_id"][row],
            names[columns["category"][row]],
            columns["group"][row],
            unsafe=_image(part, row, "unsafe_image", columns["edit_box"][row], look),
            safe=_image(part, row, "safe_image", columns["edit_box"][row], look),
        )
        for row in range(len(part))
    ]


def _failures(pairs: TrainingPairs, look: str, categories: tuple[str, ...], check: str) -> list[StudyPair]:
    import datasets

    from safetypairs_hf.dataset.store.open_store import open_named
    from safetypairs_hf.loading.load import load

    name = pairs.name.removesuffix(f" (check={check})")
    if not any(file.startswith("failures/") for file in open_named(name).head["files"]):
        return []
    part: Any = load(name, config="failures", split="train", check=check)
    for side in ("unsafe_image", "edited_image"):
        part = part.cast_column(side, datasets.Image(decode=False))
    names = part.features["category"].names
    columns = {name: part[name][:] for name in ("failure_id", "category", "source", "edit_box")}
    return [
        StudyPair(
            columns["failure_id"][row],
            names[columns["category"][row]],
            str(columns["source"][row]["id"]),
            unsafe=_image(part, row, "unsafe_image", columns["edit_box"][row], look),
            safe=_image(part, row, "edited_image", columns["edit_box"][row], look),
            verified=False,
        )
        for row in range(len(part))
        if names[columns["category"][row]] in categories
    ]


def _image(part: Dataset, row: int, column: str, box: Sequence[int] | None, look: str) -> StudyImage:
    def data() -> bytes:
        return bytes(part[row][column]["bytes"])

    key = sha256(data())
    if look == "image" or not box:
        return StudyImage(key, lambda: Picture(data()))
    part_of = list(box)

    def cut() -> Picture:
        import numpy as np

        x0, y0, x1, y1 = part_of
        return encode(np.ascontiguousarray(Picture(data()).pixels[y0:y1, x0:x1]))

    return StudyImage(f"{key} in {part_of}", cut)


def _held_out(train: Sequence[StudyPair]) -> set[str]:
    """Return one pair of each large enough family, in the order of their ids, up to a share of the pairs."""
    families: dict[str, list[str]] = {}
    for pair in train:
        families.setdefault(pair.family, []).append(pair.pair_id)
    first = sorted(min(ids) for ids in families.values() if len(ids) >= _FEWEST)
    return set(first[: len(train) // _SEEN_OF])


def _sample(part: Dataset, limit: int, categories: Sequence[str] | None = None) -> Dataset:
    """Return the pairs with the lowest ids, which are hashes, of some categories or of all."""
    ids, names = part["pair_id"][:], part.features["category"].names
    of = [names[number] for number in part["category"][:]]
    rows = [row for row in range(len(ids)) if categories is None or of[row] in categories]
    return part.select(sorted(rows, key=ids.__getitem__)[:limit])
