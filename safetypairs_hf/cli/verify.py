"""`safetypairs verify`: read a published version again, and check it."""

from __future__ import annotations

import json
import sys

import click


@click.command("verify")
@click.argument("target", metavar="TARGET[@VERSION]")
@click.option("--version", metavar="X.Y.Z", help="The version to check; the newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(target: str, version: str | None, as_json: bool) -> None:
    """Read a published version whole, and check it; exits 1 with a line for each problem, or for what was not checked.

    Counts, every file and image by its hash, that images decode and look as they did, schema, edit boxes, pair ids,
    the card against the manifest, groups, and on the Hub that no pair ever changed its split.

    \b
    Example:  safetypairs verify my-org/safetypairs --version 1.1.0
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.target_name import parse_target_name
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.dataset.store.open_store import store_of
    from safetypairs_hf.versions.verify import verify

    quiet_hub()
    name = parse_target_name(target, parse(version) if version else None)
    with reported("verify") as progress:
        report = verify(store_of(name), name.version, progress)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        count = len(report.problems)
        for problem in report.problems:
            click.echo(str(problem))
        read = f"{report.pairs:,} pairs, {report.files:,} data files, {report.size:,} bytes"
        against = f"; splits as in {', '.join(map(str, report.earlier))}" if report.earlier else ""
        for left in report.unchecked:
            click.echo(f"not checked: {left}")
        rest = "not all was checked" if report.unchecked else f"ok{against}"
        said = f"{count:,} problem{'s' if count > 1 else ''}" if count else rest
        click.echo(f"{report.target}@{report.version}: {read}: {said}")
    if not report.ok:
        sys.exit(1)
