"""`safetypairs compare`: two files of predictions on the same pairs."""

from __future__ import annotations

import json

import click

from safetypairs_hf.cli.options import scoring_options


@click.command()
@click.argument("a", type=click.Path(dir_okay=False))
@click.argument("b", type=click.Path(dir_okay=False))
@click.option("--common", is_flag=True, help="Compare on the pairs that both files hold, and count the rest.")
@scoring_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(a: str, b: str, common: bool, threshold: float, incomplete: str, as_json: bool) -> None:
    """Two guards on the same pairs: A and B are files as `safetypairs score` takes them.

    \b
    safetypairs compare before.csv after.csv
    safetypairs compare a.parquet b.parquet --common --json
    """
    from safetypairs_hf.metric.comparing import compare

    result = compare(a, b, common=common, threshold=threshold, incomplete=incomplete)
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else str(result))
