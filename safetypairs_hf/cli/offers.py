"""What the commands `guards`, `editors`, `recipes` and `layouts` share: print a list, or one entry in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from safetypairs_hf.core.offer import Listed


def named(where: str, function: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a shell completion by the names that `function` of the module `where` returns."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from importlib import import_module

        return [name for name in getattr(import_module(where), function)() if name.startswith(incomplete)]

    return complete


def show(every: Callable[[], Sequence[Listed]], one: Callable[[str], Listed], name: str | None, as_json: bool) -> None:
    """Print one line for each entry, or the entry `name` in full; with `as_json`, everything that is known."""
    if name is not None:
        found = one(name)
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else str(found))
        return
    offers = every()
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in offers], indent=2, ensure_ascii=False))
        return
    click.echo(str(offers))
