"""`safetypairs review`: let people review pairs on a local web page."""

from __future__ import annotations

import json
import signal
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from safetypairs_hf.cli.options import choice_option
from safetypairs_hf.core.errors import counted, verb

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.review import ReviewServer

_NEW = click.Path(dir_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command("review")
@click.argument("what", metavar="RUN | TARGET[@VERSION]")
@click.option("--reviewer", metavar="NAME", help="The reviewer's name or pseudonym; the page asks for it otherwise.")
@click.option(
    "--reviewers", default=2, show_default=True, type=click.IntRange(min=1), help="The number of reviewers per pair."
)
@choice_option("--order", ("doubtful", "random"), "Show first the pairs of which judges are least sure, or any order.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(min=1), help="The most pairs per session.")
@click.option("--port", default=8901, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Hosts other than loopback need --tls.")
@click.option("--tls", nargs=2, type=_FILE, metavar="CERT KEY", help="Serve HTTPS with these PEM files.")
@click.option("--out", metavar="DIR", help="Folder for the decisions.  [default: RUN, or ./review-NAME-VERSION]")
@click.option("--figures", is_flag=True, help="Print the figures of the review so far, and serve no page.")
@click.option("--json", "as_json", is_flag=True, help="Print the output of --figures, --export or --import as JSON.")
@click.option("--export", "exported", type=_NEW, metavar="FILE", help="Write the pairs for another program instead.")
@click.option("--to", type=click.Choice(("label-studio", "csv")), help="Format of --export.  [default: label-studio]")
@click.option("--images", type=click.Choice(("inline", "folder")), help="Where --export writes images.")
@click.option("--import", "imported", type=_FILE, metavar="FILE", help="Read decisions from such a file instead.")
@click.option("--open/--no-open", "browse", default=False, show_default=True, help="Open the page in a browser here.")
def command(
    what: str,
    reviewer: str | None,
    reviewers: int,
    order: str,
    limit: int,
    port: int,
    host: str,
    tls: tuple[Path, Path] | None,
    out: str | None,
    browse: bool,
    figures: bool,
    as_json: bool,
    exported: Path | None,
    to: str | None,
    images: str | None,
    imported: Path | None,
) -> None:
    """Serve a page on this machine where people review pairs.

    Images are blurred until the reviewer shows them. Each decision is saved before the next pair appears. Ctrl-C ends
    the review; the same command continues it.

    \b
    Examples:  safetypairs review runs/icons
               safetypairs review my-org/safetypairs@1.1.0 --reviewer anna
               safetypairs review runs/icons --figures
               safetypairs review runs/icons --export tasks.json --to label-studio
    """
    instead = [name for name, given in (("figures", figures), ("export", exported), ("import", imported)) if given]
    if len(instead) > 1:
        raise click.UsageError(f"--{instead[0]} and --{instead[1]}: one at a time")
    if (to or images) and not exported:
        raise click.UsageError("--to and --images belong to --export FILE")
    if as_json and not instead:
        raise click.UsageError("--json belongs to --figures, --export or --import")
    if instead:
        _instead(what, figures, exported, imported, as_json, to=to, images=images, reviewer=reviewer, out=out)
        return
    from safetypairs_hf.cli.progress import quiet_hub
    from safetypairs_hf.reviewing.review import review

    quiet_hub()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def told(server: ReviewServer) -> None:
        click.echo(server)
        for fault in (fault for faults in server.sessions.faults.values() for fault in faults):
            click.echo(f"safetypairs: {fault}", err=True)
        click.echo(
            "Open it in a browser here, or over an SSH tunnel (docs/review.md). Ctrl-C ends the review.", err=True
        )
        if browse:
            webbrowser.open(server.address)

    review(
        what,
        reviewer=reviewer,
        reviewers=reviewers,
        order=order,
        limit=limit,
        host=host,
        port=port,
        tls=tls,
        out=out,
        told=told,
        stop=stop,
    )
    click.echo("review stopped; every decision is kept", err=True)


def _instead(
    what: str, figures: bool, exported: Path | None, imported: Path | None, as_json: bool, **given: Any
) -> None:
    """Print the figures, export or import, instead of serving the page."""
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.reviewing.exchange import FORMATS, export_review, figures_of_review, import_review

    quiet_hub()
    out = given["out"]
    if figures:
        found = figures_of_review(what, out=out)
        click.echo(json.dumps(found.to_dict(), indent=2) if as_json else found)
    elif exported:
        to = given["to"] or FORMATS[0]
        with reported("review") as progress:
            done = export_review(what, exported, to=to, images=given["images"], progress=progress)
        files = [str(done.file), *map(str, done.beside)]
        if as_json:
            click.echo(json.dumps({"pairs": done.pairs, "files": files}, indent=2))
        else:
            click.echo(f"{counted(done.pairs, 'pair')} for {to}: {', '.join(files)}")
    elif imported:
        read = import_review(what, imported, reviewer=given["reviewer"], out=out)
        if as_json:
            counts = {"new": len(read.decisions), "recorded_before": read.there, "not_filled_in": read.empty}
            click.echo(json.dumps(counts, indent=2))
        else:
            new, there, empty = len(read.decisions), read.there, read.empty
            click.echo(
                f"{counted(new, 'decision')} {verb(new, 'is')} new, {there:,} {verb(there, 'was')} recorded before, "
                f"{empty:,} {verb(empty, 'is')} not filled in"
            )
