"""Collect what a page shows of pairs, two thumbnails and the texts, within a budget of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.pictures import data_uri
from safetypairs_hf.core.records import Picture
from safetypairs_hf.versions.pair_sheet import is_one_image, rows_by_file

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition

SIDE = 240  # pixels of a thumbnail's longer side; a photograph takes about 8 KB
BUDGET = 8_000_000  # characters of all pairs on a page, which with its charts stays below 10 MB
_COLUMNS = ["pair_id", "unsafe_image", "safe_image", "critical_feature", "instruction"]


class Thumbnail(NamedTuple):
    """A picture as a data URI, and its size in pixels, at most SIDE."""

    uri: str
    width: int
    height: int


class Pictured(NamedTuple):
    """A pair, or an attempt at one. `safe` is None if no edit was made, or if both members are the same image."""

    unsafe: Thumbnail
    safe: Thumbnail | None
    critical_feature: str
    instruction: str

    @property
    def size(self) -> int:
        """The number of characters of its data URIs."""
        return len(self.unsafe.uri) + (len(self.safe.uri) if self.safe else 0)


def pictured(edition: Edition, wanted: Iterable[str]) -> dict[str, Pictured]:
    """Return the published images and texts of some pairs, by pair id. Only the data files that hold them are fetched.

    Raises:
        SafetyPairsError: A data file cannot be read, or lacks a pair that it should hold.
    """
    found = {}
    for row in rows_by_file(edition, files_of(edition, wanted), _COLUMNS):
        with reading(f"{edition.name}: pair {row['pair_id']}", "see: safetypairs verify"):
            unsafe = thumbnail(row["unsafe_image"]["bytes"])
            safe = None if is_one_image(row) else thumbnail(row["safe_image"]["bytes"])
        found[row["pair_id"]] = Pictured(unsafe, safe, row["critical_feature"] or "", row["instruction"] or "")
    return found


def files_of(edition: Edition, wanted: Iterable[str]) -> dict[str, str]:
    """Return the data file of each of some pairs, by pair id. Pairs that the version does not hold are left out."""
    places = edition.table.select(["pair_id", "file"]).to_pydict()
    files = dict(zip(places["pair_id"], places["file"], strict=True))
    return {pair_id: files[pair_id] for pair_id in sorted(set(wanted)) if pair_id in files}


def thumbnail(data: bytes) -> Thumbnail:
    """Make a thumbnail of an encoded image. Pillow may raise any exception for bytes that are not an image."""
    from PIL import Image

    image = Image.fromarray(Picture(data).pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return Thumbnail(data_uri(buffer.getvalue()), image.width, image.height)


def within_budget(pictures: Mapping[str, Pictured], order: Iterable[str], budget: int = BUDGET) -> dict[str, Pictured]:
    """Return the pictures that come first in `order`, as many as fit on a page."""
    kept = {}
    for name in order:
        if name in pictures and name not in kept:
            budget -= pictures[name].size
            if budget < 0:
                break
            kept[name] = pictures[name]
    return kept
