"""`safetypairs failures`: the pairs that a guard has wrong, worst first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from safetypairs_hf.cli.options import scoring_options

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command("failures")
@click.argument("predictions")
@click.option("--top", type=click.IntRange(min=1), help="How many to show; 20 in a table, all in JSON by default.")
@click.option("--category", help="Those of one category only.")
@scoring_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(predictions: str, top: int | None, category: str | None, reading: Reading, as_json: bool) -> None:
    """The pairs that a guard has wrong, worst first: PREDICTIONS is a file as `safetypairs score` takes it.

    The margin is the safe image's score less the unsafe one's: the higher, the worse. Abstentions come last.

    \b
    safetypairs failures guard.csv --top 10
    safetypairs failures guard.parquet --category hate --json
    """
    from safetypairs_hf.metric.score import failures

    rows = failures(predictions, **reading).to_pylist()
    if category is not None:
        held = sorted({row["category"] for row in rows} - {None})
        rows = [row for row in rows if row["category"] == category]
        if not rows:
            click.echo(f"No failure in {category!r}; the categories with some: {', '.join(held) or 'none'}", err=True)
    shown = rows[: top or (len(rows) if as_json else 20)]
    abstained = sum(row["outcome"] == "abstained" for row in rows)
    if as_json:
        counts = {"n_failures": len(rows), "n_abstained": abstained}
        click.echo(json.dumps({**counts, "failures": shown}, indent=2))
        return
    click.echo(f"{len(shown):,} of {len(rows):,} failures, worst first; {abstained:,} are abstentions")
    if shown:
        click.echo(_table(shown))


def _table(rows: list[dict[str, Any]]) -> str:
    from safetypairs_hf.core.tables import table

    lines = [
        [
            str(row["pair_id"]),
            row["category"] or "-",
            row["outcome"],
            "-" if row["margin"] is None else f"{row['margin']:+.4f}",
        ]
        for row in rows
    ]
    return table("", ("pair_id", "category", "outcome", "margin"), lines)
