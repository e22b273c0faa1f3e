"""Features of images, computed once for a backbone and stored in a folder by the hash of each image."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.records import Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safetypairs_hf.models.image_features import Backbone

_IN_FILE = 256  # images in a file; at most this many are computed again after a kill
_BATCH = 16

# Returns the encoded file of an image.
Read = Callable[[], Picture]


def cache_folder() -> Path:
    """Return the default folder of features, below HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME, "safetypairs-hf", "features")


def cached_features(
    backbone: Backbone,
    images: Mapping[str, Read],
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, NDArray[np.float32]]:
    """Return the features of images, (width,) each, by key. Missing ones are computed and stored in the folder.

    Args:
        backbone: The model that computes them.
        images: Each image by a key that changes with its pixels, such as its SHA-256.
        folder: A folder for the features of any backbones; it is made if it does not exist.
        progress: Called with the number of images that have features, and the number of all images.

    Raises:
        SafetyPairsError: An image cannot be read, the backbone gives no features, or the folder cannot be written.
    """
    place = (
        folder / hashlib.sha256(f"{backbone.model} {backbone.revision} grid {backbone.grid}".encode()).hexdigest()[:16]
    )
    found = dict(_kept(place, images))
    left = [key for key in images if key not in found]
    progress(len(found), len(images))
    try:
        place.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(left), _IN_FILE):
            keys = left[start : start + _IN_FILE]
            made = dict(zip(keys, _made(backbone, keys, images, len(found), progress), strict=True))
            _keep(place, made)
            found |= made
    except OSError as error:
        raise SafetyPairsError(
            f"cannot keep features in {folder}: {error.strerror or error}; name another --cache"
        ) from error
    return found


def _made(
    backbone: Backbone,
    keys: list[str],
    images: Mapping[str, Read],
    before: int,
    progress: Callable[[int, int], None],
) -> Iterator[Any]:
    """Yield features in order. While the model works on a batch, a thread reads and prepares the next one."""

    def prepared(start: int) -> Any:
        batch = keys[start : start + _BATCH]
        try:
            return backbone.prepare([images[key]() for key in batch])
        except SafetyPairsError:
            raise
        except Exception as error:  # a decoder may raise anything
            raise SafetyPairsError(f"an image can't be read: {in_a_line(error)}; see: safetypairs verify") from error

    with ThreadPoolExecutor(1) as pool:
        starts = range(0, len(keys), _BATCH)
        following = pool.submit(prepared, 0)
        for start in starts:
            inputs = following.result()
            if start + _BATCH < len(keys):
                following = pool.submit(prepared, start + _BATCH)
            features = backbone.features(inputs)
            yield from features
            progress(before + min(start + _BATCH, len(keys)), len(images))


def _kept(place: Path, wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    import numpy as np

    for file in sorted(place.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as held:
                yield from (
                    (key, row) for key, row in zip(held["keys"].tolist(), held["rows"], strict=True) if key in wanted
                )
        except Exception:  # a damaged file is written again
            file.unlink(missing_ok=True)


def _keep(place: Path, made: Mapping[str, Any]) -> None:
    import numpy as np

    name = sha256("".join(made).encode())[:16]
    part = place / f".{name}.{os.getpid()}.{threading.get_ident()}"
    with part.open("wb") as file:
        np.savez(file, keys=np.array(list(made)), rows=np.stack(list(made.values())))
    part.replace(place / f"{name}.npz")
