"""`safetypairs build`: build pairs by a recipe into a run folder."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from safetypairs_hf.cli.arrow_memory import give_back_memory
from safetypairs_hf.cli.offers import named
from safetypairs_hf.cli.options import choice_option, settings_option
from safetypairs_hf.core.errors import RunError, counted

if TYPE_CHECKING:
    from safetypairs_hf.building.engines.base import HandedOver


@click.command("build")
@click.argument("recipe", shell_complete=named("safetypairs_hf.building.recipe", "recipe_names"))
@click.option("--out", required=True, metavar="RUN", help="The run folder: a path or an fsspec URL.")
@click.option("--pairs", type=click.IntRange(min=1), help="The number of pairs; set by the recipe by default.")
@choice_option(
    "--engine",
    ("local", "ray", "slurm"),
    "Run the stages on this machine, on Ray (at RAY_ADDRESS if set), or as SLURM jobs. The result is the same.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of processes; one per core by default. With slurm: tasks per job; 16 by default.",
)
@click.option("--submit", is_flag=True, help="With slurm: submit the jobs with sbatch.")
@click.option(
    "--sbatch", multiple=True, metavar="OPTION", help="With slurm: an option of all jobs (partition=a100); repeatable."
)
@click.option(
    "--sbatch-model",
    multiple=True,
    metavar="OPTION",
    help="With slurm: an option of jobs that hold a model (gres=gpu:1); repeatable.",
)
@click.option("--taxonomy", metavar="FILE", help="A YAML file of categories and policies; the nine by default.")
@settings_option("recipe")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    recipe: str,
    out: str,
    pairs: int | None,
    engine: str,
    workers: int | None,
    submit: bool,
    sbatch: tuple[str, ...],
    sbatch_model: tuple[str, ...],
    taxonomy: str | None,
    settings: dict[str, str],
    as_json: bool,
) -> None:
    """Build pairs by a recipe into a run folder.

    RECIPE is a name that `safetypairs recipes` lists, or the path of a recipe file. The same command continues a build
    that was stopped, and gives the same bytes; a larger --pairs extends it. For taxonomies see safetypairs taxonomy
    --help.

    \b
    Example:  safetypairs build icons --out runs/icons --pairs 1510
    """
    give_back_memory()
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe
    from safetypairs_hf.building.tempo import Tempos
    from safetypairs_hf.cli.interrupts import when_stopped
    from safetypairs_hf.cli.progress import quiet_hub, reported
    from safetypairs_hf.core.run_folder import RunFolder
    from safetypairs_hf.taxonomy.taxonomy_file import read

    if engine != "slurm" and (submit or sbatch or sbatch_model):
        raise click.UsageError("--submit, --sbatch and --sbatch-model are for --engine slurm; give that too")
    quiet_hub()
    run = RunFolder(out)
    if not run.shared:
        raise RunError(f"{out} is in the memory of this command, and gone when it ends; name a folder: --out runs/mine")
    loaded = load_recipe(
        recipe, settings | ({"pairs": str(pairs)} if pairs is not None else {}), read(taxonomy) if taxonomy else None
    )
    made, editor = loaded.recipe.controls, loaded.recipe.editor
    if made is not None and editor is not None and (line := made.left_out(editor)):
        click.echo(f"safetypairs: {line}", err=True)
    again = _again(recipe, out, pairs, workers, submit, sbatch, sbatch_model, taxonomy, settings)
    working: Any = engine
    if engine == "slurm":
        from safetypairs_hf.building.engines.slurm import SlurmEngine

        module = [sys.executable, "-m", "safetypairs_hf"]
        working = SlurmEngine([*module, *again], workers, sbatch, sbatch_model, submit)
    tempos = Tempos(run)
    with when_stopped(run.standing), reported("build", tempos.of) as progress:
        built = build(loaded, out, workers, progress, working, tempos)
    if built.handed_over is None and built.pairs < built.asked:
        asked = f"the {counted(built.asked, 'pair')} asked for"
        click.echo(f"safetypairs: the sources gave {built.pairs:,} of {asked}", err=True)
    if as_json:
        click.echo(json.dumps(built.to_dict(), indent=2))
        return
    click.echo(str(built))
    if built.handed_over is not None:
        _print_handed_over(built.handed_over, out, shlex.join(["safetypairs", *again]))


def _again(
    recipe: str,
    out: str,
    pairs: int | None,
    workers: int | None,
    submit: bool,
    sbatch: tuple[str, ...],
    sbatch_model: tuple[str, ...],
    taxonomy: str | None,
    settings: dict[str, str],
) -> list[str]:
    """Return the words of this command with SLURM, for the job that joins the results."""
    words = ["build", recipe, "--out", out, "--engine", "slurm"]
    for option, value in (("--pairs", pairs), ("--workers", workers), ("--taxonomy", taxonomy)):
        words += [] if value is None else [option, str(value)]
    for option, values in (("--sbatch", sbatch), ("--sbatch-model", sbatch_model)):
        words += [word for value in values for word in (option, value)]
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return [*words, *(["--submit"] if submit else [])]


def _print_handed_over(handed_over: HandedOver, out: str, command: str) -> None:
    if handed_over.said:
        click.echo(handed_over.said)
        click.echo("The join continues the build. If a job fails, run the same command again:")
    else:
        click.echo(f"Hand them over:      bash {shlex.quote(handed_over.script)}")
        click.echo("The join continues the build, or writes the next jobs. So does this command:")
    click.echo(f"  {command}")
    click.echo(f"See the funnel:      safetypairs status {out}")
