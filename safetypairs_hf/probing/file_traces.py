"""Measure traces of the encoder in a published image file, without its pixels.

For a PNG: chunks, the header of its zlib stream, the filters of its rows, and its size relative to a reference
compression of the same filtered rows, which cancels the content. For a JPEG: tables and segments. For a WebP: its
chunks. For any file: its size.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PNG = b"\x89PNG\r\n\x1a\n"
_SAMPLE = 1 << 18  # bytes of filtered rows that the reference compresses: enough to identify the encoder
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # channels of a PNG by its colour type

NAMES = (
    "size",
    "bytes a pixel",
    "container",
    "chunks",
    "data chunks",
    "size of the first data chunk",
    "size of the last data chunk",
    "bytes of other chunks",
    "stream header",
    "filter 0",
    "filter 1",
    "filter 2",
    "filter 3",
    "filter 4",
    "first block",
    "size over the reference",
    "bits and colour type",
    "tables",
    "sampling",
)


def file_traces(data: bytes, pixels: int) -> NDArray[np.float64]:
    """Measure the traces that `NAMES` lists.

    Args:
        data: An encoded image.
        pixels: Its number of pixels.

    Returns:
        (19,) numbers; 0 if a trace does not apply to the container.
    """
    import numpy as np

    found: dict[str, float] = {"size": len(data), "bytes a pixel": len(data) / pixels}
    if data.startswith(_PNG):
        found |= {"container": 1, **_png(data)}
    elif data.startswith(b"\xff\xd8"):
        found |= {"container": 2, **_jpeg(data)}
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        found |= {"container": 3, **_webp(data)}
    return np.array([found.get(name, 0.0) for name in NAMES])


def _png(data: bytes) -> dict[str, float]:
    chunks = list(_chunks(data, len(_PNG), ">I4s", 4))
    if not chunks or len(chunks[0][1]) < 13:
        return {}
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1][:13])
    parts = [part for name, part in chunks if name == b"IDAT"]
    stream = b"".join(parts)
    found: dict[str, float] = {
        "chunks": len(chunks),
        "data chunks": len(parts),
        "size of the first data chunk": len(parts[0]) if parts else 0,
        "size of the last data chunk": len(parts[-1]) if parts else 0,
        "bytes of other chunks": sum(len(part) for name, part in chunks if name not in (b"IHDR", b"IDAT", b"IEND")),
        "bits and colour type": 64 * interlaced + 8 * colour + bits,
    }
    if len(stream) > 2:
        found |= {"stream header": int.from_bytes(stream[:2], "big"), "first block": stream[2] & 7}
    stride = 1 + (width * bits * _CHANNELS.get(colour, 1) + 7) // 8
    return found | (_rows(stream, stride, height) if not interlaced else {})


def _rows(stream: bytes, stride: int, height: int) -> dict[str, float]:
    """Return the filters of the rows, and how well the stream is compressed."""
    most = max(1, _SAMPLE // stride) * stride
    unpacking = zlib.decompressobj()
    try:
        rows = unpacking.decompress(stream, min(most, stride * height))
    except zlib.error:
        return {}
    if not rows:
        return {}
    filters = rows[::stride]
    found = {f"filter {kind}": filters.count(kind) / len(filters) for kind in range(5)}
    used = len(stream) - len(unpacking.unconsumed_tail)
    return {**found, "size over the reference": used / len(zlib.compress(rows, 1))}


def _jpeg(data: bytes) -> dict[str, float]:
    found: dict[str, float] = {"chunks": 0, "bytes of other chunks": 0, "tables": 0}
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        part = data[at + 4 : at + 2 + size]
        found["chunks"] += 1
        if marker == 0xDB:
            found["tables"] += sum(part)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(part) >= 8:
            found |= {"bits and colour type": marker, "sampling": part[7]}
        elif marker >= 0xE0:
            found["bytes of other chunks"] += len(part)
        elif marker == 0xDA:  # entropy-coded data follows
            break
        at += 2 + size
    return found


def _webp(data: bytes) -> dict[str, float]:
    chunks = list(_chunks(data, 12, "<4sI", 0))
    kinds = {b"VP8 ": 1, b"VP8L": 2, b"VP8X": 4}
    return {
        "chunks": len(chunks),
        "bits and colour type": sum({kinds[name] for name, _ in chunks if name in kinds}),
        "bytes of other chunks": sum(len(part) for name, part in chunks if name not in kinds),
    }


def _chunks(data: bytes, at: int, head: str, tail: int) -> Any:
    """Yield (name, content) of each chunk.

    `head` is the packing of its name and size, `tail` the number of bytes after its content.
    """
    while at + 8 <= len(data):
        one, other = struct.unpack_from(head, data, at)
        size, name = (one, other) if isinstance(one, int) else (other, one)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + tail + (size & 1 if not tail else 0)
