"""`safetypairs takedown`: pairs removed for good, and older versions that still hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from safetypairs_hf.publishing.purge import Traces
    from safetypairs_hf.publishing.takedown import Done


@click.command("takedown")
@click.argument("target")
@click.argument("pair_ids", metavar="PAIR_ID...", nargs=-1, required=True)
@click.option("--reason", metavar="TEXT", default="", help="Why; everybody can read it in takedowns.json.")
@click.option("--version", metavar="X.0.0", default="", help="The new version: a major one.")
@click.option(
    "--rewrite-history", is_flag=True, help="Purge older versions too. For pairs taken down before, only that."
)
@click.option("--yes", is_flag=True, help="Do not ask before history is rewritten.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def command(
    target: str, pair_ids: tuple[str, ...], reason: str, version: str, rewrite_history: bool, yes: bool, dry_run: bool
) -> None:
    """Remove pairs for good, in a new major version.

    They stay out of every later release, and so does what looks like them. Older versions hold them still: the command
    says which, and --rewrite-history purges those.

    \b
    Example:  safetypairs takedown my-org/safetypairs 0123456789abcdef
                --reason "asked for by the person in it" --version 2.0.0
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.local_target import LocalTarget
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.takedown import images_of, takedown
    from safetypairs_hf.publishing.target import PUBLISHED, UNCHANGED

    quiet_hub()
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
        _say(target, pair_ids, done)
        images = {(entry.unsafe_sha256, entry.safe_sha256) for entry in done.plan.removed}
    else:
        images = before
        if not dry_run:
            _ask(target, yes or not on_hub)
    if not on_hub:
        click.echo("a folder holds one version only: no older one is left")
    elif rewrite_history and not dry_run:
        with when_stopped(lambda: f"{rewriting} --rewrite-history"), reported("takedown"):
            _rewrite(target, images)
    else:
        standing = UNCHANGED if dry_run or before is not None else PUBLISHED
        with when_stopped(lambda: standing), reported("takedown"):
            _say_older(target, pair_ids, images)


def _ask(target: str, yes: bool) -> None:
    """Raises SafetyPairsError where nobody can be asked, and click.Abort for a no."""
    import sys

    from safetypairs_hf.core.errors import PublishError

    if yes:
        return
    if not sys.stdin.isatty():
        raise PublishError("--rewrite-history cannot be undone, and there is no terminal to ask at; add --yes")
    click.confirm(
        f"Every version of {target} that holds the pairs is deleted, and the history of the others. Go on?", abort=True
    )


def _say(target: str, pair_ids: Sequence[str], done: Done) -> None:
    plan = done.plan
    total = f"{len(plan.kept):,} pairs stay"
    if not done.where:
        click.echo(f"would take {len(plan.removed)} pairs down in {plan.version} (last: {plan.last}): {total}")
    else:
        click.echo(f"took {len(plan.removed)} pairs down in {plan.version}: {total}\nat {done.where}")
    if done.near:
        shown = " ".join(done.near[:5]) + (" ..." if len(done.near) > 5 else "")
        click.echo(f"{len(done.near)} pairs that stay look like one of them: {shown}")


def _say_older(target: str, pair_ids: Sequence[str], images: set[tuple[str, str]]) -> None:
    from safetypairs_hf.publishing.purge import History

    history = History(target)
    traces: Traces = history.traces(images)
    ours = traces.tags or traces.reaching or traces.main
    if not ours and not traces.others:
        click.echo("no other version holds them")
    if ours:
        click.echo(f"older versions that hold them: {', '.join(traces.tags) or 'none by a tag, but in the history'}")
        click.echo(f"to purge them: safetypairs takedown {target} {' '.join(pair_ids)} --rewrite-history")
    if traces.tags:
        click.echo("to delete the versions only (their commits can still be read by id):")
    for tag in traces.tags:
        click.echo(f"  hf repos tag delete {target} {tag} --type dataset --yes")
    if traces.others:
        click.echo("other branches and pull requests that reach them, and what to do about each:")
    for name in traces.others:
        click.echo(f"  {name}: {history.advice(name)}")


def _rewrite(target: str, images: set[tuple[str, str]]) -> None:
    from safetypairs_hf.publishing.purge import History

    done = History(target).rewrite(images)
    if not (done.deleted or done.moved or done.main or done.removed or done.left):
        click.echo("no other version holds them: nothing to rewrite")
        return
    click.echo(f"versions deleted: {', '.join(done.deleted) or 'none'}; they can no longer be loaded")
    click.echo(f"versions with the same files on a new commit: {', '.join(done.moved) or 'none'}")
    click.echo(f"data files removed from storage: {done.removed}")
    lost = "lost: the history of main. " if done.main else ""
    click.echo(f"{lost}What others have downloaded, or hold in forks, is not reached from here.")
    for line in done.left:
        click.echo(f"safetypairs: left: {line}", err=True)
