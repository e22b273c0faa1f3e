"""What the commands `guards`, `editors`, `recipes` and `layouts` share: a list of what there is, or one whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from safetypairs_hf.core.offer import Listed


def named(where: str, function: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a completion of an argument by the names that a function of the module `where` gives when it is asked."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from importlib import import_module

        return [name for name in getattr(import_module(where), function)() if name.startswith(incomplete)]

    return complete


def show(every: Callable[[], Sequence[Listed]], one: Callable[[str], Listed], name: str | None, as_json: bool) -> None:
    """Print every offer on a line, or one whole; with `as_json`, all that is known."""
    if name is not None:
        found = one(name)
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else str(found))
        return
    offers = every()
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in offers], indent=2, ensure_ascii=False))
        return
    click.echo(str(offers))
