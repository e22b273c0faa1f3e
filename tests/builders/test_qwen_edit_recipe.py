"""The recipe `qwen_edit`: its settings, and which class edits."""

from __future__ import annotations

from typing import Any

from safetypairs_hf.building.recipe import Weights, load_recipe
from safetypairs_hf.editors.qwen_edit import QwenEdit, QwenEditPlus


def test_the_newest_is_the_default() -> None:
    recipe: Any = load_recipe("qwen_edit", {"editor_commit": "e1", "steps": "8"}).recipe
    assert recipe.editor == QwenEditPlus("Qwen/Qwen-Image-Edit-2511", "e1", steps=8)
    assert (recipe.rounds, recipe.attempts, recipe.gpu_gb) == (3, 2, 70)
    assert recipe.weights[0] == Weights("Qwen/Qwen-Image-Edit-2511", "apache-2.0")


def test_the_first_one_edits_in_batches() -> None:
    given = {"editor": "Qwen/Qwen-Image-Edit", "plus": "false", "editor_commit": "e1", "batch_size": "4"}
    recipe: Any = load_recipe("qwen_edit", given).recipe
    assert recipe.editor == QwenEdit("Qwen/Qwen-Image-Edit", "e1", steps=40, batch_size=4)


def test_other_weights_have_no_licence_before_it_is_stated() -> None:
    given = {"editor": "org/other", "editor_commit": "e1"}
    assert load_recipe("qwen_edit", given).recipe.weights[0] == Weights("org/other", "not stated", publishable=False)
    stated = load_recipe("qwen_edit", {**given, "editor_license": "mit"}).recipe.weights[0]
    assert stated == Weights("org/other", "mit")


def test_a_lora_has_few_steps_no_guidance_and_a_licence_of_its_own() -> None:
    given = {"editor_commit": "e1", "lora": "org/lightning", "lora_commit": "c1", "fp8": "auto"}
    recipe: Any = load_recipe("qwen_edit", given).recipe
    name = "Qwen/Qwen-Image-Edit-2511"
    assert recipe.editor == QwenEditPlus(name, "e1", 4, 1.0, lora="org/lightning", lora_commit="c1", fp8="auto")
    assert recipe.editor.revision == "e1 + org/lightning c1"
    assert recipe.weights[1] == Weights("org/lightning", "not stated", publishable=False)
    del given["lora_commit"]
    assert "lora_commit=SHA (a commit of org/lightning)" in load_recipe("qwen_edit", given).recipe.source.missing  # type: ignore[attr-defined]


def test_it_says_what_is_missing() -> None:
    recipe: Any = load_recipe("qwen_edit", {"guard_commit": "9a", "instructor_commit": "17"}).recipe
    assert recipe.source.missing == (
        "not given yet: folder=PATH or dataset=ORG/NAME (the images); "
        "editor_commit=SHA (a commit of Qwen/Qwen-Image-Edit-2511); give each by --set NAME=VALUE"
    )
