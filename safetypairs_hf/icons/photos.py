"""Use the user's photographs as backgrounds: checked once, upright, in 8-bit sRGB, without metadata."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from safetypairs_hf.core.decoding import UnusableError, decode, read, walk
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.file_digests import file_sha256
from safetypairs_hf.core.file_names import name_in
from safetypairs_hf.core.records import Reject

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels

# A photograph is kept at no more than this many times the scene's size.
_KEPT = 2


class Photo(NamedTuple):
    """A usable photograph, and the SHA-256 of its file."""

    path: str
    sha256: str


class Scan(NamedTuple):
    """The content of a folder: photographs in sorted order, and the names of unused files with the reason."""

    photos: tuple[Photo, ...]
    rejects: tuple[tuple[str, Reject], ...]


def scan(folder: str, size: int) -> Scan:
    """Decode every file of the folder once, to find the photographs that scenes of this size can use.

    Raises RecipeError if there is none.
    """
    photos, rejects = [], []
    for path in walk(Path(folder)):
        try:
            _decoded(path, size)
            photos.append(Photo(os.fspath(path), file_sha256(path)))
        except UnusableError as error:
            rejects.append((name_in(Path(folder), path), Reject("source", *error.args)))
    if not photos:
        why = "; ".join(f"{name}: {reject.reason}" for name, reject in rejects[:3]) or "it is empty"
        raise RecipeError(
            f"backgrounds is {folder!r}, which holds no photograph that can be used ({why}); give one that does"
        )
    return Scan(tuple(photos), tuple(rejects))


def _decoded(path: Path, size: int) -> Image.Image:
    """Return the photograph upright in 8-bit sRGB, the shorter side at most `_KEPT` * `size`. Raises UnusableError."""
    return _shrunk(decode(read(path), -(-size // 2), draft=_KEPT * size), size)


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    factor = _KEPT * size / min(image.size)
    if factor >= 1:
        return image
    return image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BOX, reducing_gap=2
    )


@lru_cache(maxsize=16)
def pick(photo: Photo, size: int) -> Image.Image:
    """Return the photograph of `_decoded`, cached. Raises RecipeError if its file has changed or is missing."""
    try:
        return _decoded(Path(photo.path), size)
    except UnusableError as error:
        raise RecipeError(
            f"the photograph {photo.path} could be read when the build began and can't now ({error.args[0]}); "
            "put it back, or start a new run"
        ) from None


def crop(image: Image.Image, rng: np.random.Generator, size: int) -> Pixels:
    """Cut out a random square of at least 0.65 of the shorter side; return (size, size, 3) uint8, a copy."""
    side = min(image.size) * rng.uniform(0.65, 1.0)
    x, y = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + side, y + side), reducing_gap=3)
    return np.array(square)
