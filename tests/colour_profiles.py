"""Small ICC profiles of our own making, version 2 of the format: grey, RGB by a matrix, CMYK by a table."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

D50 = (0.9642, 1.0, 0.8249)
# The columns of red, green and blue of sRGB and of Adobe RGB (1998), adapted to D50.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
WIDE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
SWAPPED = (SRGB[2], SRGB[1], SRGB[0])  # what is called red is blue


def rgb(columns: Sequence[Sequence[float]], gamma: float = 2.2) -> bytes:
    """A display whose channels have these XYZ and one gamma."""
    colours = {f"{name}XYZ": _xyz(column) for name, column in zip("rgb", columns, strict=True)}
    return _profile("RGB ", "mntr", {**colours, **{f"{name}TRC": _gamma(gamma) for name in "rgb"}})


def grey(gamma: float) -> bytes:
    return _profile("GRAY", "mntr", {"kTRC": _gamma(gamma)})


def cmyk(black: float = 0.0) -> bytes:
    """A printer whose table has two points a channel: C, M and Y take L*, a* and b* away in their own way."""
    nodes = []
    for number in range(16):
        c, m, y, k = ((number >> bit) & 1 for bit in (3, 2, 1, 0))
        light = max(0.0, 100 - 30 * c - 35 * m - 10 * y) * (black if k else 1.0)
        nodes += [round(light * 2.55), 128 + (-35 * c + 70 * m - 5 * y) * (1 - k), 128 + (-45 * c + 90 * y) * (1 - k)]
    table = bytes(min(max(node, 0), 255) for node in nodes)
    identity = struct.pack(">9i", *(65536 if place in (0, 4, 8) else 0 for place in range(9)))
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + ramp * 4 + table + ramp * 3
    return _profile("CMYK", "prtr", {"A2B0": lut}, space="Lab ")


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def _profile(colours: str, kind: str, tags: Mapping[str, bytes], space: str = "XYZ ") -> bytes:
    text = b"test\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    content = {"desc": described, "cprt": b"text" + bytes(4) + b"none\0", "wtpt": _xyz(D50), **tags}
    start, table, data = 128 + 4 + 12 * len(content), b"", b""
    for name, value in content.items():
        table += name.encode() + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(
        ">I4s4s4s4s4s", start + len(data), b"none", b"\2\x10\0\0", kind.encode(), colours.encode(), space.encode()
    )
    head += bytes(12) + b"acsp" + bytes(28) + _xyz(D50)[8:] + bytes(48)
    return head + struct.pack(">I", len(content)) + table + data
