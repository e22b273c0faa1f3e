"""Decode image files of unknown origin upright to 8-bit sRGB, or say why a file is not used.

Every mode takes one path of colour: the colours are converted by the file's ICC profile, then what is transparent is
laid on white. A profile that is damaged, or made for another kind of pixels than the file has, says nothing: the pixels
are taken as sRGB, as a browser takes them.
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

# What a file of so many pixels has where it is not compressed, with 16 bits for each of three channels.
MOST_BYTES = MOST_PIXELS * 6 + (1 << 20)
# How lcms says that it may not put a coarse table in place of a curve, by which dark greys are up to 9 levels off.
_EXACT = ImageCms.Flags.NOOPTIMIZE


class UnusableError(Exception):
    """A file that is not used: `args` are the reason in snake_case and a sentence of detail."""


def walk(folder: Path) -> Iterator[Path]:
    """Every path below the folder but the folders that it can open, sorted by name at each level; follows no link."""
    left = [folder]
    while left:  # without recursion, which a folder of a thousand levels would end
        path = left.pop()
        try:
            if path == folder or (path.is_dir() and not path.is_symlink()):
                left += sorted(path.iterdir(), key=lambda entry: (as_seen(entry.name), entry.name), reverse=True)
            else:
                yield path
        except OSError:
            yield path


def read(path: Path) -> bytes:
    """The bytes of a file. Raises UnusableError."""
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
    """The image upright, in mode RGB, 8-bit sRGB by its ICC profile, what is transparent on white.

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
    """Those of `FORMATS` that the installed Pillow reads; `Image.open` fails on a name that it doesn't know."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_header(image: Image.Image, least_side: int) -> None:
    width, height = image.size
    most = Image.MAX_IMAGE_PIXELS or MOST_PIXELS
    if width * height > most:
        raise UnusableError("oversized", f"{width} x {height} pixels; at most {most} in all are decoded")
    if min(width, height) < least_side:
        raise UnusableError("too_small", f"{width} x {height} pixels; at least {least_side} a side are needed")
    # A phone's JPEG may carry a second, hidden picture (MPO); the first is the photograph.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise UnusableError("animated", f"{getattr(image, 'n_frames', 1)} frames or pages")


def _as_srgb(image: Image.Image) -> Image.Image:
    """Mode RGB, upright. Raises UnusableError for a mode that has no faithful 8-bit form."""
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
    """How opaque each pixel is, mode L; None where all are."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):  # 16-bit grey of which one level is transparent
        return Image.fromarray(np.where(np.asarray(image) == image.info["transparency"], 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def _colours(image: Image.Image, profile: Any) -> Image.Image:
    """The colours in mode RGB, converted to sRGB by the file's profile if it is one for such pixels."""
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
    """A file's ICC profile; None where there is none, or it cannot be read."""
    if not data:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    except Exception:  # see the top of this module
        return None


def _converted(image: Image.Image, given: ImageCms.ImageCmsProfile) -> Image.Image:
    try:
        return ImageCms.buildTransform(given, _srgb(), image.mode, "RGB").apply(image)
    except Exception:
        return image.convert("RGB")


def _converted_grey(levels: NDArray[Any], given: ImageCms.ImageCmsProfile) -> Image.Image:
    """Grey of 8 or 16 bits by a table of what each level is in sRGB."""
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
    """The levels of a grey image, uint8 or uint16, without its alpha."""
    if not image.mode.startswith("I"):
        return np.asarray((image.convert("LA") if image.mode == "La" else image).convert("L"))
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise UnusableError("unsupported_depth", "more than 16 bits a channel")
    return levels.astype(np.uint16)


def _grey(levels: NDArray[Any]) -> Image.Image:
    """Levels of 8 or 16 bits as an image in mode RGB, rounded to 8."""
    if levels.itemsize == 2:
        levels = ((levels.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    return Image.fromarray(levels).convert("RGB")
