"""Pairs of one's own for tests: soft coloured grounds, with a square on the unsafe member; each looks like no other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.core.run_folder import open_run

SIDE = 64
BOX = (8, 20, 24, 40)  # x0, y0, x1, y1 of the square
Pixels = NDArray[np.uint8]


def ground(number: int, width: int = SIDE, height: int = SIDE) -> Pixels:
    coarse = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def members(number: int, width: int = SIDE, height: int = SIDE) -> tuple[Pixels, Pixels]:
    """The unsafe member and the safe one."""
    safe = ground(number, width, height)
    unsafe = safe.copy()
    x0, y0, x1, y1 = BOX
    unsafe[y0:y1, x0:x1] = 255 - unsafe[y0:y1, x0:x1] // 2
    unsafe[y0:y1, x0:x1, 0] = np.where(unsafe[y0:y1, x0:x1, 0] == safe[y0:y1, x0:x1, 0], 0, unsafe[y0:y1, x0:x1, 0])
    return unsafe, safe


def encoded(pixels: Pixels, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format)
    return buffer.getvalue()


def files(number: int) -> tuple[bytes, bytes]:
    """The unsafe member and the safe one, as PNG."""
    unsafe, safe = members(number)
    return encoded(unsafe), encoded(safe)


def lay(folder: Path, numbers: Sequence[int]) -> Path:
    """A folder with unsafe/pN.png and safe/pN.png."""
    for name, place in (("unsafe", 0), ("safe", 1)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / name / f"p{number:03}.png").write_bytes(files(number)[place])
    return folder


def pairs_of(run: Path) -> dict[str, Candidate]:
    """The pairs of a finished run, by the id at their origin."""
    finished = open_finished(open_run(str(run)))
    wanted = {each.entrant.identity.pair_id for each in finished.drawn}
    return {pair.origin.id: pair for pair, _ in finished.pairs(wanted)}
