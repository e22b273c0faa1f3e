"""`safetypairs export`: write pairs in the format of another trainer."""

from __future__ import annotations

import json
from pathlib import Path

import click

from safetypairs_hf.cli.options import choice_option


@click.command("export")
@click.argument("target", metavar="TARGET[@VERSION]")
@click.option("--to", required=True, metavar="FORM", help="imagefolder, webdataset, trl-dpo, trl-sft or llava.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write; it must not exist.")
@click.option("--split", "splits", multiple=True, default=("train",), show_default=True, help="Repeatable.")
@choice_option("--rows", ("images", "pairs"), "A sample is an image, or a pair with both of its images.")
@choice_option("--check", ("error", "warn"), "What to do if the data differs from what was published.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(target: str, to: str, out: Path, splits: tuple[str, ...], rows: str, check: str, as_json: bool) -> None:
    """Write pairs in the format of another trainer; the train split by default.

    The samples for chat models have the question of `evaluate chat-vlm`, with the policy of the pair's category.

    \b
    safetypairs export org/name@1.2.0 --to imagefolder --out images
    safetypairs export org/name@1.2.0 --to trl-dpo --rows pairs --out dpo
    """
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.training.export import export

    quiet_hub()
    with reported("export") as progress:
        done = export(target, out, to, splits=splits, rows=rows, check=check, progress=progress)
    click.echo(json.dumps(done.to_dict(), indent=2) if as_json else str(done))
    if "train" not in done.samples or len(done.samples) > 1:
        click.echo("safetypairs: a model that is trained on the test split cannot be measured on it", err=True)
