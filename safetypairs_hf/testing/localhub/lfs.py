"""Large files: the rules for which paths are large, their pointers, and the store by sha256 in each repo's folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from safetypairs_hf.testing.localhub.refusals import Refusal

POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
REGULAR_LIMIT = 10_000_000  # bytes; the Hub stores every larger file as LFS
SUFFIXES = (
    "7z arrow avi avro bin bmp bz2 ckpt flac ftz gif gz h5 jpeg jpg joblib lz4 mds mlmodel model mp3 mp4 msgpack npy "
    "npz onnx ot parquet pb pcm pdf pickle pkl png pt pth rar safetensors sam tar tflite tgz tif tiff ttf wasm wav "
    "webm webp xz zip zst"
)
ATTRIBUTES = "".join(f"*.{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in SUFFIXES.split())
RULE = " filter=lfs diff=lfs merge=lfs -text\n"


class Pointer(NamedTuple):
    """What git stores instead of a large file: the sha256 (64 hex digits) and the size in bytes of its content."""

    oid: str
    size: int

    def encode(self) -> bytes:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n".encode()


def parse_pointer(data: bytes) -> Pointer | None:
    match = POINTER.fullmatch(data) if len(data) < 200 else None
    return Pointer(match[1].decode(), int(match[2])) if match else None


def checked_oid(oid: object) -> str:
    if not isinstance(oid, str) or not re.fullmatch(r"[0-9a-f]{64}", oid):
        raise Refusal(400, f"Invalid object id {oid!r}: expected a sha256 in 64 hex digits")
    return oid


Rules = list[tuple[str, bool]]  # a pattern of .gitattributes, and whether the files it matches are large


def parse_attributes(attributes: bytes) -> Rules:
    """Return the lines of a .gitattributes file that set or unset a filter, in order."""
    rules = []
    for line in attributes.decode("utf-8", "replace").splitlines():
        pattern, *words = line.split() or [""]
        if any("filter" in word for word in words):
            rules.append((pattern.replace("[[:space:]]", " "), "filter=lfs" in words))
    return rules


def is_large(path: str, rules: Rules) -> bool:
    """Return whether a path is large. As in git, the last match decides; patterns without a slash match file names."""
    name = PurePosixPath(path).name
    for pattern, large in reversed(rules):
        if fnmatchcase(path if "/" in pattern else name, pattern.lstrip("/")):
            return large
    return False


def upload_mode(path: str, size: int, sample: bytes, rules: Rules) -> str:
    """Return "lfs" for a file that is large by `rules`, above 10 MB, or not UTF-8 text at its start; else "regular"."""
    if size > REGULAR_LIMIT or is_large(path, rules) or b"\0" in sample:
        return "lfs"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":  # the sample may end inside a character
            return "lfs"
    return "regular"


class LargeFiles:
    """The large files of one repo by sha256. A file appears by a rename when it is complete and checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, oid: str) -> Path:
        return self.folder / checked_oid(oid)[:2] / oid

    def size(self, oid: str) -> int | None:
        try:
            return self.path(oid).stat().st_size
        except FileNotFoundError:
            return None

    @contextmanager
    def intake(self, oid: str, scratch: Path) -> Iterator[Callable[[bytes], None]]:
        """Yield a function that takes the content in pieces. The file is stored at the end of the block.

        Raises Refusal (400) and keeps nothing if the sha256 of the content is not `oid`.
        """
        target = self.path(oid)
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
            draft = Path(file.name)

            def take(piece: bytes) -> None:
                digest.update(piece)
                file.write(piece)

            try:
                yield take
                file.flush()
                if digest.hexdigest() != oid:
                    raise Refusal(400, f"The content has sha256 {digest.hexdigest()}, not {oid}; send it again")
                target.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)

    def link(self, other: LargeFiles, oid: str) -> None:
        """Take a file from another repo by a hard link, so that both share its bytes on disk."""
        target = self.path(oid)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(other.path(oid), target)
