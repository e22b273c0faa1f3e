"""Load Python files that users write (recipes, guards, functions), and report their errors in one line."""

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

_SHOWN = 200  # characters of an exception's message


class LoadedCode(NamedTuple):
    """A module of user code, and the `content_hash` of its file."""

    module: ModuleType
    content_hash: str


def load_code(where: str) -> LoadedCode:
    """Load user code by the path of a Python file or by the name of a module.

    A file of the current folder comes first ("mine" is `mine.py`), then any module that Python can import; the current
    folder is searched last.

    Raises:
        UserCodeError: There is no such file or module, or it cannot be loaded.
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
        raise UserCodeError(f"{where} has no file, so its changes cannot be detected")
    return LoadedCode(module, file_hash(file))


def load_file(path: str | Path) -> LoadedCode:
    """Run a Python file as a module, and register it under a name that is derived from its path.

    Registration lets dataclasses, and pickle in another process that loaded the same file, find its definitions. The
    bytes that run are the bytes that are hashed: Python's cache of compiled files could return the old code of a file
    that was edited within the same second and kept its size. The file can import modules of its own folder.

    Raises:
        UserCodeError: It is not a Python file, or cannot be loaded. The message has the file, the line and the error.
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
    """Turn an exception of user code, `sys.exit` included, into one line: file, line, error and context.

    Errors of the library and interrupts pass unchanged.

    Args:
        code: The name of the code, used if the traceback has no line of user code. With None, such an exception is
            not the user's and passes unchanged.
        about: A clause that ends the message, such as "it was asked about an image".

    Raises:
        UserCodeError: The code raised an exception.
    """
    try:
        yield
    except SafetyPairsError:
        raise
    except (Exception, SystemExit) as error:
        where = place_of(error) or code
        if where is None:
            raise
        raise UserCodeError(f"{where}: {_message(error)}" + (f"; {about}" if about else "")) from error


def place_of(error: BaseException) -> str | None:
    """Return the file and the line of user code that raised an error; None if user code did not raise it."""
    if isinstance(error, SyntaxError) and error.filename and not _is_library(error.filename):
        return f"{shown(error.filename)}, line {error.lineno or 1}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return f"{shown(frames[-1].filename)}, line {frames[-1].lineno}" if frames else None


def shown(file: str) -> str:
    """Return a path as messages show it: relative if it is below the current folder."""
    relative = os.path.relpath(file)
    return file if relative.startswith(os.pardir) else relative


def functions_of(module: ModuleType) -> list[str]:
    """Return the names of the public functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def _message(error: BaseException) -> str:
    """Return an exception's message on one line."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    if isinstance(error, ImportError) and (moved := _moved(error)):
        return moved
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"it needs the module {error.name!r}; install it and try again"
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # a user's exception class may fail in __str__
        text = "(what it says cannot be read)"
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"{type(error).__name__}: {' '.join(line.split())[:_SHOWN]}".removesuffix(": ")


def _moved(error: ImportError) -> str | None:
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return moved_modules.explain(error, files[-1]) if files else None


def _can_import_from(folder: Path) -> None:
    """Append a folder to `sys.path`. It comes last, so its modules hide no others."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _is_library(file: str) -> bool:
    """Return whether a file of a traceback belongs to Python, to an installed package or to this library."""
    if file.startswith("<"):
        return True
    return any(Path(file).is_relative_to(folder) for folder in _LIBRARIES)


def _libraries() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    ours = Path(__file__).parents[1]
    return (ours, Path(os.__file__).parent, *(Path(paths[name]) for name in ("stdlib", "purelib", "platlib")))


_LIBRARIES = _libraries()
