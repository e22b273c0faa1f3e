"""`safetypairs train`: train a light guard on the pairs of a version."""

from __future__ import annotations

import json
from pathlib import Path

import click

from safetypairs_hf.cli.options import choice_option, settings_option


@click.command("train")
@click.option("--data", required=True, metavar="TARGET[@VERSION]", help="The pairs; the newest version by default.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to write; it must not exist.")
@choice_option("--method", ("head", "lora"), "A head on frozen features, or an adapter of a chat model.")
@settings_option("method")
@click.option("--category", "categories", multiple=True, help="Train on this category; repeatable. All by default.")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="TARGET[@VERSION]",
    help="A set to measure the guard on later; also checked for leaks; repeatable.",
)
@choice_option("--leaking", ("error", "drop"), "If a train pair shows a test pair: refuse, or leave the pair out.")
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="The folder that caches features.")
@click.option("--push", metavar="ORG/NAME", help="Upload the folder to the Hub as a model; a new repo is private.")
@choice_option("--check", ("error", "warn"), "What to do if the data differs from what was published.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    data: str,
    out: Path,
    method: str,
    settings: dict[str, str],
    categories: tuple[str, ...],
    benchmarks: tuple[str, ...],
    leaking: str,
    cache: Path | None,
    push: str | None,
    check: str,
    as_json: bool,
) -> None:
    """Train a light guard on the train split of a version: a folder that `evaluate` runs and the Hub hosts.

    A head has the settings model (a vision model; efficientnet-lite0 by default), commit, grid, head (linear or mlp),
    folds, seed and device. lora has model (a chat model), commit, rank, layers, epochs, batch_size, learning_rate, mix,
    seed and device. Training runs on one GPU or on the CPU.

    \b
    safetypairs train --data org/name@1.2.0 --out guard
    safetypairs evaluate head --set model=guard --data org/name --out g.parquet
    safetypairs train --data ./mine --out guard --set model=./siglip
    safetypairs train --data ./mine --out a --method lora --set model=./my-vlm
    """
    from safetypairs_hf.cli.progress import quiet_datasets, quiet_hub, reported
    from safetypairs_hf.training.train import train

    quiet_hub()
    quiet_datasets()
    with reported("train") as progress:
        done = train(
            data,
            out,
            method=method,
            categories=categories,
            benchmarks=benchmarks,
            leaking=leaking,
            cache=cache,
            check=check,
            progress=progress,
            **settings,
        )
        address = done.push_to_hub(push) if push else None
    if as_json:
        click.echo(json.dumps(done.to_dict() | ({"pushed": address} if push else {}), indent=2))
        return
    click.echo(str(done))
    if address:
        click.echo(f"Pushed: {address}")
