"""Look at every model that a run will need, before its first unit is made."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from safetypairs_hf.building.recipe import Recipe
from safetypairs_hf.core.user_code import telling


def check_models(recipe: Recipe) -> None:
    """Call `check_model()` of every part of a recipe that has it, wherever it is in the recipe.

    Raises:
        SafetyPairsError: a model is missing, is of another class, is refused to this user or has no revision, a package
            is not installed, or nobody serves it. Its subclass UserCodeError where a user's `check_model` raises.
    """
    for part in parts_with_models(recipe):
        with telling(about="it was asked whether its model is there"):
            part.check_model()


def parts_with_models(value: Any) -> Iterator[Any]:
    """Every part in a value that has a method `check_model`, once; what such a part holds itself is its own affair.

    Looked through are tuples, lists, sets, mappings, dataclasses, and the attributes of objects of other classes, but
    not of those that an installed package defines.
    """
    seen: dict[int, Any] = {}  # by id, and kept alive, so that no id comes twice

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
    """Whether a class is of Python itself or of a package that is installed, and not of ours or the user's."""
    root = kind.__module__.partition(".")[0]
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return root != "safetypairs_hf" and (root in sys.stdlib_module_names or "-packages" in file)
