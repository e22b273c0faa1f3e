"""Load Python files of the user's own (recipes, guards, functions), and tell in one line what goes wrong in them."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import NamedTuple

from safetypairs_hf.core import moved_modules
from safetypairs_hf.core.description import content_hash, file_hash
from safetypairs_hf.core.errors import SafetyPairsError, UserCodeError

_SHOWN = 200  # characters of what an exception says


class LoadedCode(NamedTuple):
    """A module of the user's, and the `content_hash` of its file."""

    module: ModuleType
    content_hash: str


def load_code(where: str) -> LoadedCode:
    """Load user code by the path of a Python file or by the name of a module.

    A name finds a file of the current folder first ("mine" is `mine.py`), then whatever Python can import, from the
    current folder too.

    Raises:
        UserCodeError: there is no such file or module, or it does not load.
    """
    if where.endswith(".py") or "/" in where:
        return load_file(where)
    if Path(f"{where}.py").is_file():
        return load_file(f"{where}.py")
    _can_import_from(Path.cwd())
    with telling(where):
        try:
            module = importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{where}.".startswith(f"{error.name}."):
                raise
            raise UserCodeError(
                f"there is no module {where!r}: no file {where.replace('.', '/')}.py here, nor is it installed"
            ) from error
    file = getattr(module, "__file__", None)
    if file is None:
        raise UserCodeError(f"{where} has no file, so that nobody can tell when it changes")
    return LoadedCode(module, file_hash(file))


def load_file(path: str | Path) -> LoadedCode:
    """Run a Python file as a module, and register it under a name made of its path.

    So what it defines is found by dataclasses, and by pickle in another process that has loaded the same file. The
    bytes that are hashed are the bytes that run: Python's own cache of compiled files would take a file that was edited
    within the same second, and kept its size, for the old one. Modules that lie beside the file can be imported by it.

    Raises:
        UserCodeError: it is no Python file, or it does not load. The message has the file, the line and the error.
    """
    file = Path(path).expanduser().resolve()
    if file.suffix != ".py":
        raise UserCodeError(f"{path} is not a Python file; expected a name that ends in .py")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserCodeError(f"{path} cannot be read: {error.strerror or error}") from error
    name = f"safetypairs_user_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    module = module_from_spec(ModuleSpec(name, None, origin=str(file)))
    module.__file__ = str(file)
    _can_import_from(file.parent)
    before, sys.modules[name] = sys.modules.get(name), module
    try:
        with telling(str(path)):
            exec(compile(data, str(file), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    return LoadedCode(module, content_hash(data))


@contextmanager
def telling(code: str | None = None, about: str = "") -> Iterator[None]:
    """Tell what user code raises, `sys.exit` included, as one line: file, line, error, and what it was about.

    Our own errors pass as they are, and so does an interrupt.

    Args:
        code: what to name where no line of the user's is known. None: an error that comes from no line of the user's
            is not theirs, and passes as it is.
        about: a clause that ends the line, such as "it was asked about an image".

    Raises:
        UserCodeError: the code raised something.
    """
    try:
        yield
    except SafetyPairsError:
        raise
    except (Exception, SystemExit) as error:
        where = place_of(error) or code
        if where is None:
            raise
        raise UserCodeError(f"{where}: {_said(error)}" + (f"; {about}" if about else "")) from error


def place_of(error: BaseException) -> str | None:
    """Return the file and the line of user code where an error was raised; None where it came from no user code."""
    if isinstance(error, SyntaxError) and error.filename and not _is_library(error.filename):
        return f"{shown(error.filename)}, line {error.lineno or 1}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return f"{shown(frames[-1].filename)}, line {frames[-1].lineno}" if frames else None


def shown(file: str) -> str:
    """Return a path as messages show it: relative to the current folder where it lies in there."""
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative


def functions_of(module: ModuleType) -> list[str]:
    """Return the names of the functions that a module defines itself, without those that begin with _."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _said(error: BaseException) -> str:
    """Return what an exception says on one line."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    if isinstance(error, ImportError) and (moved := _moved(error)):
        return moved
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the module {error.name!r}; install it and try again"
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # an exception class of the user's
        text = "(what it says cannot be read)"
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"{type(error).__name__}: {' '.join(line.split())[:_SHOWN]}".removesuffix(": ")


def _moved(error: ImportError) -> str | None:
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return moved_modules.explain(error, files[-1]) if files else None


def _can_import_from(folder: Path) -> None:
    """Let modules of a folder be imported, after all that can be imported anyway: they hide nothing."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _is_library(file: str) -> bool:
    """Whether a file of a traceback is of Python, of an installed package or of this library."""
    if file.startswith("<"):
        return True
    return any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


def _libraries() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    ours = Path(__file__).parents[1]
    return (ours, Path(os.__file__).parent, *(Path(paths[name]) for name in ("stdlib", "purelib", "platlib")))


_LIBRARIES = _libraries()
