"""`artifact_gap`: pair accuracy on the pairs less that on both_regenerated, and what null edits are called."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import PairError

from .reference import newcombe

# What a guard says of (the unsafe, the safe) image of each pair, and of the same regenerated; groups by two.
PAIRS = {"a": (0.9, 0.2), "b": (0.8, 0.1), "c": (0.7, 0.3), "d": (0.6, 0.4), "e": (0.9, 0.8), "f": (0.9, 0.1)}
AGAIN = {"a": (0.9, 0.2), "b": (0.3, 0.1), "c": (0.2, 0.3), "d": (0.6, 0.9), "e": (0.9, 0.1)}
GROUPS = {"a": "one", "b": "one", "c": "two", "d": "two", "e": "three", "f": "three", "z": "four"}


def rows_of(scores: dict[str, tuple[float | None, float | None]], **more: Any) -> list[dict[str, Any]]:
    return [
        {"pair_id": pair, "reference": reference, "score": score, "group": GROUPS[pair], **more}
        for pair, both in scores.items()
        for reference, score in zip((1, 0), both, strict=True)
    ]


def nulls(**scores: float | None) -> list[dict[str, Any]]:
    return [
        {"pair_id": pair, "reference": 1, "score": score, "group": GROUPS[pair], "control": "null_edit"}
        for pair, score in scores.items()
    ]


def test_the_gap_is_taken_over_the_pairs_that_have_the_control() -> None:
    found = sp.score(rows_of(PAIRS), controls=rows_of(AGAIN)).to_dict()
    assert found["pair_accuracy"] == 5 / 6  # of all, as without controls
    assert found["artifact_gap_pair_accuracy"] == 4 / 5  # a to d of a to e
    assert found["regenerated_pair_accuracy"] == 2 / 5  # a, e
    assert found["artifact_gap"] == 2 / 5  # lost b, c, d and won e
    assert (found["artifact_gap_n_pairs"], found["artifact_gap_n_groups"]) == (5, 3)
    assert (found["artifact_gap_left_out"], found["artifact_gap_unmatched"]) == (1, 0)
    assert (found["neutral_gap"], found["null_edit_unsafe_rate"], found["n_null_edits"]) == (None, None, 0)
    assert json.loads(json.dumps(found)) == found


def test_its_interval_is_that_of_a_comparison() -> None:
    found = sp.score(rows_of(PAIRS), controls=rows_of(AGAIN)).to_dict()
    low, high = found["artifact_gap_ci"]
    # By group: both right, the pair alone, the control alone, neither.
    assert (low, high) == pytest.approx(newcombe([(1, 1, 0, 0), (0, 2, 0, 0), (0, 0, 1, 0)]), abs=1e-9)
    comparison = sp.compare(rows_of({name: PAIRS[name] for name in AGAIN}), rows_of(AGAIN))
    assert (comparison.difference, list(comparison.difference_ci)) == (found["artifact_gap"], [low, high])


def test_the_order_of_the_rows_changes_no_bit() -> None:
    controls = [*rows_of(AGAIN, control="both_regenerated"), *nulls(a=0.9, b=0.2)]
    expected = sp.score(rows_of(PAIRS), controls=controls).to_dict()
    for seed in range(3):
        mixed = [random.Random(seed).sample(each, len(each)) for each in (rows_of(PAIRS), controls)]
        assert sp.score(mixed[0], controls=mixed[1]).to_dict() == expected


def test_every_kind_of_control_has_its_figure() -> None:
    controls = [
        *rows_of(AGAIN, control="both_regenerated"),
        *nulls(a=0.9, b=0.4, c=None, d=0.5),
        *rows_of({"a": (0.9, 0.1), "b": (0.1, 0.1)}, control="neutral_edit"),
    ]
    found = sp.score(rows_of(PAIRS), controls=controls)
    assert found.controls and found.controls.regenerated and found.controls.neutral
    assert (found.controls.regenerated.gap, found.controls.neutral.gap) == (2 / 5, 1 / 2)
    assert (found.controls.null_edit_unsafe_rate, found.controls.n_null_edits) == (0.5, 4)
    numbered = [
        {**row, "control": ("null_edit", "neutral_edit", "both_regenerated").index(row["control"])} for row in controls
    ]
    assert sp.score(rows_of(PAIRS), controls=numbered).to_dict() == found.to_dict()
    text = str(found)
    assert "artifact gap            0.4000   95% interval" in text
    assert "0.8000 less 0.4000 on both regenerated, 5 pairs" in text
    assert "null edits              0.5000   called unsafe, of 4 null edits" in text
    assert max(map(len, text.splitlines())) <= 80


def test_without_controls_nothing_is_said_of_them() -> None:
    found = sp.score(rows_of(PAIRS))
    assert found.controls is None
    assert not {"controls", "artifact_gap"} & found.to_dict().keys()
    assert "artifact" not in str(found)


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        (rows_of({"z": (0.9, 0.1)}), "both_regenerated: different pair sets: no pair is in both (6 and 1 are given)"),
        (rows_of(AGAIN)[:-1], "both_regenerated: a missing half: 1 pair"),
        (rows_of(AGAIN, group="x"), "both_regenerated: a shared pair with another group in the controls: 5 pairs"),
        (rows_of(AGAIN, control="nul_edit"), "controls: a control 'nul_edit': 10 rows; there are null_edit, neutral"),
        (nulls(a=0.9) * 2, "null_edit: a doubled image"),
        ([{**nulls(a=0.9)[0], "reference": 0}], "null_edit: a reference that is not 1"),
        ([{"pair_id": "a"}], "controls: a column that is not there: reference, prediction or score"),
    ],
)
def test_bad_controls_are_refused_in_one_line(controls: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PairError) as caught:
        sp.score(rows_of(PAIRS), controls=controls)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_command_reads_controls_of_every_format(tmp_path: Path, suffix: str) -> None:
    import pandas as pd

    controls = [*rows_of(AGAIN, control="both_regenerated"), *nulls(a=0.9, b=0.2)]
    paths = []
    for name, rows in (("pairs", rows_of(PAIRS)), ("controls", controls)):
        paths.append(str(tmp_path / f"{name}.{suffix}"))
        frame = pd.DataFrame(rows)
        if suffix == "csv":
            frame.to_csv(paths[-1], index=False)
        elif suffix == "jsonl":
            frame.to_json(paths[-1], orient="records", lines=True)
        else:
            frame.to_parquet(paths[-1])
    done = CliRunner().invoke(group, ["score", paths[0], "--controls", paths[1], "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found == sp.score(rows_of(PAIRS), controls=controls).to_dict()
    assert (found["artifact_gap"], found["null_edit_unsafe_rate"]) == (0.4, 0.5)
