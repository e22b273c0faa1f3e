"""`safetypairs takedown`: remove pairs for good, and find or purge older versions that still hold them."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("takedown")
@click.argument("target")
@click.argument("pair_ids", metavar="PAIR_ID...", nargs=-1, required=True)
@click.option("--reason", metavar="TEXT", default="", help="The reason; it is public, in takedowns.json.")
@click.option("--version", metavar="X.0.0", default="", help="The new version, a major one.")
@click.option(
    "--rewrite-history", is_flag=True, help="Also purge older versions; pairs already taken down are only purged."
)
@click.option("--yes", is_flag=True, help="Do not ask before history is rewritten.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    target: str,
    pair_ids: tuple[str, ...],
    reason: str,
    version: str,
    rewrite_history: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove pairs for good, in a new major version.

    The pairs and near-duplicates of their images stay out of every later release. Older versions still hold them: the
    command lists these versions, and --rewrite-history purges them.

    \b
    Example:  safetypairs takedown my-org/safetypairs 0123456789abcdef
                --reason "asked for by the person in it" --version 2.0.0
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.local_target import LocalTarget
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.purge import History, older
    from safetypairs_hf.publishing.takedown import images_of, takedown
    from safetypairs_hf.publishing.target import PUBLISHED, UNCHANGED

    quiet_hub()
    found: dict[str, Any] = {}

    def show(name: str, result: Any) -> None:
        found[name] = result.to_dict()
        if not as_json:
            click.echo(str(result))

    place = parse_target(target)
    target, on_hub = place.name, not isinstance(place, LocalTarget)
    rewriting = f"the history may be rewritten in part: to finish, safetypairs takedown {target} {' '.join(pair_ids)}"
    with reported("takedown"):
        before = images_of(place, pair_ids) if rewrite_history else None
    if before is None:
        if not reason or not version:
            raise click.UsageError("--reason and --version are needed, but for pairs that were taken down before")
        wanted = parse(version)
        if rewrite_history and not dry_run:
            _ask(target, yes or not on_hub)
        to = parse_target(target)
        with when_stopped(to.standing), reported("takedown"):
            done = takedown(to, pair_ids, reason, wanted, dry_run=dry_run)
        show("release", done)
        images = {(entry.unsafe_sha256, entry.safe_sha256) for entry in done.plan.removed}
    else:
        images = before
        if not dry_run:
            _ask(target, yes or not on_hub)
    if not on_hub:
        if not as_json:
            click.echo("a folder holds one version only: no older one is left")
    elif rewrite_history and not dry_run:
        with when_stopped(lambda: f"{rewriting} --rewrite-history"), reported("takedown"):
            rewritten = History(target).rewrite(images)
        show("rewritten", rewritten)
        for line in rewritten.left:
            click.echo(f"safetypairs: left: {line}", err=True)
    else:
        standing = UNCHANGED if dry_run or before is not None else PUBLISHED
        with when_stopped(lambda: standing), reported("takedown"):
            still = older(target, pair_ids, images)
        show("older", still)
    if as_json:
        click.echo(json.dumps(found, indent=2))


def _ask(target: str, yes: bool) -> None:
    """Ask for confirmation. Raises PublishError if there is no terminal to ask at, and click.Abort for a no."""
    import sys

    from safetypairs_hf.core.errors import PublishError

    if yes:
        return
    if not sys.stdin.isatty():
        raise PublishError("--rewrite-history cannot be undone, and there is no terminal to ask at; add --yes")
    click.confirm(
        f"Every version of {target} that holds the pairs is deleted, and the history of the others. Go on?", abort=True
    )
