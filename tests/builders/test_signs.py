"""The recipe `signs`: built with its controls, published with a card that says what it tests, and scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safetypairs_hf as sp
from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.signs import SignReader, features, signs_taxonomy
from safetypairs_hf.taxonomy.nine import NINE

PAIRS = 9


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, published."""
    run, target = tmp_path_factory.mktemp("run") / "signs", tmp_path_factory.mktemp("published") / "signs"
    build(load_recipe("signs", {"pairs": str(PAIRS), "size": "192"}), str(run), 1)
    publish(open_run(str(run)), parse_target(str(target)), parse("1.0.0"))
    return target


def test_each_pair_cites_the_line_that_it_breaks_and_the_one_that_permits(target: Path) -> None:
    splits = sp.load(str(target))
    found = [row for split in splits.values() for row in split.remove_columns(["unsafe_image", "safe_image"])]
    names = splits["test"].features["category"].names
    assert sorted(names[row["category"]] for row in found) == sorted(NINE.slugs)
    cited = {(each.category, each.block, each.line): each.permitted_by for each in features()}
    for row in found:
        block, broken, permits, _ = row["source"]["id"].split(":")
        assert permits in cited[names[row["category"]], block, broken]
        assert row["policy"] == f"{names[row['category']]}@1.0"


def test_the_card_says_first_what_it_is_a_test_of(target: Path) -> None:
    card = (target / "README.md").read_text()
    assert "a test of reading scenes of signs, not of photographs" in card.split("## Load")[0]
    assert "Font Awesome Free" in card
    assert "signs@1.0" in card


def test_the_controls_tell_that_no_edit_is_seen(target: Path) -> None:
    """A guard that reads signs is as right about pairs whose members were both drawn again, or edited elsewhere."""
    score = sp.score(rows(target, "default"), controls=rows(target, "controls"))
    assert score.pair_accuracy >= 0.6
    assert score.controls and score.controls.regenerated and score.controls.neutral
    assert score.controls.regenerated.gap == 0
    assert abs(score.controls.neutral.gap) <= 0.2
    assert score.controls.null_edit_unsafe_rate is not None and score.controls.null_edit_unsafe_rate >= 0.6


def rows(target: Path, config: str) -> list[dict[str, Any]]:
    """What the reader says of the whole images."""
    reader = SignReader().under(signs_taxonomy())
    found = [dict(row) for row in sp.images(sp.load(str(target), config=config, split="test"))]
    pictures = [encode(np.asarray(row.pop("image"))) for row in found]
    verdicts = reader.judge(pictures, [row["category"] for row in found], [None] * len(found))
    return [{**row, "score": verdict.p_unsafe or 0.0} for row, verdict in zip(found, verdicts, strict=True)]


def test_another_taxonomy_is_refused() -> None:
    other = signs_taxonomy().__class__("mine", "1.0", signs_taxonomy().categories)
    with pytest.raises(RecipeError, match=r"the taxonomy is mine@1\.0; signs cite the lines of signs@1\.0"):
        load_recipe("signs", {}, other)
