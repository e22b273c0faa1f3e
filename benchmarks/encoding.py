"""What each encoder of PNG files takes, and how large its files are: photographs, and scenes of the recipe `icons`.

    python benchmarks/encoding.py [--images 18] [--repeats 3]

The photographs are those of feeding.py, 1248 x 832, as a source of a build has them. Both encoders write the same
pixels, which are decoded outside the clock; the least CPU time of --repeats counts. Each file is decoded again, and has
to give the pixels back. Bounds, for photographs by OpenCV against Pillow: twice as fast, at most 3% larger.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _timing import best, parsed, parser_of
from feeding import take_photographs
from PIL import Image

from safetypairs_hf.core.pictures import OPENCV, PILLOW, encode
from safetypairs_hf.icons import IconScenes
from safetypairs_hf.recipes import FolderSource, Pixels

FASTER, LARGER = 2.0, 1.03


def photographs(count: int) -> list[Pixels]:
    with tempfile.TemporaryDirectory() as folder:
        take_photographs(Path(folder), count)
        return [each.unsafe.pixels for each in FolderSource(folder, "CC0-1.0", "hate").take(0, count)]


def measured(images: Sequence[Pixels], encoder: str, repeats: int) -> tuple[float, int]:
    """The CPU seconds and the bytes of all images."""
    files = [encode(pixels, encoder).data for pixels in images]
    for pixels, file in zip(images, files, strict=True):
        with Image.open(io.BytesIO(file)) as image:
            if not np.array_equal(np.asarray(image), pixels):
                raise SystemExit(f"{encoder} does not give the pixels back")
    seconds = best(lambda: [encode(pixels, encoder) for pixels in images], repeats)
    return seconds.cpu, sum(map(len, files))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--images", type=int, default=18)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parsed(parser, images=1, repeats=1)
    drawn = [each.unsafe.pixels for each in IconScenes().take(0, chosen.images)]
    for what, images in (("icons", drawn), ("photographs", photographs(chosen.images))):
        height, width, _ = images[0].shape
        seconds, size = measured(images, PILLOW, chosen.repeats)
        less, other = measured(images, OPENCV, chosen.repeats)
        print(f"{len(images)} {what} of {width} x {height}")
        print(f"  {PILLOW}   {seconds / len(images) * 1e3:6.1f} ms an image, {size / len(images) / 1e3:8.1f} kB")
        print(f"  {OPENCV}   {less / len(images) * 1e3:6.1f} ms an image, {other / len(images) / 1e3:8.1f} kB")
        print(f"  {seconds / less:.2f}x as fast, {other / size:.3f}x as large")
    kept = seconds / less >= FASTER and other / size <= LARGER
    print(f"  bounds {FASTER:g}x and {LARGER:g}x {'kept' if kept else 'MISSED'}")


if __name__ == "__main__":
    main()
