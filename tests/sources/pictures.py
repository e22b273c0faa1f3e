"""Ordinary pictures for the tests of sources: smooth ones, as photographs are, and files of them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIDE = 128


def picture(seed: int, width: int = SIDE, height: int = SIDE) -> Image.Image:
    knots = np.random.default_rng(seed).integers(20, 235, (24, 24, 3), dtype=np.uint8)
    return Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()
