"""Decode image files of unknown origin upright to 8-bit sRGB, or say why a file is not used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Formats that Pillow decodes by itself: no EPS or WMF, which it hands to another program.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM", "JPEG2000")
# Pillow's own default, for where it was switched off.
_MAX_PIXELS = 89_478_485


class UnusableError(Exception):
    """A file that is not used: `args` are the reason in snake_case and a sentence of detail."""


def walk(folder: Path) -> Iterator[Path]:
    """Every path below the folder but the folders that it can open, sorted by name at each level; follows no link."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except PermissionError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            yield from walk(entry)
        else:
            yield entry


def read(path: Path) -> bytes:
    """The bytes of a file. Raises UnusableError."""
    if not path.is_file():
        raise UnusableError("not_a_file", "a link to a folder, a broken link, a closed folder or a special file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableError("unreadable", f"the file can't be read: {error.strerror}") from None


def decode(data: bytes, least_side: int, draft: int | None = None) -> Image.Image:
    """The image upright, in mode RGB, 8-bit sRGB, what is transparent on white.

    Args:
        least_side: the shorter side has at least so many pixels.
        draft: a JPEG may be decoded at a fraction of its size, as long as both sides keep so many pixels.

    Raises:
        UnusableError: empty, not an image, broken, animated, too small, oversized, or of a depth with no 8-bit form.
    """
    if not data:
        raise UnusableError("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings():
            # What it warns of is judged here, from the header, before anything is decoded.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_formats()) as image:
                _check_header(image, least_side)
                if draft is not None:
                    image.draft(None, (draft, draft))
                image.load()
                return _as_srgb(image)
    except UnusableError:
        raise
    except UnidentifiedImageError:
        raise UnusableError("not_an_image", f"none of the formats {', '.join(_formats())}") from None
    except Image.DecompressionBombError as error:
        raise UnusableError("oversized", str(error)) from None
    except Exception as error:  # a decoder may raise anything on a damaged file; one file must not end a build
        raise UnusableError("broken", f"{type(error).__name__}: {error}".split("\n")[0][:200]) from None


@cache
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that the installed Pillow reads; `Image.open` fails on a name that it doesn't know."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_header(image: Image.Image, least_side: int) -> None:
    width, height = image.size
    most = Image.MAX_IMAGE_PIXELS or _MAX_PIXELS
    if width * height > most:
        raise UnusableError("oversized", f"{width} x {height} pixels; at most {most} in all are decoded")
    if min(width, height) < least_side:
        raise UnusableError("too_small", f"{width} x {height} pixels; at least {least_side} a side are needed")
    # A phone's JPEG may carry a second, hidden picture (MPO); the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UnusableError("animated", f"{getattr(image, 'n_frames', 1)} frames or pages")


def _as_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB, upright. Raises UnusableError for a mode that has no faithful 8-bit form."""
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return _from_levels(np.asarray(upright).astype(np.int64))
    if upright.mode == "F":
        raise UnusableError("unsupported_depth", "floating-point pixels, whose white is not known")
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


def _from_levels(levels: NDArray[np.int64]) -> Image.Image:
    if levels.min() < 0 or levels.max() > 65535:
        raise UnusableError("unsupported_depth", "more than 16 bits a channel")
    return Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
