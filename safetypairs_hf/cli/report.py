"""`safetypairs report`: show predictions, a run or a published dataset as a page, a folder of pages, or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import scoring_options
from safetypairs_hf.core.errors import counted

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading

_FILE, _FOLDER = (
    click.Path(dir_okay=False, path_type=Path),
    click.Path(file_okay=False, path_type=Path),
)


@click.command("report")
@click.argument("what", nargs=-1, required=True, metavar="PREDICTIONS... | RUN | TARGET[@VERSION]")
@click.option("--out", type=_FILE, help="Write this HTML page, which needs no other file.")
@click.option("--full", type=_FOLDER, help="Write this folder: the page, a page per pair, and the original images.")
@click.option("--data", metavar="TARGET[@VERSION]", help="The data that the guards were run on; shows the failures.")
@click.option("--markdown", type=_FILE, help="Write the leaderboard as Markdown.")
@click.option("--name", "names", multiple=True, help="The name of a guard; once for each file, in their order.")
@click.option(
    "--failures", default=24, show_default=True, type=click.IntRange(min=0), help="The most failures to show per guard."
)
@click.option("--json", "as_json", is_flag=True, help="Print the data of the page as JSON.")
@scoring_options
def command(
    what: tuple[str, ...],
    out: Path | None,
    full: Path | None,
    data: str | None,
    markdown: Path | None,
    names: tuple[str, ...],
    failures: int,
    as_json: bool,
    reading: Reading,
) -> None:
    """Show a comparison of guards, the funnel of a run, or a dataset as one HTML page.

    PREDICTIONS are files as for `safetypairs score`. The page fetches nothing from elsewhere. It blurs unsafe images
    until the reader shows them. For a run or a dataset it shows a sample of the pairs.

    \b
    safetypairs report a.parquet b.csv --out report.html --data org/name@1.2.0
    safetypairs report a.parquet b.csv --out report.html --markdown table.md
    safetypairs report runs/icons --out run.html
    safetypairs report org/name@1.2.0 --full pairs/
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.report.report import report

    written = [str(path) for path in (out, full and full / "index.html", markdown) if path]
    if not written and not as_json:
        raise click.UsageError("nothing to write: give --out PAGE.html, --full FOLDER, --markdown FILE or --json")
    quiet_hub()
    with reported("report") as progress:
        found = report(
            what,
            out,
            full=full,
            data=data,
            markdown=markdown,
            names=names,
            failures=failures,
            progress=progress,
            **reading,
        )
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    count = len(found["guards"]) if found["kind"] == "guards" else 0
    of = counted(count, "guard") if count else what[0]
    click.echo(f"{of} in {' and '.join(written)}")
