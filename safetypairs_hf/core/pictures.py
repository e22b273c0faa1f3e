"""Encode, hash and compare images. All published images are encoded here, so that no file reveals an edit."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Box, Picture

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Pixels

# The encoders of PNG files by name, each with the package whose version changes its bytes. Pillow compresses drawings
# best. OpenCV writes photographs in a third of the time and at about the same size, because after the Paeth filter it
# only looks for runs of equal bytes. It is not an install requirement, because the package is large.
PILLOW: Final = "pillow"
OPENCV: Final = "opencv"
ENCODERS: Final = {PILLOW: "pillow", OPENCV: "opencv-python-headless"}

# Level 4 is within 3% of the size of zlib's default 6 on our scenes and takes about half its time.
PNG_LEVEL = 4


def encode(pixels: Pixels, encoder: str = PILLOW) -> Picture:
    """Encode pixels as a PNG without metadata; equal pixels give equal bytes.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        encoder: A name of ENCODERS. Both members of a pair must use the same one.

    Returns:
        The encoded picture.

    Raises:
        RecipeError: There is no such encoder, or its package is not installed.
    """
    check_encoder(encoder)
    picture = Picture(_by_opencv(pixels) if encoder == OPENCV else _by_pillow(pixels))
    picture.pixels = pixels
    return picture


def check_encoder(encoder: str) -> None:
    """Raise RecipeError if there is no encoder of this name."""
    if encoder not in ENCODERS:
        raise RecipeError(f"no encoder {encoder!r}; expected one of: {', '.join(ENCODERS)}")


def _by_pillow(pixels: Pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def _by_opencv(pixels: Pixels) -> bytes:
    try:
        import cv2
    except ImportError as error:
        raise RecipeError(
            f"the encoder {OPENCV!r} needs OpenCV, which is not installed; pip install {ENCODERS[OPENCV]}, or set "
            f"encoder={PILLOW}"
        ) from error
    import numpy as np

    how = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH)
    _, file = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]), how)  # OpenCV expects BGR
    data: bytes = file.tobytes()
    return data


def size_of(picture: Picture) -> tuple[int, int]:
    """Return the (width, height) of an image without decoding it."""
    if "pixels" in vars(picture):
        return picture.pixels.shape[1], picture.pixels.shape[0]
    from PIL import Image

    with Image.open(io.BytesIO(picture.data)) as head:
        return head.size


def downscaled(picture: Picture, max_side: int) -> Picture:
    """Return an image whose longer side is at most `max_side` pixels.

    An image that is small enough is returned unchanged; so is every image if `max_side` is 0, and a file that cannot be
    decoded, because the receiver reports it.
    """
    if not max_side:
        return picture
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture.data)) as head:
            if max(head.size) <= max_side:
                return picture
        image = Image.fromarray(picture.pixels)
    except Exception:  # a decoder may raise anything on a damaged file
        return picture
    size = downscaled_size(*image.size, max_side)
    return encode(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))


def downscaled_size(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Return the (width, height) that `downscaled` gives an image of this size."""
    if not max_side or max(width, height) <= max_side:
        return width, height
    share = max_side / max(width, height)
    return max(round(width * share), 1), max(round(height * share), 1)


def media_type(data: bytes) -> str:
    """Return the media type of an encoded JPEG, WebP or PNG by its first bytes; "image/png" for anything else."""
    kind = "jpeg" if data[:2] == b"\xff\xd8" else "webp" if data[8:12] == b"WEBP" else "png"
    return f"image/{kind}"


def data_uri(data: bytes) -> str:
    """Return an encoded JPEG, WebP or PNG as a data URI, with its bytes unchanged."""
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"


def sha256(data: bytes) -> str:
    """Return the hex SHA-256 of an encoded file."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(picture: Picture) -> bytes:
    """Return the PDQ hash of an image, 32 bytes. Images within 31 of 256 bits are near-duplicates (Meta, 2019)."""
    return pdq(picture.pixels)


def pdq(pixels: Pixels) -> bytes:
    """Return the `perceptual_hash` of (height, width, 3) uint8 RGB pixels."""
    import numpy as np
    import pdqhash

    bits, _quality = pdqhash.compute(np.ascontiguousarray(pixels))
    return np.packbits(bits.astype(np.uint8)).tobytes()


def ways(pixels: Pixels) -> Iterator[Pixels]:
    """Yield the eight rotations and reflections of (height, width, 3) pixels, the unchanged pixels first.

    PDQ can compute the hashes of all eight itself, but at 512 x 512 pixels they differ by up to 50 bits from the hashes
    of the transformed images.
    """
    for across in (pixels, pixels.transpose(1, 0, 2)):
        for upright in (across, across[::-1]):
            yield upright
            yield upright[:, ::-1]


def encoding(data: bytes) -> str:
    """Describe how an image is encoded. The two members of a pair must agree in it, so that no file reveals its label.

    Returns:
        The container, the mode, the kinds of metadata and, for a JPEG, a hash of its quantisation tables.

    Raises:
        OSError: Pillow cannot identify the bytes as an image.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        tables = getattr(image, "quantization", None)
        quantised = f", quantisation {sha256(repr(tables).encode())[:8]}" if tables else ""
        kept = f", {', '.join(sorted(map(str, image.info)))}" if image.info else ""
        return f"{image.format} {image.mode}{quantised}{kept}"


def changed_box(before: Pixels, after: Pixels) -> tuple[Box | None, float]:
    """Return the smallest box around the pixels that differ (None if none do), and their share of all pixels."""
    import numpy as np

    differs = before != after
    height, width, _ = differs.shape
    rows = np.flatnonzero(differs.reshape(height, -1).any(axis=1))
    if rows.size == 0:
        return None, 0.0
    differs = differs[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(differs.any(axis=0).any(axis=1))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    inside = differs[:, box.x0 : box.x1]
    pixels = int(np.count_nonzero(inside[..., 0] | inside[..., 1] | inside[..., 2]))
    return box, pixels / (height * width)
