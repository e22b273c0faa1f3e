"""A user's command as a guard: one process for a whole run, with one line of JSON in and one out for each image."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from safetypairs_hf.core.description import file_hash
from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.core.user_function import kind_of
from safetypairs_hf.guards.base import Guard
from safetypairs_hf.guards.verdicts import from_number

_LONGEST: Final = 1 << 20  # bytes of an answer
_KEPT: Final = 1 << 12  # bytes of stderr that are kept
_GRACE: Final = 5.0  # seconds for the program to end by itself


@dataclass(frozen=True)
class OwnCommand(Guard):
    """A program that reads one line of JSON for each image, and writes one line of JSON before it reads the next.

    A line in is {"id": number, "image": base64 of the file, "category": slug}, and a line out {"p_unsafe": number in
    [0, 1], or null to abstain}. "raw" in a line out is kept as the raw answer; "id" is optional and must be that of the
    question. The program is started once, and ends when its input does. It must flush its output (Python does:
    PYTHONUNBUFFERED is set), and log to stderr.

    Its identity has the hash of the program and of each file that is named in the command, but not of other files that
    these read: give a `revision`.

    Args:
        command: The command as typed in a shell, such as "python my_guard.py --fast".
        timeout: Seconds for one answer; the first one includes the start of the program.
        per_image: Start the program again for each image and close its input. Use it for a program that ends after one
            answer, or that answers at the end of its input.
        revision: A name for this version of the program.
        fidelity: How it is asked, for the signature: "common" if it asks a model by the policy text of the data,
            "trained" if by the prompt of the model's training; not stated by default.

    Raises:
        RecipeError: The command names no program, or has an unclosed quotation; or the timeout is not positive.
    """

    command: str
    timeout: float = field(default=600.0, compare=False)
    per_image: bool = field(default=False, compare=False)
    revision: str = "own"
    fidelity: str | None = None
    holds_model: ClassVar[bool] = True
    costly: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            empty = not shlex.split(self.command)
        except ValueError as error:
            raise RecipeError(f"command = {self.command!r}: {error}; write it as in a shell") from error
        if empty:
            raise RecipeError(f"command = {self.command!r}: expected a program, such as 'python my_guard.py'")
        if not self.timeout > 0:
            raise RecipeError(f"timeout = {self.timeout:g}: expected seconds, more than 0")

    @property
    def name(self) -> str:
        return f"command:{shlex.split(self.command)[0].rsplit('/', 1)[-1]}"

    @property
    def content_hashes(self) -> Mapping[str, str]:
        """The hashes of the program and of the files among its arguments, see `core.description.describe`."""
        program, *arguments = shlex.split(self.command)
        found = {program: shutil.which(program)}
        for argument in arguments:
            found |= {named: named for named in (argument, argument.partition("=")[2]) if _is_file(named)}
        return {named: file_hash(path) for named, path in found.items() if path is not None}

    @property
    def takes_policy(self) -> bool:
        return True  # it is sent the category

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Abstains with "abstained" or "broken_output".

        Raises:
            UserCodeError: The program does not start, ends, takes too long, or does not write one line for each image.
        """
        return [self._one(image, category) for image, category in zip(images, categories, strict=True)]

    def check_model(self) -> None:
        """Raise UserCodeError if there is no such program; it is not started."""
        if shutil.which(program := shlex.split(self.command)[0]) is None:
            raise UserCodeError(f"{self.command!r} does not start: there is no program {program}; check the command")

    def release(self) -> None:
        """End the program; the next call of `judge` starts it again."""
        running = self.__dict__.pop("_running", None)
        if running is not None:
            running.end()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_running"}

    def _one(self, image: Picture, category: str) -> Verdict:
        slug = self.taxonomy.find(category).slug
        running: _Running | None = self.__dict__.get("_running")
        if running is None:
            running = self.__dict__["_running"] = _Running(self.command, self.timeout)
        number, about = running.asked, f"{image.name} under {slug}"
        question = {"id": number, "image": base64.b64encode(image.data).decode(), "category": slug}
        try:
            line = running.ask(json.dumps(question).encode() + b"\n", about, last=self.per_image)
            try:
                verdict = self._read(line, number, about)
            except UserCodeError as error:
                raise UserCodeError(f"{error}{running.last_words()}") from error
        except BaseException:  # also an interrupt: the next answer would belong to this question
            del self.__dict__["_running"]
            running.kill()
            raise
        if self.per_image:
            self.release()
        return verdict

    def _read(self, line: bytes, number: int, about: str) -> Verdict:
        said = f"{self.command!r} answered {_short(line)} about {about}"
        wanted = 'expected a line such as {"p_unsafe": 0.5}; logs go to stderr'
        try:
            found = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise UserCodeError(f"{said}, which is not UTF-8; {wanted}") from error
        except (ValueError, RecursionError) as error:
            raise UserCodeError(f"{said}; {wanted}") from error
        if not isinstance(found, dict) or "p_unsafe" not in found:
            raise UserCodeError(f"{said}; {wanted}")
        if str(found.get("id", number)) != str(number):
            raise UserCodeError(
                f"{said}, whose id is {number}: the ids differ, so it wrote more or fewer lines than one an image"
            )
        try:
            return from_number(found["p_unsafe"], str(found.get("raw", "")))
        except TypeError as error:
            raise UserCodeError(
                f"{said}: p_unsafe is {kind_of(found['p_unsafe'])}; expected a number in [0, 1], or null"
            ) from error


class _Running:
    """A running program that one thread asks, one line at a time. Its output and the waiting time are limited."""

    def __init__(self, command: str, timeout: float) -> None:
        self.asked, self._before = 0, ""
        self._command, self._timeout = command, timeout
        self._out, self._errors = bytearray(), bytearray()
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # so that the children of a shell end with it
            )
        except (OSError, ValueError) as error:
            raise UserCodeError(f"{command!r} does not start: {error}; check the command") from error
        process = self._process
        self._closed: set[int] = set()
        self._in, self._stdout = _number(process.stdin), _number(process.stdout)
        self._outputs = {self._stdout: self._out, _number(process.stderr): self._errors}
        for pipe in (self._in, *self._outputs):
            os.set_blocking(pipe, False)
        self._end = weakref.finalize(self, _end, process, _GRACE)

    def ask(self, question: bytes, about: str, last: bool = False) -> bytes:
        """Write a line and return the line that answers it; close the program's input if it is the `last`."""
        self._move(b"", lambda: False, 0.0)
        if self._out:
            too_much = f"more than one line for {self._before}" if self._before else "before it was asked anything"
            raise self._fault(f"wrote {too_much}: {_short(bytes(self._out))}")
        self._before = about
        deadline = time.monotonic() + self._timeout
        answered = self._move(question, lambda: b"\n" in self._out, deadline - time.monotonic(), close=last)
        line, _, rest = self._out.partition(b"\n")
        if not answered:
            self._out[:] = b""
            if len(line) >= _LONGEST:
                raise self._fault(f"wrote a line of over {_LONGEST:,} bytes about {about}")
            if not self._over:
                raise self._fault(
                    f"took over {self._timeout:g} s about {about}; give more timeout, or flush each line, or, where it "
                    "answers at the end of its input, give per_image=true"
                )
            if not line.strip():
                raise self._ended(about)  # a last line without a newline is a valid answer
        self._out[:] = rest
        if last:
            self._move(b"", lambda: False, deadline - time.monotonic())
            if self._out:
                raise self._fault(f"wrote more than one line for {about}: {_short(bytes(self._out))}")
            if self._code(_GRACE):
                raise self._ended(about)
        self.asked += 1
        return bytes(line)

    def end(self) -> None:
        """Close the program's input, and end the program if that does not end it."""
        self._end()

    def kill(self) -> None:
        """End the program now."""
        self._end.detach()
        _end(self._process, 0.0)

    @property
    def _over(self) -> bool:
        """Return whether the program has closed its output, as it does at its end."""
        return self._stdout in self._closed

    def _move(self, written: bytes, enough: Any, seconds: float, close: bool = False) -> bool:
        """Write to the program and read from it until `enough`; return False if it ends or the time does."""
        deadline, left = time.monotonic() + seconds, memoryview(written)
        with selectors.DefaultSelector() as selector:
            for pipe in self._outputs.keys() - self._closed:
                selector.register(pipe, selectors.EVENT_READ)
            if left and self._in not in self._closed:
                selector.register(self._in, selectors.EVENT_WRITE)
            while True:
                if enough():
                    return True
                if self._over or len(self._out) > _LONGEST:
                    return False
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    return False
                for key, _ in ready:
                    pipe = key.fd
                    if pipe in self._outputs:
                        if not self._take(pipe):
                            selector.unregister(pipe)
                        continue
                    left = self._give(left)
                    if not left:
                        selector.unregister(pipe)
                        if close:
                            self._close_input()

    def _take(self, pipe: int) -> bool:
        """Read the available output; return whether there may be more."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(pipe, 1 << 16)
            if not data:
                self._closed.add(pipe)
                return False
            self._outputs[pipe] += data
            del self._errors[:-_KEPT]
        return True

    def _give(self, left: memoryview) -> memoryview:
        """Write as much as the pipe takes; return the rest, which is empty if the program has stopped reading."""
        try:
            return left[os.write(self._in, left) :]
        except BlockingIOError:
            return left
        except OSError:  # it has ended; its closed output shows that
            return left[:0]

    def _close_input(self) -> None:
        self._closed.add(self._in)
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _code(self, seconds: float) -> int | None:
        """Return its exit code; None if it does not end."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _ended(self, about: str) -> UserCodeError:
        code = self._code(_GRACE)
        if code is None:
            return self._fault(f"closed its output, and was asked about {about}")
        if code < 0:
            why = " (out of memory?)" if -code == signal.SIGKILL else ""
            return self._fault(f"was ended by {signal.Signals(-code).name}{why}, and was asked about {about}")
        if code == 0 and self.asked:
            return self._fault(
                f"ended after {self.asked} answer{'s' * (self.asked > 1)}, and was asked about {about}; read lines "
                "until there are no more, or give per_image=true to start it for each image"
            )
        return self._fault(f"ended with exit code {code} and no answer, and was asked about {about}")

    def last_words(self) -> str:
        """Return the last line of its stderr, as the end of a message; "" if there is none."""
        self._move(b"", lambda: False, 0.0)
        lines = self._errors.decode("utf-8", "replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f"; the last line of its stderr: {_plain(last)[-160:]}" if last else ""

    def _fault(self, said: str) -> UserCodeError:
        return UserCodeError(f"{self._command!r} {said}{self.last_words() or '; its stderr is empty'}")


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Close a program's input. If it has not ended `grace` seconds later, end it and its children."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _number(pipe: Any) -> int:
    number: int = pipe.fileno()
    return number


def _short(line: bytes) -> str:
    """Return a line of output for a message: in one line, without control sequences."""
    text = repr(line.decode("utf-8")) if _is_text(line) else repr(line).removeprefix("bytearray")
    return text if len(text) <= 80 else text[:77] + "..."


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except OSError:  # too long to be a path, such as the code after `python -c`
        return False
