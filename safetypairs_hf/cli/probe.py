"""`safetypairs probe`: test whether traces reveal the edited member, or look for test pairs in training data."""

from __future__ import annotations

import json

import click


@click.command("probe")
@click.argument("what", metavar="RUN | TARGET[@VERSION]")
@click.option("--sample", type=click.IntRange(min=1), default=2000, show_default=True, help="The most pairs to probe.")
@click.option("--leaks", metavar="DATA", help="Look for the test pairs of TARGET in this training data instead.")
@click.option("--no-backbone", is_flag=True, help="Do not use a frozen network, even if one is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(what: str, sample: int, leaks: str | None, no_backbone: bool, as_json: bool) -> None:
    """Test whether traces reveal the edited member of a pair without its content.

    Simple classifiers get traces in the file and the pixels of one member at a time. They are tested on groups of pairs
    that they were not trained on. An AUC of 0.5 is chance. Look-ups use only the words of a pair.

    \b
    safetypairs probe runs/icons
    safetypairs probe org/name@1.2.0 --sample 500
    safetypairs probe ./safetypairs --json

    --leaks asks another question: does the training data of a model (a folder, a .parquet or .tar file, or a dataset on
    the Hub) contain test pairs, or near-duplicates of their images (resized, re-encoded, rotated or mirrored)? The exit
    status is 1 if it does.

    \b
    safetypairs probe --leaks my-training-images/ org/name@1.2.0

    docs/probe.md explains the figures.
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.report.probe_report import probe

    quiet_hub()
    if leaks:
        _leaks(leaks, what, as_json)
        return
    with reported("probe") as progress:
        found = probe(what, sample=sample, backbone=not no_backbone, progress=progress)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))


def _leaks(data: str, target: str, as_json: bool) -> None:
    from safetypairs_hf.cli.progress import reported
    from safetypairs_hf.probing.leaks import leaks

    with reported("probe") as progress:
        found = leaks(data, target, progress=progress)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
    if found.found:
        raise SystemExit(1)
