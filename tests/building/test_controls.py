"""Controls: pairs with the trace of an edit where the label says nothing of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builds import SQUARES, make_run, tree

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import CONTROL_KINDS, Control
from safetypairs_hf.core.run_folder import RunFolder


def controls_of(run: RunFolder) -> list[Control]:
    return [control for unit in range(9) for control in run_reader.controls_of(run, unit)]


def test_every_drawn_pair_has_its_controls(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=13, controls="true")
    drawn = {item.entrant.identity.pair_id for item in run_reader.selected(run)}
    assert Counter((c.pair_id, c.kind) for c in controls_of(run)) == Counter(
        (p, k) for p in drawn for k in CONTROL_KINDS
    )
    [stage] = [stage for stage in run_reader.funnel(run)["stages"] if stage["stage"] == "controls"]
    assert (stage["in"], stage["out"]) == (39, 39)


def test_what_each_control_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9, controls="true")
    pairs = {pair.identity.pair_id: pair for pair in run_reader.pairs(run) if pair.identity}
    for control in controls_of(run):
        pair = pairs[control.pair_id]
        assert pair.safe and control.unsafe and control.safe
        before, after = (image.pixels for image in (pair.unsafe, pair.safe))
        expected = {
            "null_edit": (before & 0xF8, after),
            "both_regenerated": (before & 0xF8, after & 0xF8),
            "neutral_edit": (np.minimum(before, 250), np.minimum(after, 250)),
        }[control.kind]
        assert np.array_equal(control.unsafe.pixels, expected[0])
        assert np.array_equal(control.safe.pixels, expected[1])
        assert [judgement.name for judgement in control.judgements] == ["red-judge"]


def test_a_grown_run_has_the_controls_of_one_that_never_grew(tmp_path: Path) -> None:
    make_run(tmp_path / "grown", pairs=9, controls="true")
    make_run(tmp_path / "grown", pairs=20, controls="true")
    make_run(tmp_path / "whole", pairs=20, controls="true")
    assert tree(tmp_path / "grown") == tree(tmp_path / "whole")


@pytest.mark.parametrize("gone", ["controls/part-00000.parquet", "controls-judge/part-00001.parquet"])
def test_a_lost_part_is_made_again(tmp_path: Path, gone: str) -> None:
    run = make_run(tmp_path / "run", pairs=13, controls="true")
    whole = tree(tmp_path / "run")
    run.remove(gone)
    run.remove("funnel.json")
    make_run(tmp_path / "run", pairs=13, controls="true")
    assert tree(tmp_path / "run") == whole


def test_an_editor_without_a_round_trip_is_refused() -> None:
    painter = load_recipe(SQUARES).recipe.editor
    Controls().check(painter)
    icons = load_recipe("icons").recipe.editor
    with pytest.raises(RecipeError, match="has no round trip"):
        Controls().check(icons)
    Controls(kinds=("neutral_edit",)).check(icons)
    with pytest.raises(RecipeError, match="no control 'nul_edit'; expected null_edit, neutral_edit"):
        Controls(kinds=("nul_edit",))
