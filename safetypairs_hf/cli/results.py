"""`safetypairs results`: write the results of a guard to its model page on the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import click

from safetypairs_hf.cli.groups import CommandGroup
from safetypairs_hf.cli.options import threshold_option


@click.group("results", cls=CommandGroup)
def command() -> None:
    """Write results of a guard to the Hub.

    \b
    Example:  safetypairs results push guard.parquet my-org/guard \\
                --data my-org/safetypairs@1.2.0
    """


@command.command("push")
@click.argument("predictions", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("model_repo")
@click.option("--data", required=True, metavar="TARGET@VERSION", help="The version on the Hub that was judged.")
@threshold_option
@click.option("--pr", "pull_request", is_flag=True, help="Open a pull request; this needs no write access.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def push_results(
    predictions: Path,
    model_repo: str,
    data: str,
    threshold: float | None,
    pull_request: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the figures of PREDICTIONS to MODEL_REPO.

    They go to .eval_results/<name of the dataset>.yaml with the commit of the version. The Hub shows them on the
    model's page and on the dataset's leaderboard. PREDICTIONS must have all pairs of one split of this version.

    \b
    safetypairs results push guard.parquet my-org/guard \\
      --data my-org/safetypairs@1.2.0 --dry-run
    """
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.evaluating.hub_results import push_results

    quiet_hub()
    standing = f"whether {model_repo} was written is not known; " + (
        "see its page before you run the command again" if pull_request else "the same command writes what is missing"
    )
    with when_stopped(lambda: standing), reported("results push"):
        pushed = push_results(
            predictions, model_repo, data, threshold=threshold, pull_request=pull_request, dry_run=dry_run
        )
    if as_json:
        click.echo(json.dumps({**pushed.to_dict(), "dry_run": dry_run}, indent=2))
        return
    for entry in pushed.entries:
        click.echo(f"{entry.task_id}: {entry.value:.4f}")
    click.echo(pushed.entries[0].notes)
    if dry_run:
        click.echo(f"would write {pushed.file} to {pushed.repo}; nothing was changed")
    elif pushed.changed:
        click.echo(f"written: {pushed.where}")
    else:
        click.echo(f"{pushed.where} says so already: nothing to do")
