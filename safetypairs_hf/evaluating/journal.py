"""The journal of an unfinished work unit: each answer is written to disk at once, as a line of JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.records import CountedVerdict, Verdict, tokens_of
from safetypairs_hf.evaluating.data import Image


class Journal:
    """A file that lines are appended to. It stays readable after any kill: an incomplete line is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def read(self) -> dict[Image, Verdict]:
        """Return its answers by image; {} without a file. Of two answers to one question, the later one counts."""
        if not self.path.exists():
            return {}
        lines = self.path.read_bytes().split(b"\n")
        return dict(found for line in lines if (found := _read(line)) is not None)

    def add(self, image: Image, verdict: Verdict) -> None:
        """Append an answer, which is then saved.

        Raises:
            RunError: The file cannot be written.
        """
        try:
            if self._file is None:
                self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
                self._write(_end_of_line(self._file))
            self._write(_line(image, verdict))
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror or error}; earlier answers are kept") from error

    def replace(self, answers: Mapping[Image, Verdict]) -> None:
        """Replace the content of the file by these answers, with a temporary name and a rename."""
        self.close()
        temporary = self.path.with_name(f"{self.path.name}.tmp-{os.getpid()}")
        temporary.write_bytes(b"".join(_line(*answer) for answer in answers.items()))
        temporary.replace(self.path)

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        while data:
            data = data[os.write(self._file, data) :]


def _line(image: Image, verdict: Verdict) -> bytes:
    score = None if verdict.p_unsafe is None else float(verdict.p_unsafe)
    counts = tokens_of(verdict)
    return f"{json.dumps([*image, score, verdict.note, verdict.raw, *(counts if any(counts) else ())])}\n".encode()


def _read(line: bytes) -> tuple[Image, Verdict] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # incomplete or empty: the beginning of a list is not JSON
        return None
    match found:
        case [str(sha256), str(category), (float() | int() | None) as score, str(note), str(raw)]:
            counts = (0, 0)
        case [
            str(sha256),
            str(category),
            (float() | int() | None) as score,
            str(note),
            str(raw),
            int(read),
            int(wrote),
        ]:
            counts = (read, wrote)
        case _:
            return None
    verdict = Verdict(None if score is None else float(score), note, raw)
    return Image(sha256, category), CountedVerdict.of(verdict, *counts)


def _end_of_line(file: int) -> bytes:
    """Return what to write to end the last line, which a kill may have cut short, before the next one."""
    size = os.fstat(file).st_size
    return b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
