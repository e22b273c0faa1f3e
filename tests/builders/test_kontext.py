"""The recipe `kontext`: its settings and its licence."""

from __future__ import annotations

from typing import Any

from safetypairs_hf.building.recipe import Weights, load_recipe
from safetypairs_hf.editors.kontext import Kontext

KONTEXT = "black-forest-labs/FLUX.1-Kontext-dev"


def test_its_settings_are_its_own_and_those_of_klein() -> None:
    given = {"editor_commit": "e1", "steps": "20", "attempts": "3", "device": "cpu"}
    recipe: Any = load_recipe("kontext", given).recipe
    assert recipe.editor == Kontext(KONTEXT, "e1", 20, device="cpu")
    assert (recipe.attempts, recipe.rounds, recipe.gpu_gb) == (3, 3, 40)
    assert recipe.source.missing == (
        "not given yet: folder=PATH or dataset=ORG/NAME (the images); "
        "guard_commit=SHA (a commit of google/shieldgemma-2-4b-it); "
        "instructor_commit=SHA (a commit of Qwen/Qwen2.5-VL-7B-Instruct); give each by --set NAME=VALUE"
    )


def test_what_it_makes_is_not_published_unasked() -> None:
    editor, instructor = load_recipe("kontext").recipe.weights
    assert editor == Weights(KONTEXT, "flux-1-dev-non-commercial-license", publishable=False)
    assert instructor.publishable
