"""Read settings from text of the form `KEY=VALUE`, by the annotation of the parameter that takes each value."""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.foreign_text import parse_object, reading
from safetypairs_hf.core.nearest import hint

TEXT = "text"  # the kind of a setting that is not converted


def parameters_of(taker: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a function or the fields of a dataclass: names and annotations, in order.

    Raises:
        RecipeError: An annotation names something that is not imported at run time.
    """
    try:
        if dataclasses.is_dataclass(taker):  # the annotations of a base refer to names in the module of that base
            hints = typing.get_type_hints(taker)
            return {
                name: hints.get(name, each.annotation) for name, each in inspect.signature(taker).parameters.items()
            }
        parameters = inspect.signature(taker, eval_str=True).parameters
    except NameError as error:
        raise RecipeError(f"the annotations of {taker.__qualname__} cannot be read: {error}; import it") from error
    return {name: parameter.annotation for name, parameter in parameters.items()}


def check_names(given: Sequence[str] | Mapping[str, Any], takes: Sequence[str] | Mapping[str, Any], taker: str) -> None:
    """Check that `taker` takes every given name.

    Args:
        given: The names of the given settings.
        takes: The names of the settings that exist.
        taker: The part that takes them, as the message should call it, such as "guard 'clip'".

    Raises:
        RecipeError: A name is unknown. The message has the nearest name and all names.
    """
    for name in given:
        if name not in takes:
            raise RecipeError(
                f"{taker} has no setting {name!r}{hint(name, takes)}; it takes {', '.join(takes) or 'none'}"
            )


def check_counts(**counts: int | None) -> None:
    """Check settings that are counts.

    Args:
        **counts: The values by name; None for a setting that is not set.

    Raises:
        RecipeError: A value is below 1.
    """
    for name, value in counts.items():
        if value is not None and value < 1:
            raise RecipeError(f"{name} = {value}: give at least 1")


def to_give(key: str) -> str:
    """Return how to give a setting to a command and in Python, for a message."""
    return f"give --set {key}=... (in Python {key}=...)"


def read_setting(key: str, text: str, annotation: Any) -> Any:
    """Convert the text of a setting to the annotated type.

    Args:
        key: The name of the setting, for messages.
        text: The value as text.
        annotation: int, float, bool (true or false), str, a Literal, a tuple of any length (comma-separated values), a
            Mapping (a JSON object), a class that is constructed from text, or a union of these. If the union has None,
            the word "none" gives None. A parameter without an annotation takes the text.

    Raises:
        RecipeError: The text is not such a value.
    """
    if annotation in (str, Any, inspect.Parameter.empty):
        return text
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _read_union(key, text, typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Literal:
        return _read_literal(key, text, typing.get_args(annotation))
    if typing.get_origin(annotation) is Mapping:
        with reading(f"{key}={text}", 'expected a JSON object, such as {"top_k": 1}', RecipeError):
            return parse_object(text)
    if typing.get_origin(annotation) is tuple:
        return _read_tuple(key, text, typing.get_args(annotation)[0])
    if annotation is bool:
        if text.lower() not in ("true", "false"):
            raise RecipeError(f"{key}={text}: expected true or false")
        return text.lower() == "true"
    if not isinstance(annotation, type):
        raise RecipeError(f"{key}={text}: a {annotation} cannot be given as text")
    try:
        return annotation(text)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"{key}={text}: expected {'an' if annotation is int else 'a'} {annotation.__name__}"
        ) from error


def as_text(value: Any) -> str:
    """Return a Python value as the text that `read_setting` converts back to it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(as_text, value))
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def value_text(annotation: Any) -> str:
    """Describe in words what `read_setting` accepts for an annotation, such as "a whole number or none"."""
    if annotation in (str, Any, inspect.Parameter.empty):
        return TEXT
    kinds = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        several = [value_text(kind) for kind in kinds if kind is not type(None)]
        return " or ".join(dict.fromkeys([*several, *(["none"] if type(None) in kinds else [])]))
    if origin is typing.Literal:
        return " or ".join(map(str, kinds))
    if origin is Mapping:
        return "a JSON object"
    if origin is tuple:
        return f"values with commas between them, each {value_text(kinds[0])}"
    named = {bool: "true or false", int: "a whole number", float: "a number"}
    return named.get(annotation, TEXT)


def _read_union(key: str, text: str, kinds: tuple[Any, ...]) -> Any:
    if type(None) in kinds and text.lower() == "none":
        return None
    *others, last = [kind for kind in kinds if kind is not type(None)]
    for kind in others:
        try:
            return read_setting(key, text, kind)
        except RecipeError:
            continue
    return read_setting(key, text, last)


def _read_tuple(key: str, text: str, kind: Any) -> tuple[Any, ...]:
    try:
        return tuple(read_setting(key, item, kind) for item in text.split(",") if item)
    except RecipeError as error:
        raise RecipeError(f"{key}={text}: expected {kind.__name__} values with commas between them") from error


def _read_literal(key: str, text: str, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if str(choice) == text:
            return choice
    raise RecipeError(f"{key}={text}: expected one of {', '.join(map(str, choices))}")
