"""Build pairs: run work units through the stages until enough pairs are drawn, then write the funnel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.control_stage import make_controls
from safetypairs_hf.building.engines.base import Engine, HandedOver, run_units
from safetypairs_hf.building.engines.local import LocalEngine
from safetypairs_hf.building.inputs import Inputs, inputs_of
from safetypairs_hf.building.preflight import check_models
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe, load_recipe, with_categories
from safetypairs_hf.building.rounds import steps
from safetypairs_hf.building.selection import Draw
from safetypairs_hf.building.tempo import Tempos
from safetypairs_hf.core import kept_replies
from safetypairs_hf.core.errors import RecipeError, RunError, counted, verb
from safetypairs_hf.core.run_folder import FUNNEL, RECIPE, RunFolder, next_commands
from safetypairs_hf.core.settings import as_text
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.core.user_code import telling
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_file import NAME as TAXONOMY
from safetypairs_hf.taxonomy.taxonomy_file import read, to_text

Progress = Callable[[str, int, int], None]

# A build stops when it has used this many times the sources that it expected to need.
PATIENCE = 8


class Built(NamedTuple):
    """The result of a build: pairs drawn, pairs asked for, and the URL of the run folder.

    `handed_over` describes the jobs that another system does. In that case there is no draw yet, and the build
    continues after them.
    """

    pairs: int
    asked: int
    url: str
    handed_over: HandedOver | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        jobs = self.handed_over
        told = {"units": jobs.units, "jobs": jobs.jobs, "script": jobs.script, "said": jobs.said} if jobs else None
        return {**self._asdict(), "handed_over": told}

    def __str__(self) -> str:
        if self.handed_over is not None:
            units, jobs = self.handed_over.units, self.handed_over.jobs
            what = f"{counted(units, 'work unit')} {verb(units, 'is')}"
            return f"{what} for {counted(jobs, 'array job')} of SLURM and a join"
        return "\n".join([f"{counted(self.pairs, 'pair')} in {self.url}", *next_commands(self.url, self.pairs)])

    def _repr_html_(self) -> str:
        return text_html(str(self))


def build(
    recipe: str | Path | LoadedRecipe,
    out: str | Path,
    workers: int | None = None,
    progress: Progress = lambda stage, done, total: None,
    engine: str | Engine = "local",
    tempos: Tempos | None = None,
    *,
    pairs: int | None = None,
    taxonomy: str | Path | Taxonomy | None = None,
    **settings: Any,
) -> Built:
    """Build the pairs of a recipe into a run folder. An interrupted build continues, and gives the same bytes.

    Args:
        recipe: A name of `list_recipes()`, the path of a recipe file, or a loaded recipe.
        out: The run folder: a path or an fsspec URL.
        workers: The number of processes for stages without a model (with the ray engine, for any stage); None means one
            per core.
        progress: Called as `progress(step, units done, units planned)`.
        engine: "local", "ray", or an engine object such as a `SlurmEngine`. It does not change any byte of the run.
        tempos: The run's measurements of speed, for a caller that reads them during the build.
        pairs: The number of pairs; by default the recipe's. `pairs`, `taxonomy` and `settings` need a recipe that is
            given by name.
        taxonomy: The categories and their policies: a YAML file, or the result of `taxonomy.read`.
        **settings: Settings of the recipe, as Python values or as text in the form of `--set`.

    Returns:
        The number of pairs drawn, the number asked for, and where they are.

    Raises:
        SafetyPairsError: A required model is not available; see `preflight.check_models`.
        RecipeError: The recipe needs a GPU that this machine does not have. Its subclass UserCodeError: a part written
            by the user raised an error or returned an invalid value.
        RunError: The folder belongs to another recipe, cannot be written, or far too few sources become pairs.
    """
    run = RunFolder(str(out))
    if isinstance(recipe, LoadedRecipe):
        loaded = recipe
        if pairs is not None or taxonomy is not None or settings:
            raise RecipeError("pairs, taxonomy and settings are for a recipe that is given by name; this one is loaded")
    else:
        texts = {name: as_text(value) for name, value in settings.items()}
        texts |= {} if pairs is None else {"pairs": str(pairs)}
        loaded = load_recipe(str(recipe), texts, None if taxonomy is None else read(taxonomy))
    try:
        return _build(loaded, run, _engine(engine, workers), progress, tempos or Tempos(run))
    except HandedOver as handed_over:
        return Built(0, loaded.recipe.pairs, str(out), handed_over)


def _build(loaded: LoadedRecipe, run: RunFolder, engine: Engine, progress: Progress, tempos: Tempos) -> Built:
    with engine as working:
        working.check(loaded)
        if not run.has(RECIPE):
            tempos.begin()
        loaded = claim(run, loaded)
        if not run.has(TAXONOMY):
            run.write(TAXONOMY, to_text(loaded.recipe.taxonomy).encode())
        recipe = loaded.recipe
        with telling(about="it was asked for the rejected inputs of the source"):
            rejected = recipe.source.rejected_inputs()
        run_reader.write_rejected_inputs(run, rejected)
        units, draw = _make(working, loaded, run, progress, tempos)
        run_reader.write_draw(run, draw)
        if recipe.controls is not None:
            make_controls(working, loaded, run, units, draw, progress, tempos)
    kept_replies.clear(run)
    run.write_json(FUNNEL, run_reader.count(run, units, draw))
    run.sweep()
    return Built(draw.drawn, recipe.pairs, run.url)


def claim(run: RunFolder, loaded: LoadedRecipe) -> LoadedRecipe:
    """Write `recipe.json`, or check that the existing one is of the same recipe. A run may grow but not change.

    Returns:
        The recipe. If its source lists its inputs, each has its place in the run.

    Raises:
        SafetyPairsError: There is something to make, and a required model cannot be used; see `check_models`.
        RunError: The run is of another recipe (the message says what differs) or larger, or inputs that it used have
            changed or disappeared.
    """
    ours = loaded.resolved()
    begun = run.has(RECIPE)
    if not begun and any(".tmp-" not in name for name in run.files()):
        raise RunError(f"{run.url} is not empty and is not a run; name another --out")
    inputs = inputs_of(run, loaded.recipe.source, loaded.recipe.unit_size)
    theirs = run.read_json(RECIPE) if begun else {}
    if begun:
        _refuse_other(run, theirs, ours, inputs)
    if inputs is not None:
        inputs.check(run)
    goes_on = not run.has(FUNNEL)
    recipe_changed = (theirs.get("hash"), theirs.get("pairs")) != (ours["hash"], ours["pairs"])
    if goes_on or recipe_changed or (inputs is not None and inputs.changed):
        check_models(loaded.recipe)
        run.remove(FUNNEL)  # its presence marks a finished run
    if recipe_changed:
        run.write_json(RECIPE, ours)
    if inputs is None:
        return loaded
    if inputs.changed:
        inputs.write(run)  # after the recipe: new inputs may explain its other categories
    return replace(loaded, recipe=replace(loaded.recipe, source=inputs.source))


def _refuse_other(run: RunFolder, theirs: dict[str, Any], ours: dict[str, Any], inputs: Inputs | None) -> None:
    """Raise RunError if the run was started with another recipe (`theirs`) than `ours`, or is larger."""
    if inputs is not None:
        ours = _without_moved(theirs, ours, inputs.categories)
    if theirs["hash"] != ours["hash"]:
        changed = "; ".join(differences(theirs, ours))
        raise RunError(
            f"{run.url} was started with another recipe ({changed}); name another --out, or undo these changes"
        )
    if theirs["pairs"] > ours["pairs"]:
        raise RunError(
            f"{run.url} holds a run of {counted(theirs['pairs'], 'pair')}, but {ours['pairs']:,} "
            f"{verb(ours['pairs'], 'was')} asked for; a run can only grow: name another --out"
        )


def _without_moved(theirs: dict[str, Any], ours: dict[str, Any], moved: Collection[str]) -> dict[str, Any]:
    """Return our recipe with their categories if these differ only in categories of inputs that came or went."""
    old, new = theirs["parts"]["categories"], ours["parts"]["categories"]
    kept = [slug for slug in old if slug in new] == [slug for slug in new if slug in old]
    return with_categories(ours, old) if kept and {*old} ^ {*new} <= {*moved} else ours


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield the differences between two resolved recipes, as `path: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in ("hash", "pairs"):
                yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _engine(engine: str | Engine, workers: int | None) -> Engine:
    if not isinstance(engine, str):
        return engine
    if engine == "ray":
        from safetypairs_hf.building.engines.ray import RayEngine

        return RayEngine(workers)
    if engine != "local":
        raise RunError(f"engine = {engine!r}: expected 'local', 'ray', or an engine such as a SlurmEngine")
    return LocalEngine(workers)


def _make(engine: Engine, loaded: LoadedRecipe, run: RunFolder, progress: Progress, tempos: Tempos) -> tuple[int, Draw]:
    """Make units until the draw is even or the sources are used up. Return the number of units, and the draw.

    The number of units depends only on the recipe, so a run that was killed or has grown ends like any other.
    """
    recipe = loaded.recipe
    size = recipe.source.size
    last = None if size is None else _ceil(size, recipe.unit_size)
    first = planned = _ceil(int(recipe.pairs / recipe.expected_yield) + 1, recipe.unit_size)
    made = 0
    while True:
        planned = planned if last is None else min(planned, last)
        finished = dict.fromkeys((step.name for step in steps(recipe.rounds)), made)
        for step in finished:
            progress(step, made, planned)

        def done(step: str, unit: int, finished: dict[str, int] = finished, planned: int = planned) -> None:
            finished[step] += 1
            progress(step, finished[step], planned)

        run_units(engine, loaded, run, range(made, planned), done, tempos)
        made = planned
        draw = recipe.selection.draw(run_reader.entrants(run, made), recipe.pairs, recipe.categories)
        if draw.even or made == last:
            return made, draw
        if made >= PATIENCE * first and (taken := run_reader.taken(run, made)) >= PATIENCE * first * recipe.unit_size:
            few = f"{draw.drawn:,} of {counted(recipe.pairs, 'pair')} after {counted(taken, 'source')}"
            raise RunError(f"{few}: {_why_few(recipe, draw, run)}")
        planned += max(1, first // 4)


def _why_few(recipe: Recipe, draw: Draw, run: RunFolder) -> str:
    """Return why the sources gave too few pairs, as far as the draw shows it, and what to do."""
    have = {each.entrant.category for each in draw.decided}
    lacking = [slug for slug in recipe.categories if slug not in have]
    see = f"see why with: safetypairs status {run.url}"
    if not have or not lacking:
        return f"the recipe rejects too many; {see}"
    them = "it" if len(lacking) == 1 else "them"
    return (
        f"the draw is even over the categories, and no pair of {', '.join(lacking)} came; add sources of {them}, or "
        f"give the recipe `categories` without {them}; {see}"
    )


def _ceil(sources: int, unit_size: int) -> int:
    return -(-sources // unit_size)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
