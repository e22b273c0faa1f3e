"""`safetypairs editors`: list the models with which recipes edit images."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import named, show


@click.command("editors")
@click.argument("name", required=False, shell_complete=named("safetypairs_hf.editors.catalogue", "editor_names"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the editors, or show the editor NAME with its settings, licence and memory.

    Recipes run the editors; the recipe setting `then` names another editor for the second round and later ones.

    \b
    safetypairs editors
    safetypairs editors klein
    """
    from safetypairs_hf.editors.catalogue import editor_offer, list_editors

    show(list_editors, editor_offer, name, as_json)
