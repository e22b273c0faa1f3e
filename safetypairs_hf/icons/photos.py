"""The user's own photographs as backgrounds: checked once, converted to 8-bit sRGB upright, stripped of metadata."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from safetypairs_hf.errors import RecipeError
from safetypairs_hf.records import Reject

if TYPE_CHECKING:
    from safetypairs_hf.records import Pixels

# Formats that Pillow decodes by itself: no EPS or WMF, which it hands to another program.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM", "JPEG2000")
# Pillow's own default, for where it was switched off.
_MAX_PIXELS = 89_478_485
# A photograph is kept at no more than this many times the scene's size.
_KEPT = 2


class Photo(NamedTuple):
    """A photograph that can be used, and the SHA-256 of its file."""

    path: str
    sha256: str


class Scan(NamedTuple):
    """What a folder holds: the photographs in sorted order, and what is not used, by name, with the reason."""

    photos: tuple[Photo, ...]
    rejects: tuple[tuple[str, Reject], ...]


class _UnusableError(Exception):
    """A file that is not used: reason and detail."""


def _walk(folder: Path) -> Iterator[Path]:
    """Every path below the folder but the folders that it can open, sorted by name at each level; follows no link."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except PermissionError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        else:
            yield entry


@cache
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that the installed Pillow reads; `Image.open` fails on a name that it doesn't know."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def scan(folder: str, size: int) -> Scan:
    """Decode every file of the folder once, to tell the photographs that can stand behind a scene of that size.

    Raises RecipeError where there is none.
    """
    photos, rejects = [], []
    for path in _walk(Path(folder)):
        try:
            _decoded(path, size)
            with path.open("rb") as file:
                photos.append(Photo(os.fspath(path), hashlib.file_digest(file, "sha256").hexdigest()))
        except _UnusableError as error:
            # A name that isn't UTF-8 could be written to no report.
            name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
            rejects.append((name, Reject("source", *error.args)))
    if not photos:
        why = "; ".join(f"{name}: {reject.reason}" for name, reject in rejects[:3]) or "it is empty"
        raise RecipeError(
            f"backgrounds is {folder!r}, which holds no photograph that can be used ({why}); give one that does"
        )
    return Scan(tuple(photos), tuple(rejects))


def _decoded(path: Path, size: int) -> Image.Image:
    """The photograph upright in 8-bit sRGB, its shorter side at most `_KEPT` times `size`. Raises _UnusableError."""
    if not path.is_file():
        raise _UnusableError("not_a_file", "a link to a folder, a broken link, a closed folder or a special file")
    if path.stat().st_size == 0:
        raise _UnusableError("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings():
            # What it warns of is judged here, from the header, before anything is decoded.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_formats()) as image:
                _check_header(image, size)
                image.draft(None, (_KEPT * size, _KEPT * size))
                image.load()
                return _shrunk(_as_srgb(image), size)
    except _UnusableError:
        raise
    except UnidentifiedImageError:
        raise _UnusableError("not_an_image", f"none of the formats {', '.join(_formats())}") from None
    except Image.DecompressionBombError as error:
        raise _UnusableError("oversized", str(error)) from None
    except PermissionError:
        raise _UnusableError("unreadable", "no permission to read the file") from None
    except Exception as error:  # a decoder may raise anything on a damaged file; one file must not end a build
        raise _UnusableError("broken", f"{type(error).__name__}: {error}".split("\n")[0][:200]) from None


def _check_header(image: Image.Image, size: int) -> None:
    width, height = image.size
    most = Image.MAX_IMAGE_PIXELS or _MAX_PIXELS
    if width * height > most:
        raise _UnusableError("oversized", f"{width} x {height} pixels; at most {most} in all are decoded")
    if min(width, height) * 2 < size:
        raise _UnusableError("too_small", f"{width} x {height} pixels; at least {-(-size // 2)} a side are needed")
    # A phone's JPEG may carry a second, hidden picture (MPO); the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise _UnusableError("animated", f"{getattr(image, 'n_frames', 1)} frames or pages")


def _as_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB, upright. Raises _UnusableError for a mode that has no faithful 8-bit form."""
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        levels = np.asarray(upright).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise _UnusableError("unsupported_depth", "more than 16 bits a channel")
        return Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if upright.mode == "F":
        raise _UnusableError("unsupported_depth", "floating-point pixels, whose white is not known")
    if upright.has_transparency_data:
        paper = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(paper, upright.convert("RGBA")).convert("RGB")
    if profile and upright.mode in ("RGB", "CMYK", "L"):
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(upright, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
            return converted if converted is not None else upright.convert("RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that is damaged or of another mode says nothing; the plain conversion stays
    return upright.convert("RGB")


def _shrunk(image: Image.Image, size: int) -> Image.Image:
    factor = _KEPT * size / min(image.size)
    if factor >= 1:
        return image
    return image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BOX, reducing_gap=2
    )


@lru_cache(maxsize=16)
def pick(photo: Photo, size: int) -> Image.Image:
    """The photograph as `_decoded` gives it, kept for the next time. Raises RecipeError where it changed or went."""
    try:
        return _decoded(Path(photo.path), size)
    except _UnusableError as error:
        raise RecipeError(
            f"the photograph {photo.path} could be read when the build began and can't now ({error.args[0]}); "
            "put it back, or start a new run"
        ) from None


def crop(image: Image.Image, rng: np.random.Generator, size: int) -> Pixels:
    """A random square of at least 0.65 of the shorter side, as (size, size, 3) uint8 pixels of its own."""
    side = min(image.size) * rng.uniform(0.65, 1.0)
    x, y = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + side, y + side), reducing_gap=3)
    return np.array(square)
