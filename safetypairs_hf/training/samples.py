"""Samples of an export: one image, or both images of a pair, with their metadata."""

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

    Attributes:
        key: A unique name of letters, digits and `-`.
        images: One file, or the two files of a pair. Their order depends on the pair's id; for about half of the pairs
            the safe one is first.
        unsafe: For each image, whether it is the unsafe member.
        row: The published row without its images; `category` is a slug.
    """

    key: str
    images: tuple[bytes, ...]
    unsafe: tuple[bool, ...]
    row: dict[str, Any]


def samples(pairs: TrainingPairs, split: str, rows: str = "images") -> Iterator[Sample]:
    """Yield the samples of a split, in the order of the published rows, with the two members of a pair adjacent.

    Args:
        pairs: The pairs.
        split: One of its splits.
        rows: "images" for one sample per image; "pairs" for one sample per pair.

    Raises:
        SafetyPairsError: `rows` has another value, or a row has no bytes for one of its images.
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
    """Return the number of samples in a split."""
    return len(pairs.splits[split]) * (1 if rows == "pairs" else 2)


def suffix(image: bytes) -> str:
    """Return the file suffix for an image, from its first bytes; "png" if they are unknown."""
    return next((name for start, name in _SUFFIXES.items() if image.startswith(start)), "png")


def _bytes(published: dict[str, Any], column: str, pair_id: str) -> bytes:
    content = (published[column] or {}).get("bytes")
    if content is None:
        raise SafetyPairsError(f"pair {pair_id} has no bytes as {column}; see: safetypairs verify")
    return bytes(content)
