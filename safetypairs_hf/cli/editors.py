"""`safetypairs editors`: the models that a recipe edits images with."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import named, show


@click.command("editors")
@click.argument("name", required=False, shell_complete=named("safetypairs_hf.editors.catalogue", "editor_names"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """The editors that there are; with NAME, one with its settings, licence and memory.

    A recipe of a name of its own runs each; the setting `then` names another from the second round on.

    \b
    safetypairs editors
    safetypairs editors klein
    """
    from safetypairs_hf.editors.catalogue import editor_offer, list_editors

    show(list_editors, editor_offer, name, as_json)
