"""`safetypairs versions`: list the versions of a dataset."""

from __future__ import annotations

import json

import click


@click.command("versions")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print the versions as JSON, with full commit ids.")
def command(target: str, as_json: bool) -> None:
    """List the versions of a dataset, newest first; on the Hub, with the commit of each version's tag.

    \b
    Example:  safetypairs versions my-org/safetypairs
    """
    from safetypairs_hf.cli.progress import quiet_hub
    from safetypairs_hf.versions.versions import versions

    quiet_hub()
    found = versions(target)
    click.echo(json.dumps(found.to_dict()["versions"], indent=2) if as_json else str(found))
