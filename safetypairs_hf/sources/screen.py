"""Refuse images that are on a hash list, were taken down, or are published already."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from safetypairs_hf.core.errors import HubUnavailable, RecipeError, printable
from safetypairs_hf.core.file_names import find_seen
from safetypairs_hf.core.foreign_text import lines, read_bytes, reading
from safetypairs_hf.core.near_duplicates import NEAR_BITS, NearIndex
from safetypairs_hf.core.pictures import pdq, perceptual_hash, sha256, ways
from safetypairs_hf.core.records import Picture, Reject

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition

_COLUMNS = ("pair_id", "unsafe_sha256", "safe_sha256", "unsafe_phash", "safe_phash")
_LINE = re.compile(r"(?:(pdq|sha256):)?([0-9a-fA-F]{64})\s*(?:,\s*(.*))?")


class HashList(Protocol):
    """A list of images that must not be used, by hash. Implement it to ask a service or a database."""

    def holds(self, phash: bytes, sha256: str) -> str | None:
        """Look up an image.

        Args:
            phash: Its PDQ hash, 32 bytes. The build asks once for each rotation and reflection of the image.
            sha256: The SHA-256 (hex) of its original file.

        Returns:
            Why the image is on the list, or "" if the list keeps no reason; None if the image is not on it.
        """
        ...

    def fingerprint(self) -> str:
        """Return a hash of the list's content, which a resumed run compares; "" if the content is not known."""
        ...


@dataclass(frozen=True)
class HashFile:
    """A hash list in a text file, one hash per line.

    A line has 64 hex digits of a PDQ hash, or `sha256:` and the 64 hex digits of a file's SHA-256; then optionally a
    comma and the reason. `#` begins a comment. `holds` and `fingerprint` raise RecipeError if the file cannot be read.
    `holds` also raises it if a line is not a hash, because a list that is read in part protects nobody.

    Args:
        path: The file.
        bits: The PDQ distance, in bits of 256, up to which an image counts as listed.
    """

    path: str
    bits: int = NEAR_BITS

    def holds(self, phash: bytes, sha256: str) -> str | None:
        index, reasons, files = self._read
        if sha256 in files:
            return files[sha256]
        near = index.near(phash)
        return reasons[near[0]] if near else None

    def fingerprint(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    @cached_property
    def _data(self) -> bytes:
        with reading(f"the hash list {self.path!r}", "give a text file with a hash a line", RecipeError):
            return read_bytes(find_seen(Path(self.path)))

    @cached_property
    def _read(self) -> tuple[NearIndex, list[str], dict[str, str]]:
        """The index of the PDQ hashes, the reason of each, and the reasons by the SHA-256 of a file."""
        hashes, reasons, files = [], [], {}
        for number, line in lines(self._data.decode("utf-8-sig", "replace")):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            found = _LINE.fullmatch(text)
            if not found:
                raise RecipeError(
                    f"{self.path}, line {number}: {printable(text[:40])!r} is no hash; expected 64 hex digits of a PDQ "
                    "hash (or sha256: and those of a file), then perhaps a comma and the reason"
                )
            kind, value, reason = found[1], found[2].lower(), found[3] or ""
            if kind == "sha256":
                files[value] = reason
            else:
                hashes.append(bytes.fromhex(value))
                reasons.append(reason)
        index = NearIndex(self.bits)
        index.extend(hashes)
        return index, reasons, files


@dataclass(frozen=True)
class Screen:
    """Refuses images by hash. A run counts each refused image with its reason, and does not store the image.

    To refuse images of minors in unsafe categories, give the hash lists that your organisation has access to. Nothing
    in this package can recognise such an image by itself, and no list is complete.

    Args:
        against: A published dataset (`org/name` on the Hub, or a folder such as `./my-pairs`). Its images are not used
            again. Images that were taken down from it are not used either, even if they are rotated or mirrored. The
            run records the dataset's version, and cannot be resumed after the dataset has a new one.
        hash_lists: Paths of files (see `HashFile`), or objects that are a `HashList`.
        near_duplicate_bits: The PDQ distance, in bits of 256, up to which two images count as the same.
    """

    against: str | None = None
    hash_lists: tuple[str | HashList, ...] = ()
    near_duplicate_bits: int = NEAR_BITS

    def __getstate__(self) -> dict[str, Any]:
        # A worker's copy must have the same lists and the same version, no matter when the worker starts.
        _ = self._lists, self._published
        return self.__dict__

    def reject(self, picture: Picture, file_sha256: str) -> Reject | None:
        """Return why an image must not be used, or None if it may be.

        Args:
            picture: The image.
            file_sha256: The SHA-256 (hex) of its original file.
        """
        if self._lists and (reason := self._listed(picture, file_sha256)) is not None:
            return Reject("source", "on_hash_list", reason)
        return self._published.reject(picture) if self._published else None

    def fingerprint(self) -> str:
        """Return a hash of the lists and of the version of `against`; "" if neither is set."""
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
            each.holds(bytes(32), "")  # an unreadable list raises here, before the build begins
        return found

    @cached_property
    def _published(self) -> _Published | None:
        if self.against is None:
            return None
        edition = _newest(self.against)
        if edition is None:
            raise RecipeError(f"against is {self.against!r}, where nothing is published yet; name another, or none")
        return _Published(edition, self.near_duplicate_bits)

    def _listed(self, picture: Picture, file_sha256: str) -> str | None:
        for pixels in ways(picture.pixels):
            phash = pdq(pixels)
            for each in self._lists:
                if (reason := each.holds(phash, file_sha256)) is not None:
                    return reason
        return None


class _Published:
    """The images of a published version, and those that were taken down."""

    def __init__(self, edition: Edition, bits: int) -> None:
        from safetypairs_hf.dataset.takedowns import identity_of

        self.version = str(edition.version)
        gone = [identity_of(takedown) for takedown in edition.head["takedowns"]]
        self._gone, self._gone_files = NearIndex(bits), {file for each in gone for file in each[1:3]}
        self._gone.extend(phash for each in gone for phash in (each.unsafe_phash, each.safe_phash))
        pair_ids, *columns = (edition.table[name].to_pylist() for name in _COLUMNS)
        self._pairs: list[str] = pair_ids
        self._files: set[str] = {*columns[0], *columns[1]}
        self._index = NearIndex(bits)  # number 2 * i and 2 * i + 1 are the members of pair i
        self._index.extend(phash for both in zip(*columns[2:], strict=True) for phash in both)

    def reject(self, picture: Picture) -> Reject | None:
        file, phash = sha256(picture.data), perceptual_hash(picture)
        if file in self._gone_files or (len(self._gone) and any(map(self._gone.near, map(pdq, ways(picture.pixels))))):
            return Reject("source", "taken_down", "it, or an image very like it, was taken down")
        if near := self._index.near(phash):
            return Reject("source", "published", f"very like a member of pair {self._pairs[near[0] // 2]}")
        return Reject("source", "published", "the same file is published") if file in self._files else None


def _newest(target: str) -> Edition | None:
    """Return the newest version of a published dataset; None if nothing is published there yet."""
    from safetypairs_hf.core.hub import is_missing
    from safetypairs_hf.core.target_name import parse_place
    from safetypairs_hf.dataset.store.open_store import store_of

    name = parse_place(target)
    if name.is_folder and not name.path.is_dir():
        return None
    try:
        return store_of(name).newest()
    except HubUnavailable as error:
        if is_missing(error):
            return None
        raise
