"""`safetypairs power`: compute how many pairs it takes to detect a difference between two guards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import scoring_options

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command("power")
@click.option("--difference", type=float, multiple=True, help="A difference in pair accuracy to detect; repeatable.")
@click.option(
    "--discordance",
    type=float,
    multiple=True,
    help="The share of pairs on which only one guard is right; repeatable.",
)
@click.option(
    "--data-from",
    nargs=2,
    metavar="A B",
    help="Also use the discordance of two prediction files on the same pairs.",
)
@click.option("--common", is_flag=True, help="Use only the pairs that both of these files have.")
@scoring_options
@click.option("--alpha", type=float, default=0.05, show_default=True, help="The level of the two-sided test.")
@click.option("--power", type=float, default=0.8, show_default=True, help="The probability to detect the difference.")
@click.option(
    "--design-effect",
    type=float,
    help="How many pairs of a group carry as much information as one independent pair; by default from --data-from, "
    "else 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    difference: tuple[float, ...],
    discordance: tuple[float, ...],
    data_from: tuple[str, str] | None,
    common: bool,
    reading: Reading,
    alpha: float,
    power: float,
    design_effect: float | None,
    as_json: bool,
) -> None:
    """Compute how many pairs it takes to detect a difference between two guards.

    \b
    safetypairs power
    safetypairs power --difference 0.03 --discordance 0.25
    safetypairs power --discordance 0.25 --design-effect 1.5
    safetypairs power --data-from before.csv after.csv --json

    The numbers hold for the exact test of `safetypairs compare`.
    """
    from safetypairs_hf.metric.power import DIFFERENCES, DISCORDANCES
    from safetypairs_hf.metric.power_plan import power as pairs_for

    result = pairs_for(
        difference or DIFFERENCES,
        discordance or DISCORDANCES,
        alpha=alpha,
        power=power,
        design_effect=design_effect,
        data_from=data_from,
        common=common,
        **reading,
    )
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else str(result))
