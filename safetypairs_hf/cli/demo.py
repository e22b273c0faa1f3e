"""`safetypairs demo`: run the whole pipeline offline."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="safetypairs-demo",
    show_default=True,
    help="The folder to write.",
)
@click.option("--pairs", type=click.IntRange(min=9), default=90, show_default=True, help="Pairs in version 1.0.0.")
@click.option("--more", type=click.IntRange(min=1), default=90, show_default=True, help="Pairs that 1.1.0 adds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the steps go to stderr.")
def command(out: Path, pairs: int, more: int, as_json: bool) -> None:
    """Run the whole pipeline offline: build, publish two versions to a local Hub, load, score, report.

    \b
    Example:  safetypairs demo --out safetypairs-demo
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import reported
    from safetypairs_hf.core.tables import table
    from safetypairs_hf.demo.road import demo

    kept = f"what is done is kept in {out}, and the same command continues from there"
    with when_stopped(lambda: kept), reported("demo") as progress:
        outcome = demo(out, pairs, more, partial(click.echo, err=as_json), progress)
    if as_json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
        return
    columns = ("guard", "pair accuracy (95%)", "image acc.", "over-blocked", "missed")
    rows = []
    for name, score in outcome.scores.items():
        low, high = score.pair_accuracy_ci
        figures = (score.image_accuracy, score.both_unsafe_rate, score.both_safe_rate)
        rows.append([name, f"{score.pair_accuracy:.3f} ({low:.3f}-{high:.3f})", *(f"{x:.3f}" for x in figures)])
    click.echo("")
    click.echo(table("A pair counts only if both of its images are judged right", columns, rows))
    click.echo(f"\nThe pairs, side by side:  {outcome.sheet}")
    click.echo(f"The guards, as a page:    {outcome.report}")
    made = outcome.dataset if out.is_absolute() else f"./{outcome.dataset}"
    click.echo("\nLoad what was made:\n")
    click.echo("    from datasets import load_dataset")
    click.echo(f'    ds = load_dataset("{made}", split="test")')
    click.echo('    ds[0]["unsafe_image"].show(), ds[0]["safe_image"].show()')
