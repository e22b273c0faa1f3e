"""Sources under a taxonomy of one's own: labels, one category for all, and a judge that chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safetypairs_hf import taxonomy
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.sources import FolderSource, Frame, HubSource, Judged

ROAD = taxonomy.read(Path(__file__).parents[1] / "recipes" / "road.yaml")


@dataclass(frozen=True)
class SeesLitter:
    """A judge that is sure of litter."""

    name: str = "sees-litter"
    revision: str = "1"

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        return [Verdict(0.9 if category == "litter" else 0.1) for category in categories]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, label in enumerate(("R1 burning", "blades", "Litter", "hate", "bags")):
        (tmp_path / "images" / label).mkdir(parents=True)
        pixels = np.full((64, 64, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / label / "image.png")
    return tmp_path / "images"


def test_labels_are_categories_of_the_taxonomy(folder: Path) -> None:
    source = FolderSource(str(folder), labels="bags=R3", frame=Frame(64, min_side=32), taxonomy=ROAD)
    assert source.categories == ("fires", "blades", "litter")
    found = {candidate.hint["label"]: candidate.category for candidate in source.take(0, source.size)}
    assert found == {"R1 burning": "fires", "blades": "blades", "Litter": "litter", "bags": "litter"}
    assert [(name, reject.reason) for name, reject in source.rejected_inputs()] == [("hate/image.png", "unknown_label")]
    with pytest.raises(RecipeError, match=r"no category 'O3'; .*road@1\.0 has R1 fires"):
        FolderSource(str(folder), labels="bags=O3", taxonomy=ROAD)
    with pytest.raises(SafetyPairsError, match="no category 'hate'"):
        FolderSource(str(folder), category="hate", taxonomy=ROAD)
    assert HubSource("lab/bags", category="R3", taxonomy=ROAD).categories == ("litter",)


def test_a_judge_chooses_among_its_categories(folder: Path) -> None:
    judged = Judged(SeesLitter(), taxonomy=ROAD)
    assert judged.chosen == ROAD.slugs
    source = FolderSource(str(folder), judged=judged, frame=Frame(64, min_side=32), taxonomy=ROAD)
    assert {candidate.category for candidate in source.take(0, source.size)} == {"litter"}
    with pytest.raises(RecipeError, match="categories of the judge: 'hate'; expected some of fires, blades, litter"):
        Judged(SeesLitter(), ("hate",), taxonomy=ROAD)


def test_the_recipes_for_photographs_take_it(folder: Path) -> None:
    given = {"folder": str(folder), "category": "litter", "size": "64", "min_side": "32"}
    commits = dict.fromkeys(("editor_commit", "guard_commit", "instructor_commit"), "0" * 40)
    recipe = load_recipe("klein", {**given, **commits, "grammar": "false"}, ROAD).recipe
    assert recipe.categories == ("litter",) and recipe.instructor.taxonomy == ROAD  # type: ignore[attr-defined]
    assert all(judge.taxonomy == ROAD for judge in recipe.judging.judges)  # type: ignore[attr-defined]
    assert load_recipe("klein", {}, ROAD).recipe.categories == ROAD.slugs  # nothing given yet, as without a taxonomy
