"""Make and judge the controls of the drawn pairs: first the editor over all units, then the judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building import controls, run_reader
from safetypairs_hf.building.controls import JUDGED, MADE
from safetypairs_hf.building.engines.base import Engine, Parts, holds_model, pictures, replay
from safetypairs_hf.building.finishing import CpuWork
from safetypairs_hf.building.recipe import LoadedRecipe, Recipe
from safetypairs_hf.building.selection import Draw
from safetypairs_hf.building.stages import editors_of, keeping
from safetypairs_hf.building.tempo import Tempos
from safetypairs_hf.core.records import Candidate, Control, Picture
from safetypairs_hf.core.run_folder import RunFolder


@dataclass(frozen=True)
class ControlJob:
    """The parts of `folder` (MADE or JUDGED). `pair_ids` lists the drawn pairs of each unit."""

    folder: str
    pair_ids: Mapping[int, list[str]]

    @property
    def name(self) -> str:
        return self.folder

    def is_done(self, run: RunFolder, number: int) -> bool:
        part = run.part(self.folder, number)
        if not run.has(part):
            return False
        return list(dict.fromkeys(row["pair_id"] for row in run.rows(part, ["pair_id"]))) == self.pair_ids[number]

    def models(self, recipe: Recipe) -> tuple[Any, ...]:
        return (recipe.editor,) if self.folder == MADE else (*recipe.judging.judges,)

    def read(self, recipe: Recipe, run: RunFolder, number: int) -> list[Candidate]:
        passed = {c.identity.pair_id: c for c in replay(run, number, recipe.rounds).passed if c.identity}
        return [passed[pair_id] for pair_id in self.pair_ids[number]]

    def pictures(self, found: list[Candidate]) -> list[Picture]:
        return pictures(found)

    def images(self, recipe: Recipe, found: list[Candidate]) -> int:
        return 2 * len(found) * (len(recipe.controls.kinds) if recipe.controls else 0)

    def work(
        self, recipe: Recipe, run: RunFolder, number: int, found: list[Candidate], cpu: CpuWork
    ) -> Callable[[], Parts]:
        rest = self._start(recipe, run, number, found, cpu)
        return lambda: [(run.part(self.folder, number), controls.dump(self.folder, rest()))]

    def _start(
        self, recipe: Recipe, run: RunFolder, number: int, found: list[Candidate], cpu: CpuWork
    ) -> Callable[[], list[Control]]:
        if self.folder == MADE:
            assert recipe.controls is not None
            assert recipe.editor is not None  # a recipe with controls has one
            editor = keeping(recipe.editor, run, MADE, number)
            return recipe.controls.start(editor, found, cpu, self._before(recipe, run, number))
        made = controls.confirm(recipe.judging, list(controls.load(run.read(run.part(MADE, number)))), found)
        return lambda: made

    def _before(self, recipe: Recipe, run: RunFolder, number: int) -> list[Control]:
        """Return a unit's existing controls if a server made them, because a server would now make others."""
        name = run.part(MADE, number)
        asks = recipe.editor is not None and any(hasattr(each, "keeping") for each in editors_of(recipe.editor))
        return list(controls.load(run.read(name))) if asks and run.has(name) else []


def make_controls(
    engine: Engine,
    loaded: LoadedRecipe,
    run: RunFolder,
    units: int,
    draw: Draw,
    progress: Callable[[str, int, int], None],
    tempos: Tempos,
) -> None:
    """Make the controls of every drawn pair, in parts by the unit of its source. Existing parts are kept.

    A part holds the controls of the pairs drawn from its unit. If a run has grown and more pairs of the unit were
    drawn, the part is made again, so that it has the bytes of a run that was never smaller.
    """
    drawn = {item.entrant.identity.pair_id for item in draw.decided if item.reject is None}
    ids = {unit: [e.identity.pair_id for e in run_reader.entrants_of(run, unit)] for unit in range(units)}
    pairs_of = {unit: kept for unit, found in ids.items() if (kept := [one for one in found if one in drawn])}
    for unit in ids.keys() - pairs_of.keys():  # pairs of it may have been drawn before inputs were added
        run.remove(run.part(JUDGED, unit))
        run.remove(run.part(MADE, unit))
    for folder in (MADE, JUDGED):
        job = ControlJob(folder, pairs_of)
        todo = [unit for unit in pairs_of if not job.is_done(run, unit)]
        if folder == MADE:
            for unit in todo:
                run.remove(run.part(JUDGED, unit))
        done = len(pairs_of) - len(todo)
        progress(folder, done, len(pairs_of))
        job = ControlJob(folder, pairs_of)
        doing = engine.do(loaded, run, job, todo)
        for _ in tempos.timed(folder, engine.meter, doing) if holds_model(loaded.recipe, job) else doing:
            done += 1
            progress(folder, done, len(pairs_of))
    engine.join(run)
