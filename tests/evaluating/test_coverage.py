"""Figures on what a guard covers beside those on all, a run restricted to categories, and how a guard was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from loading.published import publish

from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.evaluating.coverage import covered_by, remarks
from safetypairs_hf.evaluating.data import open_data
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.evaluating.prediction_file import told_by
from safetypairs_hf.report.guard_files import read_guards
from safetypairs_hf.report.guards_page import leaderboard

OUT = Path("out.parquet")


class CoversViolence:
    """Right about the four pairs of violence; the three of hate it does not cover."""

    name, revision, fidelity = "covers-violence", "1", "common"

    def judge(self, images: Any, categories: Any, regions: Any) -> list[Verdict]:
        return [
            Verdict(None, "not_covered")
            if category == "hate"
            else Verdict(float(image.pixels[0, 0, 1] > 99) * 0.8 + 0.1)
            for image, category in zip(images, categories, strict=True)
        ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(publish(tmp_path_factory.mktemp("data") / "squares", "1.1.0"))


def test_covered_figures_stand_beside_those_on_all(data: str) -> None:
    score = evaluate(CoversViolence(), data, OUT)
    found = covered_by(OUT)
    assert found is not None and score.pair_accuracy == 4 / 7
    assert (found.score.pair_accuracy, found.score.n_pairs) == (1.0, 4)
    assert (found.categories, found.not_covered) == (("violence",), ("hate",))
    assert found.to_dict()["not_covered"] == ["hate"] and found.to_dict()["pair_accuracy"] == 1.0
    asked, covers = remarks(OUT)
    assert asked == "Asked by the policy text of the data, as any guard can be (fidelity: common)."
    assert " ".join(covers.split()).startswith(
        "It covers 1 of 2 categories (not hate). On these, 4 pairs: pair accuracy 1.000 ["
    )
    assert max(map(len, covers.splitlines())) <= 80
    shown = CliRunner().invoke(group, ["score", str(OUT)])
    assert shown.exit_code == 0 and "It covers 1 of 2 categories" in shown.stdout
    (row,) = leaderboard(read_guards([OUT]))
    assert (row["fidelity"], row["covered"]["categories"], row["covered"]["pair_accuracy"]) == (
        "common",
        ["violence"],
        1.0,
    )


def test_a_run_of_some_categories(data: str) -> None:
    words = ["evaluate", "colour-and-clutter", "--data", data, "--out", str(OUT), "--category", "O2"]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert set(pq.read_table(OUT)["category"].to_pylist()) == {"violence"}
    assert told_by(OUT)["split"] == "test/violence" and covered_by(OUT) is None
    other = CliRunner().invoke(group, words[:-2])
    assert "data.categories was 'violence'" in str(other.exception) or "belongs to another run" in str(other.exception)
    assert open_data(data, categories=["violence"], limit=2).n_pairs == 2
    with pytest.raises(SafetyPairsError, match="has no pairs in split 'test' under nudity; there is nothing"):
        open_data(data, categories=["nudity"])
    with pytest.raises(SafetyPairsError, match="violenc"):
        open_data(data, categories=["violenc"])
