"""Decode image files of unknown origin upright to 8-bit sRGB, or say why a file cannot be used.

Every mode is converted in the same order: colours by the file's ICC profile first, then transparent pixels onto white.
A profile that is damaged, or made for other pixels than those of the file, is ignored: the pixels are taken as sRGB, as
a browser does.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from safetypairs_hf.core.file_names import as_seen
from safetypairs_hf.core.records import FORMATS, MOST_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The size of an uncompressed file of MOST_PIXELS pixels with 16 bits for each of three channels.
MOST_BYTES = MOST_PIXELS * 6 + (1 << 20)
# Keeps lcms from replacing a curve by a coarse table, which changes dark greys by up to 9 levels.
_EXACT = ImageCms.Flags.NOOPTIMIZE


class UnusableError(Exception):
    """A file that cannot be used. `args` holds the reason in snake_case and a sentence of detail."""


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, and folders that cannot be opened, sorted by name at each level.

    Links to folders are not followed.
    """
    left = [folder]
    while left:  # not recursive: a folder may be nested a thousand levels deep
        path = left.pop()
        try:
            if path == folder or (path.is_dir() and not path.is_symlink()):
                left += sorted(path.iterdir(), key=lambda entry: (as_seen(entry.name), entry.name), reverse=True)
            else:
                yield path
        except OSError:
            yield path


def read(path: Path) -> bytes:
    """Return the bytes of a file. Raises UnusableError if it is not a regular file, is too large or cannot be read."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnusableError("not_a_file", "a folder that can't be opened, a link to one, or a special file")
        if found.st_size > MOST_BYTES:
            raise UnusableError("oversized", f"a file of {found.st_size} bytes; at most {MOST_BYTES} are read")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnusableError("not_a_file", "a broken link, or a file that went away") from None
    except OSError as error:
        raise UnusableError("unreadable", f"the file can't be read: {error.strerror}") from None


def decode(data: bytes, least_side: int, draft: int | None = None) -> Image.Image:
    """Decode an image upright, in mode RGB, as 8-bit sRGB by its ICC profile, with transparent pixels on white.

    Args:
        data: The bytes of the file.
        least_side: The smallest accepted length of the shorter side, in pixels.
        draft: The smallest length of a side, in pixels, to which a JPEG may be reduced while it is decoded; None
            decodes it at full size.

    Raises:
        UnusableError: The file is empty, not an image, broken, animated, too small or too large, or its pixels have no
            8-bit form.
    """
    if not data:
        raise UnusableError("empty", "the file has no bytes")
    try:
        with warnings.catch_warnings():
            # Pillow's warnings concern the size, which `_check_header` checks before anything is decoded.
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
    """Return the formats of `FORMATS` that the installed Pillow reads; `Image.open` fails on an unknown name."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_header(image: Image.Image, least_side: int) -> None:
    width, height = image.size
    most = Image.MAX_IMAGE_PIXELS or MOST_PIXELS
    if width * height > most:
        raise UnusableError("oversized", f"{width} x {height} pixels; at most {most} pixels are decoded")
    if min(width, height) < least_side:
        raise UnusableError("too_small", f"{width} x {height} pixels; at least {least_side} a side are needed")
    # A phone's JPEG may carry a second, hidden picture (MPO); the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UnusableError("animated", f"{getattr(image, 'n_frames', 1)} frames or pages")


def _as_srgb(image: Image.Image) -> Image.Image:
    """Return the image upright in mode RGB. Raises UnusableError for a mode that has no faithful 8-bit form."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise UnusableError("unsupported_depth", "floating-point pixels, whose white is not known")
    alpha = _alpha(upright)
    colours = _colours(upright, image.info.get("icc_profile"))
    if alpha is None:
        return colours
    colours.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the opacity of each pixel, in mode L; None if all are opaque."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):  # 16-bit grey with one transparent level
        return Image.fromarray(np.where(np.asarray(image) == image.info["transparency"], 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def _colours(image: Image.Image, profile: Any) -> Image.Image:
    """Return the colours in mode RGB, converted to sRGB by the file's profile if it fits the pixels."""
    given = _profile(profile)
    space = given.profile.xcolor_space.strip() if given else ""
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I"):
        levels = _levels(image)
        if given and space == "GRAY":
            return _converted_grey(levels, given)
        image = _grey(levels)
    elif given and space == image.mode == "CMYK":
        return _converted(image, given)
    colours = image.convert("RGB")
    return _converted(colours, given) if given and space == "RGB" and image.mode != "CMYK" else colours


def _profile(data: Any) -> ImageCms.ImageCmsProfile | None:
    """Return a file's ICC profile; None if it has none, or a damaged one."""
    if not data:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    except Exception:  # a damaged profile is ignored
        return None


def _converted(image: Image.Image, given: ImageCms.ImageCmsProfile) -> Image.Image:
    try:
        return ImageCms.buildTransform(given, _srgb(), image.mode, "RGB").apply(image)
    except Exception:
        return image.convert("RGB")


def _converted_grey(levels: NDArray[Any], given: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert grey of 8 or 16 bits by a table of the sRGB colour of each level."""
    every = np.arange(256**levels.itemsize, dtype=levels.dtype).reshape(-1, 256)
    try:
        mode = "L" if levels.itemsize == 1 else "I;16"
        table = ImageCms.buildTransform(given, _srgb(), mode, "RGB", flags=_EXACT).apply(Image.fromarray(every))
    except Exception:
        return _grey(levels)
    return Image.fromarray(np.asarray(table).reshape(-1, 3)[levels])


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _levels(image: Image.Image) -> NDArray[Any]:
    """Return the levels of a grey image without its alpha, as uint8 or uint16."""
    if not image.mode.startswith("I"):
        return np.asarray((image.convert("LA") if image.mode == "La" else image).convert("L"))
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise UnusableError("unsupported_depth", "more than 16 bits a channel")
    return levels.astype(np.uint16)


def _grey(levels: NDArray[Any]) -> Image.Image:
    """Return levels of 8 or 16 bits as an image in mode RGB, rounded to 8 bits."""
    if levels.itemsize == 2:
        levels = ((levels.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")
