"""Public names have docstrings, and those of functions describe arguments, results and errors."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import safetypairs_hf as sp
from safetypairs_hf.core import errors

ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
ROOMS = [sp.__name__, *(f"{sp.__name__}.{room.name}" for room in pkgutil.iter_modules(sp.__path__) if room.ispkg)]


def public(*rooms: str) -> dict[str, Any]:
    """The classes and functions that rooms export, by name."""
    modules = [importlib.import_module(room) for room in rooms]
    exported = {name: getattr(module, name) for module in modules for name in getattr(module, "__all__", ())}
    return {name: value for name, value in exported.items() if inspect.isclass(value) or inspect.isfunction(value)}


def functions(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, value) for name, value in names.items() if inspect.isfunction(value))


def methods(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in names.items():
        if inspect.isclass(value):
            own = ((each, member) for each, member in vars(value).items() if not each.startswith("_"))
            yield from ((f"{name}.{each}", member) for each, member in own if inspect.isfunction(member))


def faults(name: str, function: Any) -> Iterator[str]:
    text = inspect.getdoc(function) or ""
    sections = dict(re.findall(r"^(Args|Returns|Yields|Raises):\n((?:[ ]+.*\n?|\n)*)", text, re.MULTILINE))
    described = re.findall(r"^ +\**(\w+): ", sections.get("Args", ""), re.MULTILINE)
    signature = inspect.signature(function)
    yield from (
        f"{name}: no description of {each}" for each in signature.parameters if each not in ("self", *described)
    )
    nothing = signature.return_annotation in (None, "None")
    if not (nothing or text.startswith("Return ") or "Returns" in sections or "Yields" in sections):
        yield f"{name}: no description of what it returns"
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            raised = node.exc.func.id
            if raised in ERRORS and raised not in sections.get("Raises", ""):
                yield f"{name}: no mention of {raised}"


def test_every_public_name_has_a_docstring() -> None:
    names = public(*ROOMS)
    # A dataclass without a docstring gets its signature as one.
    assert not [name for name, value in names.items() if not value.__doc__ or value.__doc__.startswith(f"{name}(")]


def test_public_functions_describe_arguments_results_and_errors() -> None:
    results = public("safetypairs_hf", "safetypairs_hf.metric")
    checked = [*functions(public(*ROOMS)), *methods(results)]
    found = [fault for name, function in checked for fault in faults(name, function)]
    assert not found
