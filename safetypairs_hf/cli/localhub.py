"""`safetypairs localhub`: run a Hub server on this machine."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from safetypairs_hf.core.errors import SafetyPairsError


def _loopback(_: click.Context, __: click.Parameter, host: str) -> str:
    if host not in ("127.0.0.1", "localhost"):
        raise click.BadParameter(f"{host!r}: this server listens on 127.0.0.1 only; it is not made for a network")
    return host


@click.command(short_help="Run a Hub server on this machine for tests and rehearsals.")
@click.option(
    "--dir", "directory", required=True, type=click.Path(path_type=Path), help="The folder that stores everything."
)
@click.option("--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.option("--host", default="127.0.0.1", show_default=True, callback=_loopback, help="Loopback only.")
@click.option("--user", "users", multiple=True, metavar="NAME:TOKEN", help="A user; repeatable.")
@click.option("--org", "orgs", multiple=True, metavar="NAME:MEMBER,...", help="An organisation; repeatable.")
@click.option("--users", "file", type=click.Path(path_type=Path), help='JSON: {"users": {...}, "orgs": {...}}.')
def command(
    directory: Path, port: int, host: str, users: tuple[str, ...], orgs: tuple[str, ...], file: Path | None
) -> None:
    """Run a Hub server on this machine that real clients use unchanged.

    It is for tests, demos and rehearsals of a release in an air-gapped lab, and listens on 127.0.0.1 only. Models,
    datasets and spaces stay in the folder after a restart. The default user is local, with the token hf_local.

    \b
    Example:
      safetypairs localhub --dir ./hub --user alice:hf_alice --org lab:alice
      HF_ENDPOINT=http://127.0.0.1:8900 HF_TOKEN=hf_alice hf auth whoami
    """
    try:
        from safetypairs_hf.testing.localhub.accounts import parse_accounts
        from safetypairs_hf.testing.localhub.server import serve
    except ImportError as error:
        raise SafetyPairsError(f"localhub needs {error.name}; type: pip install 'safetypairs-hf[demo]'") from error
    accounts = parse_accounts(users, orgs, file)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve(directory, accounts.users, accounts.orgs, port) as server:
        token = next(iter(accounts.users.values()))
        click.echo(
            f"Local Hub for tests, demos and air-gapped rehearsals: HF_ENDPOINT={server.endpoint} HF_TOKEN={token}"
        )
        stop.wait()
    click.echo("Local Hub stopped.", err=True)
