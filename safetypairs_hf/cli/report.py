"""`safetypairs report`: predictions, a run or a published dataset as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import scoring_options

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command("report")
@click.argument("what", nargs=-1, required=True, metavar="PREDICTIONS... | RUN | TARGET[@VERSION]")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write this HTML page.")
@click.option("--data", metavar="TARGET[@VERSION]", help="The data that the guards were run on: shows the failures.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the leaderboard as Markdown.")
@click.option("--name", "names", multiple=True, help="What to call a guard; once for each file, in their order.")
@click.option("--failures", default=12, show_default=True, type=click.IntRange(min=0), help="Failures of each guard.")
@scoring_options
def command(
    what: tuple[str, ...],
    out: Path,
    data: str | None,
    markdown: Path | None,
    names: tuple[str, ...],
    failures: int,
    reading: Reading,
) -> None:
    """One page that stands alone: guards compared, a run's funnel, or a dataset.

    PREDICTIONS are files as `safetypairs score` takes them. The page fetches nothing and runs no script; images of
    failures are blurred until asked for.

    \b
    safetypairs report a.parquet b.csv --out report.html --data org/name@1.2.0
    safetypairs report a.parquet b.csv --out report.html --markdown table.md
    safetypairs report runs/icons --out run.html
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.report.report import make_report

    quiet_hub()
    with reported("report"):
        made = make_report(
            what,
            out,
            data=data,
            markdown=markdown,
            names=names,
            failures=failures,
            **reading,
        )
    click.echo(made)
