"""`safetypairs versions`: the versions that a dataset has."""

from __future__ import annotations

import json

import click


@click.command("versions")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, with whole commit ids.")
def command(target: str, as_json: bool) -> None:
    """The versions that a dataset has, newest first, and on the Hub the commit that each one's tag names.

    \b
    Example:  safetypairs versions my-org/safetypairs
    """
    from safetypairs_hf.cli.progress import quiet_hub
    from safetypairs_hf.versions.versions import versions

    quiet_hub()
    found = versions(target)
    click.echo(json.dumps(found.to_dict()["versions"], indent=2) if as_json else str(found))
