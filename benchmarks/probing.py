"""What the probe finds of planted leaks, and of pairs without any.

    python benchmarks/probing.py [--pairs 1510] [--size 256]

The pairs are scenes of the recipe icons, drawn twice by one code path: once with an item of a pair of twins on a plate,
once with the other, so that nothing but that item differs; which of the two counts as edited is a coin's choice. Then
each leak is planted in the edited member:

* jpeg: through JPEG of quality 90 and back to PNG;
* half a pixel: its item is drawn half a pixel to the right;
* other library: its pixels are written as PNG by a writer of our own, as pypng does it (no filter, one chunk);
* other level: by Pillow at compression level 5, not 4, which has the same header.

Bounds: without a leak the best detector has an AUC of at most 0.55, over the whole image and in the plate; jpeg and
other library are found with at least 0.95, half a pixel with at least 0.80 in the plate. Other level has no bound: it
is the smallest trace of a file that we know of.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from _timing import parsed, parser_of, timed
from PIL import Image

from safetypairs_hf.core.pictures import PNG_LEVEL, changed_box
from safetypairs_hf.icons import glyphs
from safetypairs_hf.icons.backgrounds import background
from safetypairs_hf.icons.catalogue import Item, critical, neutral
from safetypairs_hf.icons.colours import theme
from safetypairs_hf.icons.drawing import paint
from safetypairs_hf.icons.plates import Plate, draw, layout, put_glyph
from safetypairs_hf.icons.scenes import generator
from safetypairs_hf.probing.probe import Probe, ProbedPair
from safetypairs_hf.taxonomy.nine import NINE

Pixels = Any


class Drawn(NamedTuple):
    """A scene with the original item and with the edited one, and again with that half a pixel to the right."""

    number: int
    original: Pixels
    edited: Pixels
    shifted: Pixels


def scene(number: int, size: int) -> Drawn | None:
    """Draw a scene; None where a neighbour hides what differs."""
    random = generator("probing", number)
    look = theme(random)
    canvas = background(random, size, look)
    choices = critical(NINE.slugs[number % len(NINE.slugs)])
    chosen = choices[int(random.integers(len(choices)))]
    twins = [chosen.item, chosen.twins[int(random.integers(len(chosen.twins)))]]
    if random.random() < 0.5:
        twins.reverse()
    others = [item for item in neutral() if item not in twins]
    picked = [others[at] for at in random.choice(len(others), 5, replace=False)]
    plates, manner = layout(random, size, [twins[0], *picked], look)
    members = []
    for item in twins:
        member = canvas.copy()
        draw(
            member,
            [plate._replace(item=item) if plate.item == twins[0] else plate for plate in plates],
            manner,
            put_glyph,
        )
        members.append(member)
    plate = next(plate for plate in plates if plate.item == twins[0])
    if changed_box(*members)[0] is None:
        return None
    return Drawn(number, *members, _shifted(members[1], plate, twins[1]))


def _shifted(member: Pixels, plate: Plate, item: Item) -> Pixels:
    """The member with its item half a pixel to the right: its mask is averaged over other columns of the same outline.

    The item is wiped by the plate's colour first, where it stood.
    """
    x0, y0, x1, y1 = plate.region
    aspect = glyphs.aspect(item)
    width = plate.fit * min(x1 - x0, (y1 - y0) * aspect)
    across, down = max(round(width), 2), max(round(width / aspect), 2)
    x, y = (x0 + x1 - across) // 2, (y0 + y1 - down) // 2
    made = member.copy()
    made[max(y, 0) : y + down, max(x, 0) : x + across] = plate.colours.fill
    twice = np.pad(glyphs.mask(item, 2 * across, down).astype(np.float32) / 255, ((0, 0), (1, 1)))
    paint(made, twice.reshape(down, across + 1, 2).mean(axis=2), x, y, plate.colours.ink)
    return made


def png(pixels: Pixels, level: int = PNG_LEVEL) -> bytes:
    """As the library writes it, at another level of compression if one is given."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()


def plain_png(pixels: Pixels) -> bytes:
    """As a writer without filters writes it, in one chunk."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


def through_jpeg(pixels: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=90)
    return np.asarray(Image.open(buffer).convert("RGB"))


LEAKS: dict[str, tuple[Callable[[Drawn], bytes], str, float]] = {
    "none": (lambda drawn: png(drawn.edited), "", 0.55),
    "jpeg": (lambda drawn: png(through_jpeg(drawn.edited)), "image", 0.95),
    "half a pixel": (lambda drawn: png(drawn.shifted), "box", 0.80),
    "other library": (lambda drawn: plain_png(drawn.edited), "image", 0.95),
    "other level": (lambda drawn: png(drawn.edited, 5), "image", 0.0),
}


def planted(drawn: Drawn, leak: str) -> ProbedPair:
    """A pair with a leak in its edited member."""
    box, _ = changed_box(drawn.original, drawn.edited)
    name = f"{drawn.number:016x}"
    return ProbedPair(name, name, png(drawn.original), LEAKS[leak][0](drawn), box, "unsafe_to_safe")


def scenes(pairs: int, size: int) -> Iterator[Drawn]:
    number = 0
    while pairs:
        drawn = scene(number, size)
        number += 1
        if drawn is not None:
            pairs -= 1
            yield drawn


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--size", type=int, default=256)
    options = parsed(parser, pairs=80, size=128)
    print(f"{options.pairs} pairs of {options.size} x {options.size} pixels; best detectors, AUC with 95% interval\n")
    print(f"{'leak':<15}{'image and file':<22}{'box':<22}{'bound':<18}{'measure':>10}{'learn':>9}  (CPU s)")
    missed = 0
    for leak, (_, where, bound) in LEAKS.items():
        probe = Probe()

        def measure(probe: Probe = probe, leak: str = leak) -> None:
            for drawn in scenes(options.pairs, options.size):
                probe.add(planted(drawn, leak))

        measuring, _ = timed(measure)
        learning, found = timed(probe.result)
        aucs = {best.where: best.auc for best in found.best}
        kept = max(auc.value for auc in aucs.values()) <= bound if not where else aucs[where].value >= bound
        missed += not kept
        wanted = f"{'>=' if where else '<='} {bound:.2f} {'kept' if kept else 'MISSED'}" if bound else ""
        cells = f"{aucs['image']!s:<22}{aucs['box']!s:<22}{wanted:<18}"
        print(f"{leak:<15}{cells}{measuring.cpu:>10.1f}{learning.cpu:>9.1f}", flush=True)
    print(f"\nbounds missed: {missed} of {sum(bool(bound) for _, _, bound in LEAKS.values())}")


if __name__ == "__main__":
    main()
