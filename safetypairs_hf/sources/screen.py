"""What may not become a source: images on a hash list, taken down, or published already."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import pdq, perceptual_hash, sha256
from safetypairs_hf.core.records import Picture, Pixels, Reject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safetypairs_hf.dataset.manifest import Manifest

_LINE = re.compile(r"(?:(pdq|sha256):)?([0-9a-fA-F]{64})\s*(?:,\s*(.*))?")


class HashList(Protocol):
    """A list of images that may not be used, by hash. Others plug in: a service, a database."""

    def holds(self, phash: bytes, sha256: str) -> str | None:
        """Why the image is on the list, "" where no reason is kept; None where it is not on it.

        `phash` is the PDQ hash, 32 bytes; it is asked for each way to turn and mirror the image. `sha256` is the hex
        SHA-256 of the file as it came.
        """
        ...

    def fingerprint(self) -> str:
        """A hash of what the list holds, so that a run is not gone on with under another one; "" where not known."""
        ...


@dataclass(frozen=True)
class HashFile:
    """A text file of hashes, one a line: 64 hex digits of a PDQ hash, or `sha256:` and those of a file; then `,reason`.

    `#` begins a comment. An image within `bits` of 256 of a PDQ hash is on the list. Raises RecipeError for a file that
    cannot be read, and for a line that is no hash: a list that is read in part protects nobody.
    """

    path: str
    bits: int = 31

    def holds(self, phash: bytes, sha256: str) -> str | None:
        words, reasons, files = self._read
        if sha256 in files:
            return files[sha256]
        near = np.flatnonzero(_distances(words, phash) <= self.bits)
        return reasons[int(near[0])] if near.size else None

    def fingerprint(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    @cached_property
    def _data(self) -> bytes:
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise RecipeError(f"the hash list {self.path!r} can't be read: {error.strerror}") from None

    @cached_property
    def _read(self) -> tuple[NDArray[np.uint64], list[str], dict[str, str]]:
        """PDQ hashes as rows of four words, the reason of each; and file hashes with theirs."""
        hashes, reasons, files = [], [], {}
        for number, line in enumerate(self._data.decode("utf-8", "replace").splitlines(), 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            found = _LINE.fullmatch(text)
            if not found:
                raise RecipeError(
                    f"{self.path}, line {number}: {text[:40]!r} is no hash; expected 64 hex digits of a PDQ hash (or "
                    "sha256: and those of a file), then perhaps a comma and the reason"
                )
            kind, value, reason = found[1], found[2].lower(), found[3] or ""
            if kind == "sha256":
                files[value] = reason
            else:
                hashes.append(bytes.fromhex(value))
                reasons.append(reason)
        return _words(hashes), reasons, files


@dataclass(frozen=True)
class Screen:
    """Refuses images, by hash. What it refuses is counted with its reason; the image itself is not kept in the run.

    Images of minors in any unsafe category are refused by such lists: give those that your organisation has access to.
    Nothing in this package can tell such an image by itself, and no list is complete.

    Args:
        against: a published dataset (`org/name` on the Hub, or a folder such as `./safetypairs`). What it holds is not
            used again; nor what it has taken down, turned or mirrored either. Its version goes into the run: once it
            has moved on, a run that was begun against it does not go on.
        hash_lists: paths of files (see `HashFile`), or objects that are a `HashList`.
        near_duplicate_bits: the PDQ distance, of 256, up to which an image is the same.
    """

    against: str | None = None
    hash_lists: tuple[str | HashList, ...] = ()
    near_duplicate_bits: int = 31

    def __getstate__(self) -> dict[str, Any]:
        # A worker that gets a copy must see the same lists and the same version, however long it takes to start.
        _ = self._lists, self._published
        return self.__dict__

    def reject(self, picture: Picture, file_sha256: str) -> Reject | None:
        """Why this image may not be used; None where it may. `file_sha256` is of the file as it came."""
        if self._lists and (reason := self._listed(picture, file_sha256)) is not None:
            return Reject("source", "on_hash_list", reason)
        return self._published.reject(picture) if self._published else None

    def fingerprint(self) -> str:
        """What the lists hold, and which version stands at `against`; "" where there is neither."""
        lists = "".join(f"{each.fingerprint()}\n" for each in self._lists)
        version = self._published.version if self._published else ""
        return hashlib.sha256(f"{lists}{version}".encode()).hexdigest() if lists or version else ""

    @cached_property
    def _lists(self) -> tuple[HashList, ...]:
        lists = (
            HashFile(each, self.near_duplicate_bits) if isinstance(each, str) else each for each in self.hash_lists
        )
        found = tuple(lists)
        for each in found:
            each.holds(bytes(32), "")  # a list that cannot be read ends the build before it begins
        return found

    @cached_property
    def _published(self) -> _Published | None:
        if self.against is None:
            return None
        from safetypairs_hf.core.target_name import parse_place
        from safetypairs_hf.dataset import manifest
        from safetypairs_hf.dataset.store.open_store import store_of

        name = parse_place(self.against)
        edition = None if name.is_folder and not name.path.is_dir() else store_of(name).newest()
        held = manifest.load(edition.fetch(manifest.NAME).read_bytes()) if edition else None
        if held is None:
            raise RecipeError(f"against is {self.against!r}, where nothing is published yet; name another, or none")
        return _Published(held, self.near_duplicate_bits)

    def _listed(self, picture: Picture, file_sha256: str) -> str | None:
        for pixels in _ways(picture.pixels):
            phash = pdq(pixels)
            for each in self._lists:
                if (reason := each.holds(phash, file_sha256)) is not None:
                    return reason
        return None


class _Published:
    """The images of a published version, and those that were taken down."""

    def __init__(self, held: Manifest, bits: int) -> None:
        from safetypairs_hf.dataset.takedowns import TakenDown

        self.version = str(held.version)
        self._bits = bits
        self._taken_down = TakenDown(held.takedowns, bits) if held.takedowns else None
        self._pairs = [entry.pair_id for entry in held.entries]
        self._files = {file for entry in held.entries for file in (entry.unsafe_sha256, entry.safe_sha256)}
        self._words = _words([each for entry in held.entries for each in (entry.unsafe_phash, entry.safe_phash)])

    def reject(self, picture: Picture) -> Reject | None:
        file, phash = sha256(picture.data), perceptual_hash(picture)
        gone = self._taken_down
        if gone and any(gone.holds_image(file, pdq(pixels)) for pixels in _ways(picture.pixels)):
            return Reject("source", "taken_down", "it, or an image very like it, was taken down")
        near = np.flatnonzero(_distances(self._words, phash) <= self._bits)
        if near.size:
            return Reject("source", "published", f"very like a member of pair {self._pairs[int(near[0]) // 2]}")
        return Reject("source", "published", "the same file is published") if file in self._files else None


def _ways(pixels: Pixels) -> Iterator[Pixels]:
    """An image as it is, then each other way to turn and mirror it.

    PDQ's own hashes of these are not used: at 512 x 512 they are up to 50 bits off those of the turned image.
    """
    for across in (pixels, pixels.transpose(1, 0, 2)):
        for upright in (across, across[::-1]):
            yield upright
            yield upright[:, ::-1]


def _words(hashes: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 4)


def _distances(words: NDArray[np.uint64], phash: bytes) -> NDArray[np.uint64]:
    return np.asarray(np.bitwise_count(words ^ np.frombuffer(phash, np.uint64)).sum(axis=1), np.uint64)
