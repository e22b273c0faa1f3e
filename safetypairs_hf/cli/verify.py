"""`safetypairs verify`: read a published version again and check it."""

from __future__ import annotations

import json
import sys

import click


@click.command("verify")
@click.argument("target", metavar="TARGET[@VERSION]")
@click.option("--version", metavar="X.Y.Z", help="The version to check; the newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(target: str, version: str | None, as_json: bool) -> None:
    """Read a whole published version and check it. Prints a line for each problem, and for each check that was skipped.

    The checks: counts; the hash of every file and image; that images decode and look as before; the schema, edit boxes
    and pair ids; the card against the manifest; groups; and, on the Hub, that no pair ever changed its split. If there
    is any problem or any skipped check, the exit status is 1.

    \b
    Example:  safetypairs verify my-org/safetypairs --version 1.1.0
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.versions.verify import verify

    quiet_hub()
    with reported("verify") as progress:
        report = verify(target, version, progress)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))
    if not report.ok:
        sys.exit(1)
