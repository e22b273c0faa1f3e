"""Xet storage: the two binary formats that hf-xet sends, and the assembly of files from them.

A xorb is a sequence of compressed chunks; a shard lists, for each file, the ranges of chunks that make it up. The
formats follow the public specification of the Xet protocol (https://huggingface.co/docs/xet). A hash is written in hex
as four little-endian 64-bit words, which swaps the bytes of each word.
"""

from __future__ import annotations

import json
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.repos import write_json

ROW = 48  # bytes of a shard's header, file header, entry and bookend
WITH_VERIFICATION = 1 << 31
WITH_METADATA = 1 << 30
END = b"\xff" * 32
FOOTER = b"XETBLOB"  # where a xorb's optional footer starts


class Term(NamedTuple):
    """Chunks `start` to `end` (exclusive) of a xorb, `size` bytes when unpacked."""

    xorb: str
    size: int
    start: int
    end: int


class XetFile(NamedTuple):
    """A file: its Xet hash, its sha256, and the terms that make it up, in order."""

    hash: str
    sha256: str
    terms: list[Term]


class Chunk(NamedTuple):
    """A chunk of a xorb: a header at `offset`, then `packed` bytes of data, which unpack to `size` bytes."""

    offset: int
    packed: int
    size: int
    scheme: int


def hash_text(raw: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def checked_hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Refusal(400, f"Invalid hash {text!r}")
    return text


def parse_shard(data: bytes) -> list[XetFile]:
    """Return the files that an uploaded shard declares. Raises Refusal (400) for a malformed shard."""
    try:
        return list(_shard_files(data))
    except (struct.error, IndexError):
        raise Refusal(400, "The shard is cut short") from None


def _shard_files(data: bytes) -> Iterator[XetFile]:
    at = ROW
    while (raw := data[at : at + 32]) != END:
        flags, count = struct.unpack_from("<II", data, at + 32)
        at += ROW
        terms = []
        for _ in range(count):
            _, size, start, end = struct.unpack_from("<4I", data, at + 32)
            terms.append(Term(hash_text(data[at : at + 32]), size, start, end))
            at += ROW
        at += ROW * count if flags & WITH_VERIFICATION else 0
        if not flags & WITH_METADATA:
            raise Refusal(400, "The shard gives no sha256 for a file")
        yield XetFile(hash_text(raw), hash_text(data[at : at + 32]), terms)
        at += ROW


def chunks_of(xorb: bytes) -> list[Chunk]:
    """Return the chunks of a xorb, from their 8-byte headers. Raises Refusal (400) for a malformed xorb."""
    found, at = [], 0
    while at < len(xorb) and not xorb.startswith(FOOTER, at):
        if at + 8 > len(xorb) or xorb[at] != 0:
            raise Refusal(400, "The xorb has a broken chunk header")
        packed = int.from_bytes(xorb[at + 1 : at + 4], "little")
        chunk = Chunk(at, packed, int.from_bytes(xorb[at + 5 : at + 8], "little"), xorb[at + 4])
        if at + 8 + packed > len(xorb):
            raise Refusal(400, "The xorb is cut short")
        found.append(chunk)
        at += 8 + packed
    return found


def unpack(xorb: bytes, chunk: Chunk) -> bytes:
    """Return the content of a chunk. Schemes: 0 plain, 1 LZ4 frame, 2 LZ4 frame of bytes grouped by position mod 4."""
    import pyarrow as pa

    data = xorb[chunk.offset + 8 : chunk.offset + 8 + chunk.packed]
    if chunk.scheme == 0:
        return data
    if chunk.scheme not in (1, 2):
        raise Refusal(400, f"The xorb uses compression {chunk.scheme}, which this hub does not know")
    try:
        plain: bytes = pa.decompress(data, decompressed_size=chunk.size, codec="lz4", asbytes=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise Refusal(400, f"The xorb has a chunk that does not unpack: {error}") from None
    return plain if chunk.scheme == 1 else _ungroup(plain)


def _ungroup(grouped: bytes) -> bytes:
    plain, at = bytearray(len(grouped)), 0
    for lane in range(4):
        size = len(range(lane, len(grouped), 4))
        plain[lane::4] = grouped[at : at + size]
        at += size
    return bytes(plain)


class Xorbs:
    """The xorbs of a hub, by hash. They belong to no repo: a file may use chunks that came with another repo's file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, xorb: str) -> Path:
        return self.folder / checked_hash(xorb)[:2] / xorb

    def read(self, xorb: str) -> bytes:
        try:
            return self.path(xorb).read_bytes()
        except FileNotFoundError:
            raise Refusal(400, f"Xorb {xorb} was never uploaded here; remove the xet folder in HF_HOME") from None

    def add(self, xorb: str, data: bytes, scratch: Path) -> bool:
        """Store a xorb, and return whether it was new. Raises Refusal (400) for a malformed xorb.

        Its hash is not checked here: every file that is assembled from it is checked by its sha256.
        """
        target = self.path(xorb)
        if target.exists():
            return False
        chunks_of(data)
        with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
            file.write(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(file.name).replace(target)
        return True

    def content(self, file: XetFile) -> Iterator[bytes]:
        """Yield a file's bytes, one chunk at a time."""
        loaded, data, chunks = "", b"", []
        for term in file.terms:
            if term.xorb != loaded:
                loaded, data = term.xorb, self.read(term.xorb)
                chunks = chunks_of(data)
            for chunk in chunks[term.start : term.end]:
                yield unpack(data, chunk)


class XetFiles:
    """The Xet files of one repo, found by their Xet hash or their sha256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, file: XetFile) -> None:
        write_json(self.folder / f"{checked_hash(file.hash)}.json", file._asdict())
        write_json(self.folder / f"sha256-{file.sha256}.json", file.hash)

    def remove(self, oid: str) -> None:
        """Remove the record of the file with this sha256, if there is one."""
        if file_hash := self.by_sha256(oid):
            (self.folder / f"{checked_hash(file_hash)}.json").unlink(missing_ok=True)
            (self.folder / f"sha256-{oid}.json").unlink(missing_ok=True)

    def by_sha256(self, oid: str) -> str | None:
        found: Any = self._read(f"sha256-{oid}.json")
        return found if isinstance(found, str) else None

    def get(self, file_hash: str) -> XetFile | None:
        found = self._read(f"{checked_hash(file_hash)}.json")
        return XetFile(found["hash"], found["sha256"], [Term(*term) for term in found["terms"]]) if found else None

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
