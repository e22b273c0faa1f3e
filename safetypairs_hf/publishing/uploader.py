"""Upload the data files of a release ahead of its commit, in a separate thread, while later files are written.

Files are sent in batches of limited size: all at once would hold gigabytes in memory, and one at a time would wait for
each answer.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from safetypairs_hf.core.file_digests import file_sha256
from safetypairs_hf.dataset.manifest import FileHash

BATCH_BYTES = 128 * 2**20
_LAST = None  # marks the end of the queue


class Ready(NamedTuple):
    """A complete file: its local path, and its hash."""

    path: Path
    hash: FileHash


class Uploader:
    """Send files below `root` as they are completed. `send` is called with batches of them, by name in the repo."""

    def __init__(self, root: Path, send: Callable[[Mapping[str, Ready]], None]) -> None:
        self._root, self._send = root, send
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._hashes: dict[str, FileHash] = {}
        self._error: Exception | None = None
        self._stopped = False
        # A daemon thread, so that an interrupted program ends without waiting for an upload.
        self._thread = threading.Thread(target=self._work, name="uploader", daemon=True)
        self._thread.start()

    def add(self, name: str) -> None:
        """Send a file. Raises the error of an earlier one if its upload failed."""
        if self._error:
            raise self._error
        self._queue.put(name)

    def finish(self) -> dict[str, FileHash]:
        """Wait until all files are sent, and return the hash of each by name. Raises the error of a failed upload."""
        self._queue.put(_LAST)
        self._thread.join()
        if self._error:
            raise self._error
        return self._hashes

    def stop(self) -> None:
        """Send no more files, and wait briefly for the batch in progress, whose files are about to be deleted."""
        self._stopped = True
        self._queue.put(_LAST)
        self._thread.join(timeout=5)

    def _work(self) -> None:
        try:
            for batch in self._batches():
                self._send(batch)
        except Exception as error:  # raised again in the thread that adds files
            self._error = error

    def _batches(self) -> Iterator[dict[str, Ready]]:
        batch: dict[str, Ready] = {}
        while (name := self._queue.get()) is not _LAST and not self._stopped:
            batch[name] = self._ready(name)
            if sum(ready.hash.size for ready in batch.values()) >= BATCH_BYTES:
                yield batch
                batch = {}
        if batch and not self._stopped:
            yield batch

    def _ready(self, name: str) -> Ready:
        path = self._root / name
        self._hashes[name] = FileHash(file_sha256(path), path.stat().st_size)
        return Ready(path, self._hashes[name])


@contextlib.contextmanager
def uploading(root: Path, send: Callable[[Mapping[str, Ready]], None]) -> Iterator[Uploader]:
    """Yield an uploader that stops when the block ends, also after an error."""
    uploader = Uploader(root, send)
    try:
        yield uploader
    finally:
        uploader.stop()
