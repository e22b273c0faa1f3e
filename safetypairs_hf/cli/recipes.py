"""`safetypairs recipes`: what can be built."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import named, show


@click.command("recipes")
@click.argument("name", required=False, shell_complete=named("safetypairs_hf.building.recipe", "recipe_names"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """The recipes that there are; with NAME, one with its settings, its cost and an example.

    NAME can be the path of a recipe file of your own.

    \b
    safetypairs recipes
    safetypairs recipes klein
    """
    from safetypairs_hf.building.recipe_offers import list_recipes, recipe_offer

    show(list_recipes, recipe_offer, name, as_json)
