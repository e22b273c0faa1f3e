"""`safetypairs autoload on|off|status`: make `load_dataset('safetypairs')` work with no import."""

from __future__ import annotations

import json

import click

from safetypairs_hf.cli.groups import CommandGroup
from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.loading import autoload
from safetypairs_hf.loading.autoload import Status

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=CommandGroup)
def command() -> None:
    """Make load_dataset('safetypairs') work with no import.

    \b
    safetypairs autoload on --repo org/name --version 1.2.0
    """


@command.command()
@click.option("--repo", metavar="REPO", help="org/name on the Hub, or a folder; the package's own set by default.")
@click.option("--version", metavar="X.Y.Z", help="The version to load; the newest by default.")
@_json
def on(repo: str | None, version: str | None, as_json: bool) -> None:
    """Register the name whenever this environment's Python starts.

    \b
    safetypairs autoload on --repo ./safetypairs
    """
    _print(autoload.on(repo, version), as_json)


@command.command()
@_json
def off(as_json: bool) -> None:
    """Undo `on`, and delete the repo and the version that it saved.

    \b
    safetypairs autoload off
    """
    _print(autoload.off(), as_json)


@command.command()
@_json
def status(as_json: bool) -> None:
    """Show whether it is on, and what the name means.

    \b
    safetypairs autoload status --json
    """
    _print(autoload.status(), as_json)


def _print(found: Status, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    click.echo(f"autoload is {'on' if found.on else 'off'} ({found.pth})")
    repo = "the set that the package carries" if found.repo == NAME else found.repo
    click.echo(f"'safetypairs' means {repo} {found.version or '(newest version)'}, set by: {found.origin}")
