"""Check every model that a run needs before its first unit is made."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from safetypairs_hf.building.recipe import Recipe
from safetypairs_hf.core.user_code import telling


def check_models(recipe: Recipe) -> None:
    """Call `check_model()` of every part of a recipe that has this method, wherever the part is in the recipe.

    Raises:
        SafetyPairsError: A model is missing, has another class, is not accessible or has no revision, a package is not
            installed, or no server answers. Its subclass UserCodeError: a `check_model` written by the user raised.
    """
    for part in parts_with_models(recipe):
        with telling(about="it was asked whether its model is there"):
            part.check_model()


def parts_with_models(value: Any) -> Iterator[Any]:
    """Yield each part of a value that has a method `check_model`, once. The parts inside such a part are skipped.

    Tuples, lists, sets, mappings, dataclasses, and attributes of other objects are searched, except objects whose class
    an installed package defines.
    """
    seen: dict[int, Any] = {}  # by id; keeps the objects alive, so that ids stay unique

    def visit(value: Any) -> Iterator[Any]:
        if value is None or isinstance(value, str | bytes | int | float | type | FunctionType | ModuleType):
            return
        if id(value) in seen:
            return
        seen[id(value)] = value
        if callable(getattr(value, "check_model", None)):
            yield value
            return
        for held in _held(value):
            yield from visit(held)

    return visit(value)


def _held(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.values()]
    if isinstance(value, tuple | list | set | frozenset):
        return [*value]
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    if hasattr(value, "__self__"):  # a bound method
        return [value.__self__]
    return [] if _is_installed(type(value)) else [*getattr(value, "__dict__", {}).values()]


def _is_installed(kind: type) -> bool:
    """Return whether a class is part of Python or of an installed package, not of this package or the user's code."""
    root = kind.__module__.partition(".")[0]
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return root != "safetypairs_hf" and (root in sys.stdlib_module_names or "-packages" in file)
