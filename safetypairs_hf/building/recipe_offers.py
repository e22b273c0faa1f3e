"""The available recipes, as their files describe them."""

from __future__ import annotations

import inspect
import re
import textwrap

from safetypairs_hf.building.recipe import find_recipe, recipe_names
from safetypairs_hf.core.offer import Offer, OfferList, settings_of

_HEAD = re.compile(r"(\w+):\s+(.*)")


def list_recipes() -> OfferList[Offer]:
    """Return the available recipes, sorted by name: a sequence that prints as a table."""
    return OfferList(tuple(map(recipe_offer, recipe_names())))


def recipe_offer(name: str) -> Offer:
    """Return what a recipe makes, its settings, and examples, from the docstring of its file.

    Args:
        name: The name of a recipe, or the path of a file.

    Raises:
        RecipeError: There is no such recipe, or its file cannot be loaded.
    """
    path, function = find_recipe(name)
    about, parts = _read(inspect.cleandoc(inspect.getmodule(function).__doc__ or ""))
    commands, _, also = parts.pop("command", f"safetypairs build {name} --out RUN").partition("\nwith ")
    example = re.sub(r" \\\n\s*", " ", commands)
    if also:
        parts = {"also": f"with {also}", **parts}
    facts = {key: " ".join(text.split()) for key, text in parts.items()}
    settings = settings_of(function)
    return Offer(path.stem, about, facts, tuple(each for each in settings if each.name != "taxonomy"), example)


def _read(text: str) -> tuple[str, dict[str, str]]:
    """Return the first line of a docstring, and its named parts, such as "Cost:"."""
    about, _, rest = text.partition("\n")
    parts: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in rest.splitlines():
        if head := _HEAD.fullmatch(line):
            current = parts[head[1].lower()] = [head[2]]
        elif not line.startswith(" "):
            current = None
        elif current is not None:
            current.append(line)
    return about.rstrip("."), {
        key: f"{lines[0]}\n{textwrap.dedent(chr(10).join(lines[1:]))}".rstrip() for key, lines in parts.items()
    }
