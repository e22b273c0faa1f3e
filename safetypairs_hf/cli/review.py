"""`safetypairs review`: people look at pairs, on a page of this machine, and decide on them."""

from __future__ import annotations

import signal
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import choice_option

if TYPE_CHECKING:
    from safetypairs_hf.reviewing.review import ReviewServer

_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command("review")
@click.argument("what", metavar="RUN | TARGET[@VERSION]")
@click.option("--reviewer", metavar="NAME", help="The reviewer's name or pseudonym; the page asks for it otherwise.")
@click.option(
    "--reviewers", default=2, show_default=True, type=click.IntRange(min=1), help="Each pair goes to so many."
)
@choice_option("--order", ("doubtful", "random"), "Pairs that the judges are least sure of first, or any order.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(min=1), help="Pairs a session, at most.")
@click.option("--port", default=8901, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Other than loopback only with --tls.")
@click.option("--tls", nargs=2, type=_FILE, metavar="CERT KEY", help="Certificate and key, PEM files: serve HTTPS.")
@click.option("--out", metavar="DIR", help="Folder of the decisions.  [default: RUN, or ./review-NAME-VERSION]")
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
) -> None:
    """A page on this machine where people look at pairs and decide on them.

    Images are blurred until asked for. Each decision is on disk before the next pair shows. Ctrl-C ends the review, and
    the same command goes on where it was.

    \b
    Examples:  safetypairs review runs/icons
               safetypairs review my-org/safetypairs@1.1.0 --reviewer anna --order random
    """
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
