"""Compute the SHA-256 of files, and remember it by each file's size and times, so that a file is read only once."""

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
_REPORTED_AFTER = 5.0  # seconds of reading, after which the user is told what took so long
# A file that changed less than this before it was read could change again and keep the same times.
_SETTLED_AFTER = 0.1  # seconds


def digests(files: Mapping[str, Path], place: str) -> dict[str, str]:
    """Return the SHA-256 of files. A file that has not changed since an earlier call is not read again.

    Args:
        files: The files by name.
        place: The folder, or the version of a repo, that they belong to. Digests are remembered separately for each
            place.

    Returns:
        The hex SHA-256 of each file, by name.

    Raises:
        OSError: A file cannot be read.
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
    _report(time.perf_counter() - start, sum(states[name][0] for name in left), place)
    keep = [name for name in left if now - states[name][2] / 1e9 > _SETTLED_AFTER]
    remembered.remember(_KIND, place, {name: [states[name], found[name]] for name in keep})
    return found


def keep_digests(files: Mapping[str, Path], place: str, known: Mapping[str, str]) -> None:
    """Remember known digests of files that were linked, so that they are not read again."""
    remembered.remember(_KIND, place, {name: [state(path), known[name]] for name, path in files.items()})


def state(path: Path) -> list[int]:
    """Return the size, the times of change and the inode of a file: they change when its content does."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file, which is read in pieces. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _report(seconds: float, size: int, place: str) -> None:
    if seconds > _REPORTED_AFTER:
        logger.warning(
            "%s: %.2f GB were checked in %.0f s; later loads need not do it again", place, size / 1e9, seconds
        )
