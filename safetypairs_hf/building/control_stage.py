"""Runs the controls over the pairs that were drawn: the editor over all units, then the judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from safetypairs_hf.building import controls, results
from safetypairs_hf.building.controls import JUDGED, MADE, Control, Controls
from safetypairs_hf.building.engine import replay
from safetypairs_hf.building.recipe import Recipe
from safetypairs_hf.building.runfolder import RunFolder
from safetypairs_hf.building.selection import Draw
from safetypairs_hf.records import Candidate


def make_controls(
    recipe: Recipe, wanted: Controls, run: RunFolder, units: int, draw: Draw, progress: Callable[[str, int, int], None]
) -> None:
    """Make the controls of every drawn pair, in parts by the unit of its source; what is there is not made again.

    A part is of the pairs that were drawn from its unit. Where a run has grown and more were, it is made anew, so that
    it has the bytes of a run that was never smaller.
    """
    drawn = {item.entrant.identity.pair_id for item in draw.decided if item.reject is None}
    ids = {unit: [e.identity.pair_id for e in results.entrants_of(run, unit)] for unit in range(units)}
    pairs_of = {unit: kept for unit, found in ids.items() if (kept := [one for one in found if one in drawn])}

    def make(pairs: list[Candidate], unit: int) -> list[Control]:
        return wanted.make(recipe.editor, pairs)

    def judge(pairs: list[Candidate], unit: int) -> list[Control]:
        made = list(controls.load(run.read(run.part(MADE, unit))))
        return controls.confirm(recipe.judging, made, pairs)

    for folder, work, models in ((MADE, make, [recipe.editor]), (JUDGED, judge, [*recipe.judging.judges])):
        for number, (unit, pair_ids) in enumerate(pairs_of.items()):
            progress(folder, number, len(pairs_of))
            name = run.part(folder, unit)
            if not _is_of(run, name, pair_ids):
                if folder == MADE:
                    run.remove(run.part(JUDGED, unit))
                passed = {c.identity.pair_id: c for c in replay(run, unit, recipe.rounds).passed if c.identity}
                made = work([passed[pair_id] for pair_id in pair_ids], unit)
                run.write(name, controls.dump(folder, made))
        progress(folder, len(pairs_of), len(pairs_of))
        _release(models)


def read_controls(run: RunFolder, unit: int) -> Iterator[Control]:
    """See `results.controls_of`."""
    return results.controls_of(run, unit)


def _is_of(run: RunFolder, name: str, pair_ids: list[str]) -> bool:
    return run.has(name) and list(dict.fromkeys(row["pair_id"] for row in run.rows(name, ["pair_id"]))) == pair_ids


def _release(models: list[Any]) -> None:
    for model in models:
        if hasattr(model, "release"):
            model.release()
