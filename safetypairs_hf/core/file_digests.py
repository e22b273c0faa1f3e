"""The SHA-256 of files, each read once on a machine: later its size and times of change tell that it is the same."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safetypairs_hf.core import remembered

logger = logging.getLogger(__name__)

_KIND = "digests"
_TOLD_AFTER = 5.0  # seconds of reading, after which the user is told what took so long
# A file that changed so shortly before it was read could change again with the same times.
_SETTLED_AFTER = 0.1  # seconds


def digests(files: Mapping[str, Path], place: str) -> dict[str, str]:
    """Hash files, those that have not changed since an earlier call from memory.

    Args:
        files: The files by name.
        place: What they belong to (a folder, a version of a repo); it keeps their memory apart from others'.

    Returns:
        The hex SHA-256 of each, by name.

    Raises:
        OSError: a file does not read.
    """
    known = remembered.recall(_KIND, place)
    states = {name: state(path) for name, path in files.items()}
    found = {name: known[name][1] for name, seen in states.items() if name in known and known[name][0] == seen}
    left = [name for name in files if name not in found]
    if not left:
        return found
    start, now = time.perf_counter(), time.time()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found |= zip(left, pool.map(lambda name: file_sha256(files[name]), left), strict=True)
    _tell(time.perf_counter() - start, sum(states[name][0] for name in left), place)
    keep = [name for name in left if now - states[name][2] / 1e9 > _SETTLED_AFTER]
    remembered.remember(_KIND, place, {name: [states[name], found[name]] for name in keep})
    return found


def keep_digests(files: Mapping[str, Path], place: str, known: Mapping[str, str]) -> None:
    """Remember the digests of files that were linked, not changed, since they were read."""
    remembered.remember(_KIND, place, {name: [state(path), known[name]] for name, path in files.items()})


def state(path: Path) -> list[int]:
    """What changes when a file does, without a byte of it read: size, times of change, inode."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def file_sha256(path: Path) -> str:
    """The hex SHA-256 of a file, read in pieces. Raises OSError where it does not read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell(seconds: float, size: int, place: str) -> None:
    if seconds > _TOLD_AFTER:
        logger.warning(
            "%s: %.2f GB were checked in %.0f s; later loads need not do it again", place, size / 1e9, seconds
        )
