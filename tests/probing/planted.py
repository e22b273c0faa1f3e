"""Small pairs with a known trace of the edit: a disc or a square stands on a plate on a soft ground.

Both members are drawn by one code path, so that without a leak nothing but the form of the thing differs, and which of
the two forms is the edited one changes from pair to pair.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Box
from safetypairs_hf.probing.probe import ProbedPair

SIDE, PLATE, HALF = 96, 26, 14
Pixels = NDArray[np.uint8]


def drawn(number: int, form: int, shift: float = 0.0) -> Pixels:
    """Scene `number` with a disc (0) or a square (1), `shift` pixels to the right of the middle of its plate."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(60, 200, (4, 4, 3), dtype=np.uint8)
    ground = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy()
    ground = np.clip(ground + rng.normal(0, 4, ground.shape), 0, 255).astype(np.uint8)
    x, y = (int(at) for at in rng.integers(PLATE + 2, SIDE - PLATE - 2, 2))
    plate, ink = rng.integers(0, 256, (2, 3))
    ground[y - PLATE : y + PLATE, x - PLATE : x + PLATE] = plate
    across, down = np.meshgrid((np.arange(SIDE * 4) + 0.5) / 4 - x - shift, (np.arange(SIDE * 4) + 0.5) / 4 - y)
    half = rng.uniform(HALF - 5, HALF)
    inside = np.hypot(across, down) < half if form == 0 else np.maximum(abs(across), abs(down)) < half
    cover = inside.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))[..., None]
    return np.rint(ground + cover * (ink - ground.astype(float))).astype(np.uint8)


def plain_png(pixels: Pixels) -> bytes:
    """As another library writes it: no filters, one chunk."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


def through_jpeg(pixels: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer).convert("RGB"))


def pair(number: int, leak: str = "", **other: object) -> ProbedPair:
    """A pair whose safe member is the edited one, with `leak` in it."""
    form = number % 2
    edited = drawn(number, 1 - form, 0.5 if leak == "half a pixel" else 0.0)
    name = f"{number:016x}"
    data = {"jpeg": lambda: encode(through_jpeg(edited)).data, "other library": lambda: plain_png(edited)}
    safe = data.get(leak, lambda: encode(edited).data)()
    original = drawn(number, form)
    rows, columns, _ = np.nonzero(original != drawn(number, 1 - form))
    box = Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    made = ProbedPair(name, name, encode(original).data, safe, box, "unsafe_to_safe")
    return made._replace(**other)  # type: ignore[arg-type]
