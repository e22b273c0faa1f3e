"""`safetypairs guards`: list the guards, which evaluate and which judge pairs in a build."""

from __future__ import annotations

import click

from safetypairs_hf.cli.offers import named, show


@click.command("guards")
@click.argument("name", required=False, shell_complete=named("safetypairs_hf.guards.catalogue", "guard_names"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the guards, or show the guard NAME with its settings, licence and an example.

    \b
    safetypairs guards
    safetypairs guards llavaguard
    """
    from safetypairs_hf.guards.catalogue import guard_offer, list_guards

    show(list_guards, guard_offer, name, as_json)
