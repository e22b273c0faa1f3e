"""`safetypairs probe`: can anything tell the edited member of a pair without content, and are test pairs trained on?"""

from __future__ import annotations

import json

import click


@click.command("probe")
@click.argument("what", metavar="RUN | TARGET[@VERSION]")
@click.option(
    "--sample", type=click.IntRange(min=1), default=2000, show_default=True, help="Probe this many pairs at most."
)
@click.option("--leaks", metavar="DATA", help="Look for the test pairs of TARGET in training data instead.")
@click.option("--no-backbone", is_flag=True, help="Do not ask a frozen network, although one is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(what: str, sample: int, leaks: str | None, no_backbone: bool, as_json: bool) -> None:
    """Can anything tell the edited member of a pair without looking at content?

    Simple learners look at traces in the files and pixels of one member at a time, on groups of pairs that they have
    not learned from. An AUC of 0.5 is a coin's. Look-ups know only the words of a pair.

    \b
    safetypairs probe runs/icons
    safetypairs probe org/name@1.2.0 --sample 500
    safetypairs probe ./safetypairs --json

    With --leaks it is another question: are test pairs, or images very like them (another size or encoding, turned or
    mirrored), in what a model is trained on: a folder, a .parquet or .tar file, or a dataset on the Hub? It ends with 1
    where one is.

    \b
    safetypairs probe --leaks my-training-images/ org/name@1.2.0

    What is measured, and how to read it: docs/probe.md.
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
