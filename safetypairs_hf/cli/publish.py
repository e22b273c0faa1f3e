"""`safetypairs publish`: publish a run as a version of a dataset."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("publish")
@click.argument("run", metavar="RUN|REVIEW")
@click.argument("target")
@click.option("--version", required=True, metavar="X.Y.Z", help="Patch: card only. Minor: pairs added. Major: removed.")
@click.option("--replace", is_flag=True, help="Replace the published pairs by those of the run, instead of adding.")
@click.option("--require-review", is_flag=True, help="Refuse new pairs that are unreviewed or disputed.")
@click.option("--min-reviewers", metavar="N", type=int, help="Also refuse pairs with fewer reviewers.")
@click.option("--min-agreement", metavar="A", type=float, help="Also refuse pairs with less agreement, in [0, 1].")
@click.option("--with-failures", is_flag=True, help="Also publish the run's failed edits, as the config `failures`.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--no-probe", is_flag=True, help="Skip the probe, whose figures are on the card.")
@click.option("--accept-license", is_flag=True, help="Publish although a model's licence restricts its output.")
@click.option("--private", is_flag=True, help="Make the Hub repo private.")
@click.option(
    "--gated",
    is_flag=False,
    flag_value="auto",
    type=click.Choice(["auto", "manual"]),
    help="Gate the Hub repo: access requests are accepted at once (auto) or by you (manual).",
)
@click.option("--create-pr", is_flag=True, help="Propose the release to a Hub repo as a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
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
    as_json: bool,
) -> None:
    """Publish a run as a version of a dataset.

    TARGET is org/name on the Hub, or a local folder such as ./my-pairs. A release is one commit and one tag; if it
    fails, nothing changes. Controls of the run are published with their pairs, as the config `controls`. Pairs that
    reviewers rejected are left out. REVIEW, a folder with reviews of a published version, adds only reviews: a patch.

    \b
    Examples:  safetypairs publish runs/icons my-org/safetypairs --version 1.0.0
               safetypairs publish review-icons-1.0.0 my-org/icons --version 1.0.1
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish

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
        published = publish(run, to, wanted, **options, progress=progress)
    for warning in published.warnings:
        click.echo(f"safetypairs: {warning}", err=True)
    click.echo(json.dumps(published.to_dict(), indent=2, ensure_ascii=False) if as_json else str(published))
