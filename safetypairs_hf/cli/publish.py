"""`safetypairs publish`: a run as a version of a dataset."""

from __future__ import annotations

from typing import Any

import click


@click.command("publish")
@click.argument("run", metavar="RUN|REVIEW")
@click.argument("target")
@click.option("--version", required=True, metavar="X.Y.Z", help="Patch: card only. Minor: pairs added. Major: removed.")
@click.option("--replace", is_flag=True, help="Hold exactly the run's pairs, instead of adding them to what is there.")
@click.option("--require-review", is_flag=True, help="Refuse new pairs that are unreviewed or disputed.")
@click.option("--min-reviewers", metavar="N", type=int, help="Refuse those that fewer people have reviewed, too.")
@click.option("--min-agreement", metavar="A", type=float, help="Refuse those on which people agree less, 0 to 1, too.")
@click.option("--with-failures", is_flag=True, help="Publish the run's failed edits too, as the config `failures`.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--no-probe", is_flag=True, help="Leave out the probe whose figures the card has.")
@click.option("--accept-license", is_flag=True, help="Publish although a model's licence restricts its output.")
@click.option("--private", is_flag=True, help="Make the Hub repo private.")
@click.option(
    "--gated",
    is_flag=False,
    flag_value="auto",
    type=click.Choice(["auto", "manual"]),
    help="Gate the Hub repo: access is granted at once (auto) or by you (manual).",
)
@click.option("--create-pr", is_flag=True, help="Propose the release to a Hub repo as a pull request.")
def command(
    run: str,
    target: str,
    version: str,
    replace: bool,
    require_review: bool,
    min_reviewers: int | None,
    min_agreement: float | None,
    with_failures: bool,
    dry_run: bool,
    no_probe: bool,
    accept_license: bool,
    private: bool,
    gated: str | None,
    create_pr: bool,
) -> None:
    """Publish a run as a version of a dataset.

    TARGET is org/name on the Hub, or a local folder such as ./safetypairs. The release is one commit and one tag, or
    nothing. Controls that the run holds are published with their pairs, as the config `controls`. Pairs that people
    rejected stay out. REVIEW, a folder in which a published version was reviewed, adds reviews alone: a patch.

    \b
    Examples:  safetypairs publish runs/icons my-org/safetypairs --version 1.0.0
               safetypairs publish review-icons-1.0.0 my-org/icons --version 1.0.1
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish
    from safetypairs_hf.reviewing.read_review import open_run_or_review

    wanted = parse(version)
    quiet_hub()
    to = parse_target(target, private=private, gated=gated, create_pr=create_pr)
    with when_stopped(to.standing), reported("publish") as progress:
        options: dict[str, Any] = {
            "replace": replace,
            "require_review": require_review,
            "min_reviewers": min_reviewers,
            "min_agreement": min_agreement,
            "with_failures": with_failures,
            "dry_run": dry_run,
            "probe": not no_probe,
            "accept_license": accept_license,
        }
        published = publish(open_run_or_review(run), to, wanted, **options, progress=progress)
    plan = published.plan
    for reason, count in plan.rejected.items():
        click.echo(f"safetypairs: {count} pairs are left out: {reason}", err=True)
    for fault in published.faults:
        click.echo(f"safetypairs: {fault}", err=True)
    if plan.rejected_and_published:
        click.echo(
            f"safetypairs: people rejected {plan.rejected_and_published} published pairs, which stay: remove them by "
            "--replace, or by takedown",
            err=True,
        )
    total = len(plan.kept) + len(plan.added)
    added, removed, relabelled = plan.counts
    changed = f", {relabelled:,} relabelled" if relabelled else ""
    difference = f"{added:,} pairs added, {removed:,} removed{changed}, {total:,} in all"
    if plan.failures.added or plan.failures.removed:
        gone = len(plan.failures.removed)
        difference += f"; {len(plan.failures.added):,} failures added" + (f", {gone:,} removed" if gone else "")
    if plan.rereviewed:
        difference += f"; {plan.rereviewed:,} published pairs reviewed"
    if plan.taxonomy_summary:
        difference += f"; {plan.taxonomy_summary}"
    if not published.done:
        click.echo(f"{published.where}: nothing to do")
    elif dry_run:
        click.echo(f"would publish {wanted} (last: {plan.last or 'none'}): {difference}; nothing was changed")
    else:
        click.echo(f"{'proposed' if create_pr else 'published'} {wanted}: {difference}")
        click.echo(f"at {published.where}")
