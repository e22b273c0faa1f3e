"""`safetypairs recipes`: list the recipes by which pairs are built."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import named, show


@click.command("recipes")
@click.argument("name", required=False, shell_complete=named("safetypairs_hf.building.recipe", "recipe_names"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the recipes, or show the recipe NAME with its settings, its cost and an example.

    NAME can be the path of your own recipe file.

    \b
    safetypairs recipes
    safetypairs recipes klein
    """
    from safetypairs_hf.building.recipe_offers import list_recipes, recipe_offer

    show(list_recipes, recipe_offer, name, as_json)
