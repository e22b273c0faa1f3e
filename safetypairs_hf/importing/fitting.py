"""Give two members of different sizes one size (`--fit`). Both go through the same steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PIL import Image

from safetypairs_hf.core.decoding import UnusableError

_SAME_SHAPE: Final = 0.01  # the largest relative difference of two aspect ratios that are resized to one

Fit = Callable[[Image.Image, int, int], Image.Image]


def fit(unsafe: Image.Image, safe: Image.Image, how: str) -> tuple[Image.Image, Image.Image]:
    """Return the two members in one size. Members of equal size are returned unchanged.

    Args:
        how: "" refuses unequal sizes. "resize" scales both to the smaller width and the smaller height, if their aspect
            ratios are within 1%. "crop" scales and crops both to that size, centred. "pad" centres both on a grey
            ground of the larger width and height.

    Raises:
        UnusableError: The sizes differ, and `how` does not allow this difference.
    """
    if unsafe.size == safe.size:
        return unsafe, safe
    sizes = f"{unsafe.width} x {unsafe.height} and {safe.width} x {safe.height} pixels"
    if not how:
        raise UnusableError("other_size", f"the members have {sizes}; --fit resize, pad or crop brings them to one")
    if how == "resize":
        shapes = unsafe.width / unsafe.height, safe.width / safe.height
        if max(shapes) > min(shapes) * (1 + _SAME_SHAPE) and not _within_a_pixel(unsafe, safe):
            raise UnusableError("other_shape", f"the members have {sizes}; --fit crop or pad takes other shapes")
    choose = max if how == "pad" else min
    width, height = choose(unsafe.width, safe.width), choose(unsafe.height, safe.height)
    return FITS[how](unsafe, width, height), FITS[how](safe, width, height)


def _within_a_pixel(unsafe: Image.Image, safe: Image.Image) -> bool:
    """Return whether the aspect ratios differ by rounding only."""
    return abs(unsafe.width * safe.height / safe.width - unsafe.height) <= 1


def _resize(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _crop(image: Image.Image, width: int, height: int) -> Image.Image:
    x, y = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((x, y, x + width, y + height))


def _pad(image: Image.Image, width: int, height: int) -> Image.Image:
    ground = Image.new("RGB", (width, height), (127, 127, 127))
    ground.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return ground


FITS: Final[dict[str, Fit]] = {"resize": _resize, "pad": _pad, "crop": _crop}
