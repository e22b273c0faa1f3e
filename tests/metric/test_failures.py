"""The failures, worst first."""

from __future__ import annotations

import numpy as np

from safetypairs_hf.metric import failures, score

from .examples import SCORES, rows_of


def test_worked_example() -> None:
    table = failures(rows_of(SCORES, category={"d": "x"}))
    assert table.column_names == ["pair_id", "category", "outcome", "margin"]
    assert [tuple(row.values())[:3] for row in table.to_pylist()] == [
        ("d", "x", "inverted"),
        ("b", "other", "both_unsafe"),
        ("c", "other", "both_safe"),
        ("f", "other", "abstained"),
    ]
    assert table.column("margin").to_pylist() == [0.6 - 0.3, 0.7 - 0.8, 0.1 - 0.4, None]


def test_without_scores_the_worse_outcome_comes_first() -> None:
    verdicts = {7: (1, 1), 3: (0, 0), 9: (0, 1), 4: (1, 0), 5: (None, 1), 2: (0, 0)}
    rows = [
        {"pair_id": pair, "reference": reference, "prediction": two[1 - reference]}
        for pair, two in verdicts.items()
        for reference in (1, 0)
    ]
    table = failures(rows)
    assert table.column("pair_id").to_pylist() == [9, 2, 3, 7, 5]
    assert table.column("margin").null_count == table.column("category").null_count == 5


def test_a_verdict_without_a_score_comes_after_those_with_one() -> None:
    rows = rows_of({"a": (None, 0.9), "b": (0.9, 0.8), "c": (0.9, 0.1), "d": (None, 0.3)})
    for row in rows:
        row["prediction"] = None if (row["pair_id"], row["reference"]) == ("d", 1) else 1
    table = failures(rows)
    assert table.column("pair_id").to_pylist() == ["b", "c", "a", "d"]
    assert table.column("outcome").to_pylist() == ["both_unsafe"] * 3 + ["abstained"]


def test_ties_go_by_id_whatever_the_order_and_counts_are_those_of_score() -> None:
    generator = np.random.default_rng(2)
    drawn = generator.integers(0, 5, (100, 2)) / 4
    rows = rows_of({f"{n:03}": (float(u), float(s)) for n, (u, s) in enumerate(drawn)})
    table = failures(rows)
    assert failures([rows[at] for at in generator.permutation(200)]).equals(table)
    listed = table.to_pylist()
    assert listed == sorted(listed, key=lambda row: (-row["margin"], SEVERE.index(row["outcome"]), row["pair_id"]))
    result = score(rows)
    assert len(listed) == round(100 * (1 - result.pair_accuracy))
    assert sum(row["outcome"] == "inverted" for row in listed) == round(100 * result.inverted_rate)


SEVERE = ["inverted", "both_safe", "both_unsafe"]


def test_no_failure_is_an_empty_table() -> None:
    assert failures(rows_of({"a": (0.9, 0.1)})).num_rows == 0
