"""Predictions against data: those of another version, or with pairs that it does not hold, are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import make_run

from safetypairs_hf.errors import PairError, SafetyPairsError
from safetypairs_hf.evaluating.metadata import check_data, read_run, told_by
from safetypairs_hf.evaluating.running import evaluate
from safetypairs_hf.guards.simple import ColourAndClutter
from safetypairs_hf.publishing.published import open_named
from safetypairs_hf.publishing.release import publish
from safetypairs_hf.publishing.targets import parse_target
from safetypairs_hf.publishing.versions import parse

OUT = Path("mood.parquet")


@pytest.fixture
def data(tmp_path: Path) -> str:
    target = str(tmp_path / "data")
    publish(make_run(tmp_path / "run", pairs=4), parse_target(target), parse("1.0.0"))
    return target


def test_predictions_and_the_data_that_they_are_on(data: str) -> None:
    splits = open_named(data).table["split"].to_pylist()
    score = evaluate(ColourAndClutter(), data, OUT, split="all")
    assert score.n_pairs == len(splits) == 4
    assert check_data(OUT, data) == check_data(OUT, f"{data}@v1.0.0") == ""
    assert told_by(OUT) == {"data": f"{data}@1.0.0", "split": "all", "fidelity": None}
    with pytest.raises(PairError, match=r"mood.parquet has predictions on .*data@1.0.0, not on .*data@1.1.0; give --d"):
        check_data(OUT, f"{data}@1.1.0")
    with pytest.raises(SafetyPairsError, match="no folder"):
        check_data(OUT, "./gone")


def test_pairs_that_the_data_does_not_hold(data: str) -> None:
    held = open_named(data).table["pair_id"].to_pylist()[0]
    file = Path("guard.csv")
    lines = [f"{pair_id},{reference},1" for pair_id in (held, "x", "y") for reference in (1, 0)]
    file.write_text("\n".join(["pair_id,reference,prediction", *lines]))
    with pytest.raises(PairError, match=r"guard.csv: 2 of 3 pairs are not in .*data@1.0.0 \('x', 'y'\); give the ver"):
        check_data(file, data)
    assert read_run(file) is None and told_by(file) == {}
