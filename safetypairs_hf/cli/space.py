"""`safetypairs space`: make a folder that is ready to push to the Hub as a Space."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("space")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--metric", "kind", flag_value="metric", help="Score uploaded predictions; `evaluate` can load it too.")
@click.option("--leaderboard", "kind", flag_value="leaderboard", help="Guards by pair accuracy, with intervals.")
@click.option("--viewer", "kind", flag_value="viewer", help="Show the pairs of a dataset, with unsafe images blurred.")
@click.option("--predictions", multiple=True, metavar="FILE", help="A file for the leaderboard; repeatable.")
@click.option("--repo", metavar="ORG/NAME", help="A dataset repo whose prediction files the leaderboard reads.")
@click.option("--data", metavar="TARGET[@VERSION]", help="The dataset that the viewer shows.")
@click.option("--title", help="The title of a leaderboard or a viewer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    folder: Path,
    kind: str | None,
    predictions: tuple[str, ...],
    repo: str | None,
    data: str | None,
    title: str | None,
    as_json: bool,
) -> None:
    """Make a folder that is ready to push as a Gradio Space.

    The folder contains this package as a wheel, so the package need not be on an index. A viewer shows the set that the
    package carries, unless --data names another one.

    \b
    safetypairs space --metric metric/
    safetypairs space --leaderboard board/ --predictions a.parquet
    safetypairs space --viewer pairs/ --data org/name@1.2.0
    """
    from safetypairs_hf.spaces.space import KINDS, space

    if kind is None:
        raise click.UsageError(f"which Space? give one of {', '.join(f'--{each}' for each in KINDS)}")
    made = space(kind, folder, predictions=predictions, repo=repo, data=data, title=title)
    click.echo(json.dumps(made.to_dict(), indent=2) if as_json else str(made))
