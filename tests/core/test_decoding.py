"""Colour in every mode, against ImageCms applied to the bare colours, and formulas where there is no such path."""

from __future__ import annotations

import io
from typing import Any

import colour_profiles
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from safetypairs_hf.core.decoding import decode

Pixels = NDArray[np.uint8]
SIDE = 32
SWAPPED, WIDE = (colour_profiles.rgb(columns) for columns in (colour_profiles.SWAPPED, colour_profiles.WIDE))
GREY, CMYK = colour_profiles.grey(1.0), colour_profiles.cmyk()
RNG = np.random.default_rng(7)
COLOURS = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
LEVELS = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
ALPHA = (LEVELS // 4 % 256).astype(np.uint8)


def decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> Pixels:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    found = decode(buffer.getvalue(), 1)
    assert found.mode == "RGB"
    return np.asarray(found)


def converted(colours: Pixels, profile: bytes, mode: str = "RGB") -> Pixels:
    """Colours in sRGB, by ImageCms alone."""
    given, wanted = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    image = Image.merge(mode, [Image.fromarray(band) for band in colours.transpose(2, 0, 1)])
    found = ImageCms.profileToProfile(image, given, wanted, outputMode="RGB")
    assert found is not None
    return np.asarray(found)


def on_white(colours: Pixels, alpha: Pixels) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return colours * share + 255 * (1 - share)


def srgb_of_linear(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sRGB level of a share of light (IEC 61966-2-1)."""
    return 255 * np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)


def near(found: Pixels, wanted: NDArray[Any], by: float = 1.0) -> None:
    assert np.abs(found.astype(float) - wanted).max() <= by


def with_alpha(colours: Pixels) -> Image.Image:
    return Image.fromarray(np.dstack([colours, ALPHA]))


def in_palette(colours: Pixels, **options: Any) -> tuple[Image.Image, Pixels]:
    """An image by a palette of 64 colours, and what its pixels are."""
    palette, places = colours.reshape(-1, 3)[:64], (LEVELS % 64).astype(np.uint8)
    image = Image.fromarray(places).convert("L")
    image.putpalette(palette.tobytes())
    return image, palette[places]


@pytest.mark.parametrize("profile", [SWAPPED, WIDE])
def test_rgb(profile: bytes) -> None:
    assert (decoded(Image.fromarray(COLOURS), icc_profile=profile) == converted(COLOURS, profile)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_rgb_with_alpha(kind: str) -> None:
    found = decoded(with_alpha(COLOURS), kind, icc_profile=SWAPPED, lossless=True, exact=True)
    near(found, on_white(converted(COLOURS, SWAPPED), ALPHA))


def test_rgb_with_a_transparent_colour() -> None:
    clear = tuple(int(value) for value in COLOURS[3, 4])
    found = decoded(Image.fromarray(COLOURS), icc_profile=WIDE, transparency=clear)
    wanted = converted(COLOURS, WIDE).copy()
    wanted[(clear == COLOURS).all(axis=2)] = 255
    assert (found == wanted).all()
    assert (found[3, 4] == 255).all()


def test_a_palette() -> None:
    image, colours = in_palette(COLOURS)
    assert (decoded(image, icc_profile=SWAPPED) == converted(colours, SWAPPED)).all()


def test_a_palette_with_transparency() -> None:
    image, colours = in_palette(COLOURS)
    alphas = np.arange(0, 256, 4, dtype=np.uint8)
    found = decoded(image, icc_profile=SWAPPED, transparency=alphas.tobytes())
    near(found, on_white(converted(colours, SWAPPED), alphas[LEVELS % 64]))


def test_grey() -> None:
    levels = (LEVELS % 256).astype(np.uint8)
    near(decoded(Image.fromarray(levels), icc_profile=GREY), srgb_of_linear(levels / 255)[..., None], 0.6)


def test_grey_with_alpha() -> None:
    levels = (LEVELS % 256).astype(np.uint8)
    image = Image.merge("LA", [Image.fromarray(levels), Image.fromarray(ALPHA)])
    wanted = np.repeat(srgb_of_linear(levels / 255)[..., None], 3, 2)
    near(decoded(image, icc_profile=GREY), on_white(wanted, ALPHA), 1.6)


def test_grey_of_16_bits() -> None:
    """Its darks lie close together in 8 bits: the curve is applied to all 16."""
    levels = LEVELS * 64
    near(decoded(Image.fromarray(levels), icc_profile=GREY), srgb_of_linear(levels / 65535)[..., None], 0.7)
    near(decoded(Image.fromarray(levels)), (levels / 257)[..., None], 0.51)


def test_grey_of_16_bits_with_a_transparent_level() -> None:
    levels = LEVELS * 64
    found = decoded(Image.fromarray(levels), icc_profile=GREY, transparency=640)
    assert (found[levels == 640] == 255).all()
    rest = levels != 640
    near(found[rest], srgb_of_linear(levels[rest] / 65535)[..., None], 0.7)


def test_black_and_white() -> None:
    bits = LEVELS % 3 == 0
    found = decoded(Image.fromarray(bits), "TIFF", icc_profile=GREY)
    assert (found == np.where(bits, 255, 0)[..., None]).all()


@pytest.mark.parametrize("side", [8, 16])
def test_grey_with_a_profile_of_colours(side: int) -> None:
    """It is read as three equal channels."""
    levels = (LEVELS % 256).astype(np.uint8)
    image = Image.fromarray(levels if side == 8 else levels.astype(np.uint16) * 257)
    assert (decoded(image, icc_profile=WIDE) == converted(np.dstack([levels] * 3), WIDE)).all()


def test_cmyk() -> None:
    inks = np.dstack([COLOURS, ALPHA // 2])
    image = Image.merge("CMYK", [Image.fromarray(band) for band in inks.transpose(2, 0, 1)])
    found = decoded(image, "TIFF", icc_profile=CMYK)
    assert (found == converted(inks, CMYK, "CMYK")).all()
    assert np.abs(found.astype(int) - np.asarray(image.convert("RGB"))).max() > 20


def test_a_jpeg_turned_by_its_exif_keeps_its_profile() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    flat = np.full((SIDE, 2 * SIDE, 3), (200, 60, 30), np.uint8)
    found = decoded(Image.fromarray(flat), "JPEG", icc_profile=SWAPPED, exif=exif, quality=100)
    assert found.shape == (2 * SIDE, SIDE, 3)
    near(found, converted(flat, SWAPPED)[0, 0], 3)


@pytest.mark.parametrize(
    ("profile", "what"),
    [
        (b"no profile", "bytes that are none"),
        (SWAPPED[:200], "cut off"),
        (SWAPPED.replace(b"rTRC", b"xTRC"), "without a curve"),
        (SWAPPED[:132] + b"\xff" * 60 + SWAPPED[192:], "a table of tags that leads nowhere"),
        (GREY, "of grey"),
        (CMYK, "of inks"),
    ],
)
def test_a_profile_that_says_nothing_leaves_srgb(profile: bytes, what: str) -> None:
    assert (decoded(Image.fromarray(COLOURS), icc_profile=profile) == COLOURS).all(), what
    near(decoded(with_alpha(COLOURS), icc_profile=profile), on_white(COLOURS, ALPHA))


@pytest.mark.parametrize("profile", [b"no profile", GREY[:200], CMYK])
def test_a_profile_that_says_nothing_of_grey_or_inks(profile: bytes) -> None:
    levels = (LEVELS % 256).astype(np.uint8)
    for image in (Image.fromarray(levels), Image.fromarray(levels.astype(np.uint16) * 257)):
        assert (decoded(image, icc_profile=profile) == levels[..., None]).all()
    inks = Image.fromarray(COLOURS).convert("CMYK")
    if profile != CMYK:
        assert (decoded(inks, "TIFF", icc_profile=profile) == np.asarray(inks.convert("RGB"))).all()


def test_lab() -> None:
    image = Image.fromarray(COLOURS).convert("RGB").convert("LAB")
    near(decoded(image, "TIFF"), np.asarray(image.convert("RGB")))
