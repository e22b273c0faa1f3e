"""`safetypairs failures`: list the pairs that a guard misjudges, worst first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safetypairs_hf.cli.options import scoring_options
from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command("failures")
@click.argument("predictions")
@click.option("--top", type=click.IntRange(min=1), help="How many to show; by default 20 in a table, all in JSON.")
@click.option("--category", help="Show only the failures in this category.")
@click.option("--data", metavar="TARGET[@VERSION]", help="The data that the guard was run on, for --sheet.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw the listed pairs in this PNG.")
@click.option("--show-unsafe", is_flag=True, help="Do not blur the unsafe members on the sheet.")
@scoring_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    predictions: str,
    top: int | None,
    category: str | None,
    data: str | None,
    sheet: Path | None,
    show_unsafe: bool,
    reading: Reading,
    as_json: bool,
) -> None:
    """List the pairs that a guard misjudges, worst first. PREDICTIONS is a file as for `safetypairs score`.

    The margin is the score of the safe image minus that of the unsafe one; a higher margin is worse. Abstentions are
    last.

    \b
    safetypairs failures guard.csv --top 10
    safetypairs failures guard.parquet --category hate --json
    safetypairs failures guard.parquet --data org/name@1.2.0 --sheet worst.png
    """
    from safetypairs_hf.metric.score import failures

    if (data is None) != (sheet is None):
        raise click.UsageError("--data says where the images are, and --sheet where to draw them; give both or neither")
    rows = failures(predictions, category=category, **reading).to_pylist()
    shown = rows[: top or (len(rows) if as_json else 20)]
    abstained = sum(row["outcome"] == "abstained" for row in rows)
    if as_json:
        counts = {"n_failures": len(rows), "n_abstained": abstained}
        click.echo(json.dumps({**counts, "failures": shown}, indent=2))
    else:
        said = f"{len(shown):,} of {counted(len(rows), 'failure')}, worst first; {counted(abstained, 'abstention')}"
        click.echo(said)
        if shown:
            click.echo(_table(shown))
    if data and sheet:
        from safetypairs_hf.cli.progress import quiet_hub, reported
        from safetypairs_hf.report.failure_sheet import draw_failures

        quiet_hub()
        with reported("failures"):
            drawn = draw_failures(shown, data, sheet, show_unsafe=show_unsafe)
        of_all = f"{drawn:,} of " if drawn < len(rows) else ""
        failed = f"{of_all}{counted(len(rows), 'failure')}"
        click.echo(f"{failed} drawn in {sheet}" if drawn else "no failure to draw", err=as_json)


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
