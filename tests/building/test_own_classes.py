"""A recipe of plain classes: the same description in every process, so that a killed build goes on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import tree

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError, RunError

TESTS = Path(__file__).parent.parent
OWN = str(TESTS / "recipes" / "own_classes.py")


def built(folder: Path, out: str, dies_at: int = 0, hash_seed: int = 0) -> int:
    """Build in a process of its own; its exit status."""
    command = [sys.executable, "-m", "safetypairs_hf", "build", OWN, "--out", out, "--workers", "1"]
    paths = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    ours = {"PYTHONPATH": paths, "PYTHONHASHSEED": str(hash_seed), "DIES_AT": str(dies_at)}
    return subprocess.run(command, cwd=folder, env=os.environ | ours, stdout=subprocess.DEVNULL).returncode


def test_a_killed_build_goes_on_in_another_process(tmp_path: Path) -> None:
    assert built(tmp_path, "whole", hash_seed=1) == 0
    assert (
        built(tmp_path, "killed", dies_at=5, hash_seed=2) == -9
    )  # in the third unit, before which the first is written
    begun = tree(tmp_path / "killed")
    assert "funnel.json" not in begun and "judge/part-00000.parquet" in begun
    assert built(tmp_path, "killed", hash_seed=3) == 0
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")
    assert begun["recipe.json"] == (tmp_path / "whole" / "recipe.json").read_bytes()


def test_what_is_described(tmp_path: Path) -> None:
    assert built(tmp_path, "run") == 0
    parts = json.loads((tmp_path / "run" / "recipe.json").read_text())["parts"]
    assert parts["source"] == {"class": "MySource", "seed": 0, "size": None}
    assert parts["instructor"] == {"class": "MyInstructor", "name": "my-instructor", "languages": ["de", "en", "fr"]}
    assert parts["judging"]["judges"] == [{"class": "MyJudge", "name": "my-judge"}]
    assert parts["editor"] == {
        "class": "MyEditor",
        "name": "my-editor",
        "revision": "7",
        "client": None,
        "colours": {
            "class": "ndarray",
            "dtype": "int64",
            "shape": [2, 3],
            "sha256": hashlib.sha256(np.arange(6).tobytes()).hexdigest(),
        },
        "steps": {"function": "twice", "source": hashlib.sha256(Path(OWN).read_bytes()).hexdigest()[:16]},
        "weights": "weights/my.bin",
    }


def test_a_changed_attribute_is_another_recipe(tmp_path: Path) -> None:
    assert built(tmp_path, "run") == 0
    with pytest.raises(
        RunError, match=r"started with another recipe \(parts\.source\.seed: 0 -> 1\); name another --out"
    ):
        build(load_recipe(OWN, {"seed": "1"}), str(tmp_path / "run"), workers=1)


def test_what_has_no_stable_description_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        build(load_recipe(OWN, {"client": "true"}), str(tmp_path / "run"), workers=1)
    assert str(caught.value) == (
        "Recipe.editor.client is an object, which has no description that is the same in every process; give it a "
        "`revision` (a text that changes when its results do), use plain values or a dataclass, or, if it cannot "
        "change a result, let the attribute's name start with an underscore"
    )
    assert not (tmp_path / "run").exists()


class Endless:
    """A source that does not say how many candidates it has."""

    name = "endless"

    def take(self, start: int, stop: int) -> list[object]:
        return []


def test_a_source_that_lacks_something_is_one_line() -> None:
    with pytest.raises(
        RecipeError, match="the source Endless has no size; a source has size, take, rejected_inputs, f"
    ):
        replace(load_recipe(OWN, {}).recipe, source=Endless())
