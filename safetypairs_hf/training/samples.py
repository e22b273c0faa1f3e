"""Samples of an export: an image, or both images of a pair, with what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.loading.images import safe_first
from safetypairs_hf.training.training_pairs import TrainingPairs

ROWS = ("images", "pairs")
_MEMBERS = (("unsafe_image", True), ("safe_image", False))
_SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"GIF8": "gif"}


@dataclass(frozen=True)
class Sample:
    """One row of an export.

    `key`: unique, of letters, digits and `-`. `images`: one file, or the two of a pair; `unsafe[i]` says whether image
    i is the unsafe member. Which of the two comes first is fixed by the pair's id, and is the safe one for about half
    of the pairs. `row`: the published row without its images, `category` as its slug.
    """

    key: str
    images: tuple[bytes, ...]
    unsafe: tuple[bool, ...]
    row: dict[str, Any]


def samples(pairs: TrainingPairs, split: str, rows: str = "images") -> Iterator[Sample]:
    """The samples of a split, in the order of the published rows, the two members of a pair one after the other.

    Args:
        pairs: The pairs.
        split: One of its splits.
        rows: "images", a sample an image; or "pairs", a sample a pair.

    Raises:
        SafetyPairsError: `rows` is neither, or a row has no bytes for one of its images.
    """
    if rows not in ROWS:
        raise SafetyPairsError(f"rows is {rows!r}; expected {' or '.join(ROWS)}")
    part = pairs.splits[split]
    names = part.features["category"].names
    for published in part:
        row = {key: value for key, value in published.items() if key not in ("unsafe_image", "safe_image")}
        row["category"] = names[row["category"]]
        pair_id = row["pair_id"]
        members = [(_bytes(published, column, pair_id), unsafe) for column, unsafe in _MEMBERS]
        if safe_first(pair_id):
            members.reverse()
        images, unsafe = zip(*members, strict=True)
        if rows == "pairs":
            yield Sample(pair_id, images, unsafe, row)
        else:
            for number in (0, 1):
                yield Sample(f"{pair_id}-{number}", (images[number],), (unsafe[number],), row)


def count(pairs: TrainingPairs, split: str, rows: str) -> int:
    """How many samples a split has."""
    return len(pairs.splits[split]) * (1 if rows == "pairs" else 2)


def suffix(image: bytes) -> str:
    """The suffix of the file name of an image, by its first bytes; "png" where they tell nothing."""
    return next((name for start, name in _SUFFIXES.items() if image.startswith(start)), "png")


def _bytes(published: dict[str, Any], column: str, pair_id: str) -> bytes:
    content = (published[column] or {}).get("bytes")
    if content is None:
        raise SafetyPairsError(f"pair {pair_id} has no bytes as {column}; see: safetypairs verify")
    return bytes(content)
