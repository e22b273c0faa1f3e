"""`safetypairs study`: measure what pairs are worth as training data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from safetypairs_hf.cli.options import choice_option, settings_option


@click.command("study")
@click.option("--data", required=True, metavar="TARGET[@VERSION]", help="The pairs; the newest version by default.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write; it must not exist.")
@click.option("--k", "sizes", multiple=True, type=click.IntRange(min=2), help="Pairs; repeatable; 5 to 300 by default.")
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(min=2), help="The number of draws for each k."
)
@click.option("--also", multiple=True, metavar="TARGET[@VERSION]", help="Also judge the test pairs here; repeatable.")
@choice_option("--look", ("image", "edit-box"), "Use whole images, or only the part in which the members differ.")
@click.option(
    "--limit", default=300, show_default=True, type=click.IntRange(min=2), help="The most pairs in each judged set."
)
@settings_option("head")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="The folder that caches features.")
@choice_option("--check", ("error", "warn"), "What to do if the data differs from what was published.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    data: str,
    out: Path,
    sizes: tuple[int, ...],
    seeds: int,
    also: tuple[str, ...],
    look: str,
    limit: int,
    settings: dict[str, str],
    cache: Path | None,
    check: str,
    as_json: bool,
) -> None:
    """Fit heads on k pairs, on k and 2k unpaired images, and with usual augmentation: table, plot and answer.

    The heads are tested on held-out pairs of the same families (seen) and on the test split (unseen). The settings are
    those of `safetypairs train`: model, commit, grid, head. The features of each image are computed once.

    \b
    safetypairs build signs --pairs 3000 --set test_fraction=0.4 --out runs/signs
    safetypairs publish runs/signs ./signs --version 1.0.0
    safetypairs study --data ./signs --out study
    """
    from safetypairs_hf.cli.progress import quiet_datasets, quiet_hub, reported
    from safetypairs_hf.training.study import study

    quiet_hub()
    quiet_datasets()
    with reported("study") as progress:
        done = study(
            data,
            out,
            sizes=sizes,
            seeds=seeds,
            also=also,
            look=look,
            limit=limit,
            cache=cache,
            check=check,
            progress=progress,
            **settings,
        )
    click.echo(
        json.dumps(done.to_dict(), indent=2) if as_json else f"{done}\n\nWritten: {out}/study.md, study.png, study.json"
    )
