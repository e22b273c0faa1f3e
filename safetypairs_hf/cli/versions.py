"""`safetypairs versions`: the versions that a dataset has."""

from __future__ import annotations

import json

import click


@click.command("versions")
@click.argument("target")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(target: str, as_json: bool) -> None:
    """The versions that a dataset has, newest first.

    \b
    Example:  safetypairs versions my-org/safetypairs
    """
    from safetypairs_hf.publishing.targets import parse_target
    from safetypairs_hf.tables import table

    releases = parse_target(target).head().releases[::-1]
    columns = ("version", "pairs", "added", "removed", "recipe", "code")
    if as_json:
        click.echo(json.dumps([{column: release[column] for column in columns} for release in releases], indent=2))
    elif not releases:
        click.echo(f"{target} has no version yet; make one: safetypairs publish RUN {target} --version 1.0.0")
    else:
        click.echo(table(target, columns, [[release[column] for column in columns] for release in releases]))
