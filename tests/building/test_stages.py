"""Another editor for the later rounds: rows and controls are of the one that made the pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from builds import SQUARES, tree
from recipes.squares import Painter

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.build import build
from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.building.recipe import LoadedRecipe, load_recipe
from safetypairs_hf.building.run_reader import controls_of
from safetypairs_hf.building.stages import ByRound
from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture, Pixels, Reject
from safetypairs_hf.core.run_folder import RunFolder, open_run


@dataclass(frozen=True)
class Coarse(Painter):
    """Never misses; its round trip loses more bits than the painter's, so that one tells which of them was used."""

    name: str = "coarse"

    def round_trip(self, images: Sequence[Picture]) -> list[Pixels]:
        return [image.pixels & np.uint8(0xE0) for image in images]


def loaded(*editors: Painter) -> LoadedRecipe:
    found = load_recipe(SQUARES, {"pairs": "18", "rounds": "2", "controls": "true"})
    return replace(found, recipe=replace(found.recipe, editor=ByRound(editors)))


def made(out: Path, *editors: Painter) -> RunFolder:
    build(loaded(*editors), str(out), workers=1)
    return open_run(str(out))


def test_rows_and_controls_are_of_the_editor_that_made_the_pair(tmp_path: Path) -> None:
    run = made(tmp_path / "run", Painter(misses=0.5), Coarse())
    by_round = {0: ("painter", 0xF8), 1: ("coarse", 0xE0)}
    pairs = {pair.identity.pair_id: pair for pair in run_reader.pairs(run) if pair.identity}
    assert {pair.round for pair in pairs.values()} == {0, 1}
    for pair in pairs.values():
        assert pair.generator and pair.generator.editor == by_round[pair.round][0]
    controls = [control for unit in range(9) for control in controls_of(run, unit)]
    assert {control.pair_id for control in controls} == {
        item.entrant.identity.pair_id for item in run_reader.selected(run)
    }
    assert {pairs[control.pair_id].round for control in controls} == {0, 1}
    for control in controls:
        pair = pairs[control.pair_id]
        if control.kind == "null_edit" and control.unsafe:
            assert np.array_equal(control.unsafe.pixels, pair.unsafe.pixels & by_round[pair.round][1])


@pytest.mark.parametrize(
    "gone", ["edit/part-00001.parquet", "edit-2/part-00001.parquet", "controls/part-00000.parquet"]
)
def test_it_resumes_to_equal_bytes(tmp_path: Path, gone: str) -> None:
    editors = Painter(misses=0.5, holds_model=True), Coarse(holds_model=True)
    run = made(tmp_path / "run", *editors)
    whole = tree(tmp_path / "run")
    run.remove(gone)
    run.remove("funnel.json")
    made(tmp_path / "run", *editors)
    assert tree(tmp_path / "run") == whole


def test_the_last_editor_takes_all_rounds_that_are_left() -> None:
    first, last = Painter(), Coarse()
    both = ByRound((first, last))
    assert [both.of_round(number) for number in range(4)] == [first, last, last, last]
    assert describe(both)["editors"][1] == {**describe(last), "revision": "1"}
    assert not both.holds_model and ByRound((first, Coarse(holds_model=True))).holds_model


@dataclass(frozen=True)
class Unedited(Painter):
    """As behind a server: no autoencoder, and a baseline that it may refuse."""

    refuses: bool = False
    round_trip: ClassVar[None] = None  # type: ignore[assignment]

    def baseline(self, images: Sequence[Picture]) -> list[Pixels | Reject]:
        first, *others = [image.pixels for image in images]
        return [Reject("edit", "refused", "no") if self.refuses else first, *others]


def test_an_image_without_its_baseline_is_rejected(tmp_path: Path) -> None:
    found = load_recipe(SQUARES, {"pairs": "4", "sources": "8"})
    for refuses in (True, False):
        recipe = replace(found.recipe, editor=Unedited(refuses=refuses), preservation=Perceptual())
        build(replace(found, recipe=recipe), str(tmp_path / str(refuses)), 1)
        rows = open_run(str(tmp_path / str(refuses))).rows("edit/part-00000.parquet")
        rejected = [(row["reject"]["reason"], row["reject"]["detail"]) for row in rows if row["reject"]]
        assert rejected == ([("refused", "of the baseline: no")] if refuses else [])


def test_editors_that_cannot_be_used() -> None:
    class NoWayBack:
        name, revision, edit = "no-way-back", "1", Painter.edit

    with pytest.raises(RecipeError, match="give at least one editor"):
        ByRound(())
    with pytest.raises(RecipeError, match="the editor no-way-back has no round trip"):
        Controls().check(ByRound((Painter(), NoWayBack())))  # type: ignore[arg-type]
