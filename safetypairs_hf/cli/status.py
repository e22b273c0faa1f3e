"""`safetypairs status`: the funnel of a run, and how fast the steps go that hold a model."""

from __future__ import annotations

import json

import click


@click.command("status")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the funnel as JSON, with every category.")
@click.option("--by-category", is_flag=True, help="Show the yield and the reject reasons of each category, too.")
def command(run: str, as_json: bool, by_category: bool) -> None:
    """The funnel of a run: in and out of each stage, and why the rest went.

    On the machine that builds it, also how many images an hour go through each step that holds a model, and the share
    of the time that the model works.

    \b
    Examples:  safetypairs status runs/icons
               safetypairs status runs/icons --by-category
    """
    from safetypairs_hf.report.run_status import status

    found = status(run)
    for fault in found.warnings:
        click.echo(f"safetypairs: {fault}", err=True)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    shown = [found.stages(), *([found.by_category()] if by_category else []), *found.lines]
    click.echo("\n".join(shown))
