"""`safetypairs status`: show the funnel of a run, and the rates of the steps that hold a model."""

from __future__ import annotations

import json

import click


@click.command("status")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the funnel as JSON, with all categories.")
@click.option("--by-category", is_flag=True, help="Also show the yield and the reject reasons of each category.")
def command(run: str, as_json: bool, by_category: bool) -> None:
    """Show the funnel of a run: how many entered and left each stage, and why others were rejected.

    On the machine that builds the run, it also shows how many images per hour each step with a model processes, and the
    share of the time that the model works.

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
