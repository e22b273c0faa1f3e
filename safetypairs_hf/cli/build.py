"""`safetypairs build`: a recipe into a run folder."""

from __future__ import annotations

import click

from safetypairs_hf.cli.arrow_memory import give_back_memory
from safetypairs_hf.cli.offers import named
from safetypairs_hf.cli.options import choice_option, settings_option
from safetypairs_hf.core.errors import RunError


@click.command("build")
@click.argument("recipe", shell_complete=named("safetypairs_hf.building.recipe", "recipe_names"))
@click.option("--out", required=True, metavar="RUN", help="The run folder: a path or an fsspec URL.")
@click.option("--pairs", type=click.IntRange(min=1), help="How many pairs; the recipe says by default.")
@choice_option(
    "--engine",
    ("local", "ray"),
    "What runs the stages: this machine, or Ray (of RAY_ADDRESS, where set). It changes no byte.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one a core by default.")
@click.option("--taxonomy", metavar="FILE", help="The categories and their policies, as YAML; the nine by default.")
@settings_option("recipe")
def command(
    recipe: str,
    out: str,
    pairs: int | None,
    engine: str,
    workers: int | None,
    taxonomy: str | None,
    settings: dict[str, str],
) -> None:
    """Build pairs by a recipe, into a run folder.

    RECIPE is a name of `safetypairs recipes`, or the path of a recipe file. Started again, a build goes on where it was
    stopped, to the same bytes; with a larger --pairs it grows. What a taxonomy is made of: safetypairs taxonomy --help.

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

    quiet_hub()
    run = RunFolder(out)
    if not run.shared:
        raise RunError(f"{out} is in the memory of this command, and gone when it ends; name a folder: --out runs/mine")
    loaded = load_recipe(
        recipe, settings | ({"pairs": str(pairs)} if pairs is not None else {}), read(taxonomy) if taxonomy else None
    )
    tempos = Tempos(run)
    with when_stopped(run.standing), reported("build", tempos.of) as progress:
        built = build(loaded, out, workers, progress, engine, tempos)
    if built.pairs < built.asked:
        click.echo(f"safetypairs: the sources gave {built.pairs} of the {built.asked} pairs asked for", err=True)
    click.echo(f"{built.pairs:,} pairs in {built.url}")
    click.echo(f"Look at the funnel:  safetypairs status {built.url}")
    if built.pairs:
        click.echo(f"Publish it:          safetypairs publish {built.url} ./safetypairs --version 1.0.0")
