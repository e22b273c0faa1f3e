"""Describe the parts of a recipe, and the settings of a guard, as JSON values that are the same in every process.

`recipe.json` with its hash, and the metadata of predictions, contain these descriptions. A description therefore holds
nothing that depends on the process: no memory address, no order of a set, no path of a module. A value without such a
description is refused with a RecipeError.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import re
import sys
import types
from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, NamedTuple, NoReturn

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.file_digests import file_sha256

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def describe(value: Any) -> Any:
    """Describe a value as JSON.

    - None, strings, numbers and booleans (also numpy's) describe themselves. A tuple or a list becomes a list, a set a
      sorted list, and a mapping an object. A path, an enum, a date and similar values become their text. A numpy array
      becomes its type, its shape and the SHA-256 of its values.
    - A dataclass becomes its class, the fields that take part in comparison, and its `revision` if it has one.
    - An object of any other class becomes its class, its `name`, its `revision` and its public attributes, which are
      the instance attributes without a leading underscore. Cached properties are left out. An object without `name`,
      `revision` and `fingerprint` is refused if it has private attributes, because these could change its results.
    - A function or a class becomes its qualified name and a hash of the source file that defines it. A function also
      has its default values and the variables of its closure.
    - A part that runs files of its user has `content_hashes`, a mapping from file names to hashes, which is added.
    - A part that reads settings from its model has `read_from_model`, a mapping from their names to their values, which
      is added.

    Args:
        value: The value to describe.
    Args:
        value: what to describe.

    Returns:
        Values that `json.dumps` accepts.

    Raises:
        RecipeError: The value, or a value inside it, has no stable description. The message names its place.
    """
    return _describe(value, _Place(type(value).__name__, ()))


def content_hash(data: bytes) -> str:
    """Return 16 hex digits of the SHA-256 of the bytes of a file."""
    return hashlib.sha256(data).hexdigest()[:16]


def file_hash(path: str | Path) -> str:
    """Return the `content_hash` of a file."""
    return file_sha256(Path(path))[:16]


def source_hash(defined: Any) -> str:
    """Return the `content_hash` of the source file that defines a function or a class.

    Raises:
        OSError: No file defines it, for example because it was typed at a prompt.
        TypeError: It is built into Python or into a compiled module.
    """
    return file_hash(inspect.getsourcefile(defined) or inspect.getfile(defined))


class _Place(NamedTuple):
    """A place in the described value: its path for messages, and the ids of the objects that contain it."""

    path: str
    around: tuple[int, ...]

    def at(self, step: str, holder: Any) -> _Place:
        return _Place(f"{self.path}{step}", (*self.around, id(holder)))

    def refuse(self, value: Any) -> NoReturn:
        kind = type(value).__qualname__
        article = "an" if kind[0] in "aeiouAEIOU" else "a"
        raise RecipeError(
            f"{self.path} is {article} {kind}, which has no description that is the same in every process; give it a "
            "`revision` (a text that changes when its results do), use plain values or a dataclass, or, if it cannot "
            "change a result, let the attribute's name start with an underscore"
        )

    def refuse_typed(self, function: types.FunctionType) -> NoReturn:
        """Refuse a function that no file defines, such as one that was typed at a prompt or in a notebook."""
        where, name = f"{self.path}: " if self.around else "", function.__name__
        advice = f"save it in a file, or give it a revision, a text that you change with it: {name}.revision = '1'"
        if not name.isidentifier():  # a lambda has no name to type
            advice = "write it as a function with `def` in a file"
        raise RecipeError(
            f"{where}no file defines the function {name}, so a run cannot tell whether it has changed; {advice}"
        )


def _describe(value: Any, place: _Place) -> Any:
    if id(value) in place.around:
        place.refuse(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _describe_array(value, place)
    if numpy is not None and isinstance(value, numpy.dtype):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple | list):
        return [_describe(item, place.at(f"[{number}]", value)) for number, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        items = [_describe(item, place.at("{}", value)) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, Mapping):
        return {_key(key, place): _describe(item, place.at(f"[{key!r}]", value)) for key, item in value.items()}
    if isinstance(value, type):
        return {"type": value.__qualname__, **_source(value, place)}
    if dataclasses.is_dataclass(value):
        return _describe_dataclass(value, place)
    if callable(value) and (found := _describe_callable(value, place)) is not None:
        return found
    return _describe_object(value, place)


def _describe_array(value: Any, place: _Place) -> Any:
    if value.dtype.hasobject:
        place.refuse(value)
    if value.ndim == 0:
        return _describe(value.item(), place)
    return {
        "class": "ndarray",
        "dtype": str(value.dtype),
        "shape": list(value.shape),
        "sha256": hashlib.sha256(value.tobytes()).hexdigest(),
    }


def _describe_dataclass(part: Any, place: _Place) -> dict[str, Any]:
    compared = [field.name for field in dataclasses.fields(part) if field.compare]
    described = {name: _describe(getattr(part, name), place.at(f".{name}", part)) for name in compared}
    if hasattr(type(part), "revision") and part.revision:
        described["revision"] = str(part.revision)
    return {"class": type(part).__qualname__, **described, **_content(part)}


def _describe_callable(value: Any, place: _Place) -> dict[str, Any] | None:
    """Describe a function, a method or a partial. Return None for any other callable object."""
    if isinstance(value, functools._lru_cache_wrapper):
        value = value.__wrapped__
    if isinstance(value, functools.partial):
        inner = place.at("", value)
        return {
            "partial": _describe(value.func, inner),
            "args": _describe(value.args, inner),
            "keywords": _describe(value.keywords, inner),
        }
    if isinstance(value, types.MethodType):
        return {"method": value.__name__, "of": _describe(value.__self__, place.at("", value))}
    if isinstance(value, types.BuiltinFunctionType):
        if not isinstance(value.__self__, types.ModuleType | None):
            place.refuse(value)  # a bound method of an object that is not described
        return {"function": f"{value.__module__}.{value.__qualname__}"}
    if not isinstance(value, types.FunctionType):
        return None
    if revision := getattr(value, "revision", ""):  # replaces the file's hash: a function typed at a prompt has no file
        return {"function": value.__qualname__, "revision": str(revision)}
    described = {"function": value.__qualname__, **_source(value, place)}
    names, cells = value.__code__.co_freevars, value.__closure__ or ()
    closure = {name: cell.cell_contents for name, cell in zip(names, cells, strict=True) if _holds(cell, value)}
    defaults = {"defaults": value.__defaults__, "keyword_defaults": value.__kwdefaults__, "closure": closure}
    return described | {key: _describe(held, place.at("", value)) for key, held in defaults.items() if held}


def _describe_object(part: Any, place: _Place) -> Any:
    """Describe an object of a class that is none of the known kinds."""
    if not _says_what_it_is(part):
        text = str(part)
        if not hasattr(part, "__dict__") and _has_own_text(part) and not _ADDRESS.search(text):
            return text
        if not hasattr(part, "__dict__") or _may_hide_state(part):
            place.refuse(part)
    described: dict[str, Any] = {"class": type(part).__qualname__}
    if isinstance(name := getattr(part, "name", None), str):
        described["name"] = name
    if revision := getattr(part, "revision", None):
        described["revision"] = str(revision)
    for name in sorted(_public_attributes(part) - described.keys()):
        described[name] = _describe(getattr(part, name), place.at(f".{name}", part))
    return described | _content(part)


def _says_what_it_is(part: Any) -> bool:
    return bool(
        isinstance(getattr(part, "name", None), str)
        or getattr(part, "revision", None)
        or callable(getattr(part, "fingerprint", None))
    )


def _has_own_text(value: Any) -> bool:
    return _overrides(value, "__repr__") or _overrides(value, "__str__")


def _may_hide_state(value: Any) -> bool:
    """Return whether an object may have state outside its public attributes, such as a tensor or a random generator."""
    pickles_itself = _overrides(value, "__reduce__") or _overrides(value, "__reduce_ex__")
    return pickles_itself or any(name.startswith("_") for name in vars(value))


def _overrides(value: Any, method: str) -> bool:
    return getattr(type(value), method) is not getattr(object, method)


def _public_attributes(part: Any) -> set[str]:
    slots = [slot for kind in type(part).__mro__ for slot in _listed(vars(kind).get("__slots__", ()))]
    names = {*getattr(part, "__dict__", {}), *(slot for slot in slots if hasattr(part, slot))}
    return {name for name in names if not name.startswith("_") and not _is_cached(part, name)}


def _listed(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_cached(part: Any, name: str) -> bool:
    """Return whether an attribute holds the result of a cached property, which exists only after its first use."""
    return any(isinstance(vars(kind).get(name), functools.cached_property) for kind in type(part).__mro__)


def _content(part: Any) -> dict[str, Any]:
    found = {name: getattr(part, name, None) for name in ("content_hashes", "read_from_model")}
    return {name: dict(value) for name, value in found.items() if value is not None}


def _source(defined: Any, place: _Place) -> dict[str, str]:
    """Return the hash of the source of a class or a function; for a compiled class, the name of its module."""
    try:
        return {"source": source_hash(defined)}
    except (OSError, TypeError):
        if isinstance(defined, types.FunctionType):
            place.refuse_typed(defined)
        if defined.__module__ == "__main__":
            place.refuse(defined)
        return {"module": defined.__module__}


def _holds(cell: types.CellType, function: types.FunctionType) -> bool:
    """Return whether a closure variable has a value other than the function itself."""
    try:
        return cell.cell_contents is not function
    except ValueError:  # the variable is not assigned yet
        return False


def _key(key: Any, place: _Place) -> str:
    """Return the text of a mapping's key."""
    plain = key if isinstance(key, tuple) else (key,)
    if not all(item is None or isinstance(item, str | int | float | bool | Enum | PurePath) for item in plain):
        _Place(f"a key of {place.path}", ()).refuse(key)
    return str(key)
