"""Guards of the user's own: a Python object, a function, or a command that reads and writes JSON Lines.

Each has the content of what it runs in its identity, so that an edited file is another guard.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import importlib.util
import inspect
import json
import math
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, Self

from safetypairs_hf.core.description import content_hash, describe, file_hash, source_hash
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Box, Judge, Picture, Verdict
from safetypairs_hf.guards.base import Guard, dtype_on
from safetypairs_hf.models.chat import as_pil
from safetypairs_hf.taxonomy.binding import bind
from safetypairs_hf.taxonomy.categories import Taxonomy


def as_guard(judge: Judge) -> Guard:
    """Return a guard for any judge: the judge itself where it is a Guard, else one that wraps it."""
    return judge if isinstance(judge, Guard) else OwnObject(judge)


@dataclass(frozen=True)
class OwnObject(Guard):
    """An object that judges and is no Guard: a class of the user's, or a judge of a recipe.

    It needs `name` and `judge`. What it is must be known too, by one of: `revision`, a text that changes when its
    answers do; `identity()`, a mapping of JSON values that does; or being a dataclass whose fields are plain values and
    whose class a file defines. `asked`, `family`, `fidelity`, `holds_model`, `release`, `seed` and `device` are used
    where it has them.

    Args:
        inner: the object.
    """

    inner: Judge

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def revision(self) -> str:
        return str(getattr(self.inner, "revision", ""))

    @property
    def family(self) -> str:
        return str(getattr(self.inner, "family", self.name))

    @property
    def fidelity(self) -> str | None:
        return getattr(self.inner, "fidelity", None)

    @property
    def holds_model(self) -> bool:
        return bool(getattr(self.inner, "holds_model", False))

    @property
    def dtype(self) -> str | None:
        device = getattr(self.inner, "device", None)
        return None if device is None else dtype_on(str(device), self.name)

    @property
    def seed(self) -> int | None:
        return getattr(self.inner, "seed", None)

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        return self.inner.judge(images, categories, regions)

    def under(self, taxonomy: Taxonomy) -> Self:
        bound = super().under(taxonomy)
        if bound is not self:
            object.__setattr__(bound, "inner", bind(self.inner, taxonomy))
        return bound

    def asked(self, slug: str) -> str:
        asked = getattr(self.inner, "asked", None)
        return "" if asked is None else str(asked(slug))

    def release(self) -> None:
        release = getattr(self.inner, "release", None)
        if release is not None:
            release()

    def settings(self) -> Any:
        """Return what the object says that it is.

        Raises:
            RecipeError: it does not say. The message says what to add.
        """
        kind = type(self.inner)
        if (identity := getattr(self.inner, "identity", None)) is not None:
            return {"class": kind.__qualname__, "identity": describe(identity())}
        if self.revision:
            try:
                return describe(self.inner)
            except RecipeError:  # an attribute without a description, such as a model: the revision stands for it
                return {"class": kind.__qualname__, "name": self.name, "revision": self.revision}
        unknown = f"a run cannot tell whether the guard {self.name!r} has changed"
        add = f"add an attribute `revision` to {kind.__qualname__}, a text that you change when its answers do"
        if not is_dataclass(self.inner):
            raise RecipeError(f"{unknown}; {add}")
        try:
            return describe(self.inner) | _source_of(kind)
        except RecipeError as error:
            raise RecipeError(f"{unknown} ({error}); {add}") from error
        except (OSError, TypeError) as error:
            raise RecipeError(f"{unknown} (no file defines its class); {add}") from error


def _source_of(kind: type) -> dict[str, Any]:
    """Return the hash of the file that defines a class; nothing for this library's, whose version a run records."""
    return (
        {}
        if kind.__module__.startswith("safetypairs_hf.")
        else {"content_hashes": {kind.__qualname__: source_hash(kind)}}
    )


class _Function(NamedTuple):
    """A function as it was loaded, and the hashes of the files that it was loaded from."""

    call: Callable[[Any, str], Any]
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class OwnFunction(Guard):
    """P(unsafe) = `function(image, category)`, of an image of PIL and a slug; None abstains.

    Its identity has the hash of the file that is named, and of the file that defines the function where that is another
    one. Other files that these import are not in it: give a `revision`.

    Args:
        function: "package.module:name", or "path/to/file.py:name".
        revision: what to call this version of it.
    """

    function: str
    revision: str = "own"
    fidelity: str = "trained"
    holds_model: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"function:{self.function.rsplit('/', 1)[-1]}"

    @property
    def content_hashes(self) -> Mapping[str, str]:
        """The hashes of the files that it was loaded from, see `core.description.describe`."""
        return self._loaded.hashes

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Abstains with "abstained" or "broken_output"."""
        slugs = [self.taxonomy.find(category).slug for category in categories]
        return [_checked(self._loaded.call(as_pil(image), slug)) for image, slug in zip(images, slugs, strict=True)]

    def release(self) -> None:
        """Forget the function; it is imported again on the next call of `judge`."""
        self.__dict__.pop("_loaded", None)

    @cached_property
    def _loaded(self) -> _Function:
        where, _, attribute = self.function.rpartition(":")
        wrong = f"function = {self.function!r}: expected 'package.module:name' or 'path/to/file.py:name'"
        if not where:
            raise RecipeError(wrong)
        try:
            module, hashes = _run_file(where) if where.endswith(".py") else _import(where)
        except (ImportError, OSError) as error:
            raise RecipeError(f"{wrong}; it does not load: {error}") from error
        except Exception as error:  # the user's code may raise anything
            raise RecipeError(f"function = {self.function!r}: {where} does not load: {in_a_line(error)}") from error
        found = getattr(module, attribute, None)
        if not callable(found):
            raise RecipeError(f"{wrong}; {where} has no function {attribute!r}")
        with contextlib.suppress(ValueError):  # what is written in C may have no signature
            try:
                inspect.signature(found).bind(None, "")
            except TypeError as error:
                raise RecipeError(
                    f"function = {self.function!r}: it is called as {attribute}(image, category), "
                    f"which does not fit its parameters: {error}"
                ) from error
        return _Function(found, hashes | _defining_file(found, module))


def _run_file(path: str) -> tuple[ModuleType, dict[str, str]]:
    """Run a Python file as a module; return it with the file's hash.

    The bytes that are hashed are the bytes that run: Python's own cache of compiled files would take a file that was
    edited within the same second, and kept its size, for the old one.
    """
    spec = importlib.util.spec_from_file_location("safetypairs_own_guard", path)
    assert spec is not None
    module, data = importlib.util.module_from_spec(spec), Path(path).read_bytes()
    exec(compile(data, path, "exec", dont_inherit=True), module.__dict__)
    return module, {path: content_hash(data)}


def _import(name: str) -> tuple[ModuleType, dict[str, str]]:
    """Import a module by name; return it with the hash of its file."""
    module = importlib.import_module(name)
    file = getattr(module, "__file__", None)
    if file is None:
        raise ImportError(f"{name} has no file, so that nobody can tell when it changes")
    return module, {name: file_hash(file)}


def _defining_file(function: Callable[..., Any], module: ModuleType) -> dict[str, str]:
    """Return the hash of the file that defines a function which `module` has imported; nothing where it is its own."""
    defined: Any = inspect.unwrap(function)
    while isinstance(defined, functools.partial):
        defined = inspect.unwrap(defined.func)
    if not (inspect.isroutine(defined) or inspect.isclass(defined)):
        defined = type(defined)  # an object that can be called
    if defined.__module__ in (module.__name__, None):
        return {}
    with contextlib.suppress(OSError, TypeError):  # it is compiled
        return {defined.__module__: source_hash(defined)}
    return {}


@dataclass(frozen=True)
class OwnCommand(Guard):
    """A program: a line {"image": base64 of the file, "category": slug} in, a line {"p_unsafe": number or null} out.

    Its identity has the hash of the program and of each file that is named in the command. Other files that these read
    are not in it: give a `revision`.

    Args:
        command: as in a shell, such as "python my_guard.py --fast"; it runs once a call, and reads to the end of input.
        timeout: seconds for one run.
        revision: what to call this version of it.

    Raises:
        RecipeError: the command names no program, or a quotation in it has no end.
    """

    command: str
    timeout: float = 3600.0
    revision: str = "own"
    fidelity: str = "trained"
    holds_model: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            empty = not shlex.split(self.command)
        except ValueError as error:
            raise RecipeError(f"command = {self.command!r}: {error}; write it as in a shell") from error
        if empty:
            raise RecipeError(f"command = {self.command!r}: expected a program, such as 'python my_guard.py'")

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

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Abstains with "abstained" or "broken_output".

        Raises:
            SafetyPairsError: the program does not start, fails, takes too long, or answers another number of lines.
        """
        if not images:
            return []
        lines = [
            json.dumps({"image": base64.b64encode(image.data).decode(), "category": self.taxonomy.find(category).slug})
            for image, category in zip(images, categories, strict=True)
        ]
        answers = self._run("\n".join(lines) + "\n").splitlines()
        if len(answers) != len(lines):
            raise SafetyPairsError(
                f"{self.command!r} wrote {len(answers)} lines for {len(lines)} images; write one JSON line an image"
            )
        return [_from_line(line) for line in answers]

    def _run(self, lines: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(self.command), input=lines, capture_output=True, text=True, timeout=self.timeout
            )
        except subprocess.TimeoutExpired as error:
            raise SafetyPairsError(f"{self.command!r} took over {self.timeout:g} s; give more timeout") from error
        except OSError as error:
            raise SafetyPairsError(f"{self.command!r} does not start: {error}; check the command") from error
        if done.returncode:
            said = " ".join(done.stderr.split())[-160:]
            raise SafetyPairsError(f"{self.command!r} failed with exit code {done.returncode}: {said or 'no message'}")
        return done.stdout


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except OSError:  # too long to be a path, as a program after `python -c`
        return False


def _from_line(line: str) -> Verdict:
    try:
        found = json.loads(line)
    except ValueError:
        return Verdict(None, "broken_output", line)
    if not isinstance(found, dict) or "p_unsafe" not in found:
        return Verdict(None, "broken_output", line)
    return _checked(found["p_unsafe"], str(found.get("raw", "")))


def _checked(value: Any, raw: str = "") -> Verdict:
    if value is None:
        return Verdict(None, "abstained", raw)
    try:
        share = float(value)
    except (TypeError, ValueError):
        return Verdict(None, "broken_output", repr(value))
    return Verdict(share, "", raw) if math.isfinite(share) and 0 <= share <= 1 else Verdict(None, "broken_output", raw)
