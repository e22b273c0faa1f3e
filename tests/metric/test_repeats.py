"""Repeated answers of one guard: every figure is a mean over the samples, and groups stay what varies."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, compare_many, score

from .examples import SCORES, rows_of
from .reference import wilson_ends

MEANS = (
    "pair_accuracy",
    "pair_accuracy_upper",
    "image_accuracy",
    "unsafe_recall",
    "safe_specificity",
    "abstention_rate",
    "both_unsafe_rate",
    "both_safe_rate",
    "inverted_rate",
    "abstained_rate",
    "group_accuracy",
    "ranking_accuracy",
    "tie_rate",
    "auroc",
    "relative_consistency",
)


def sampled(seed: int, samples: int, n: int = 12, *, grouped: bool = True) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {
            "pair_id": number,
            "reference": r,
            "score": draw.choice([0.1, 0.3, 0.5, 0.7, 0.9]),
            "sample": f"seed {sample}",
            "category": "xy"[number % 2],
            **({"group": number // 3} if grouped else {}),
        }
        for number in range(n)
        for r in (0, 1)
        for sample in range(samples)
    ]


def of_sample(rows: list[dict[str, Any]], sample: int) -> list[dict[str, Any]]:
    return [{**row, "sample": None} for row in rows if row["sample"] == f"seed {sample}"]


@given(st.integers(0, 10**6), st.integers(2, 4), st.booleans())
@settings(max_examples=40)
def test_every_figure_is_a_mean_over_the_samples(seed: int, samples: int, grouped: bool) -> None:
    rows = sampled(seed, samples, grouped=grouped)
    result = score(rows)
    alone = [score(of_sample(rows, sample)) for sample in range(samples)]
    for name in MEANS:
        values = [getattr(one, name) for one in alone]
        if None in values:
            assert getattr(result, name) is None, name
        else:
            assert getattr(result, name) == pytest.approx(np.mean(values), abs=1e-12), name
    assert (result.n_pairs, result.n_samples) == (12, samples)
    assert result.sample_sd == pytest.approx(np.std([one.pair_accuracy for one in alone], ddof=1))
    # One threshold serves all samples.
    best = result.best_threshold
    at_best = [score(of_sample(rows, sample), threshold=best).pair_accuracy for sample in range(samples)]
    assert result.best_threshold_pair_accuracy == pytest.approx(np.mean(at_best))
    random.Random(seed).shuffle(rows)
    assert score(rows).to_dict() == result.to_dict()


def test_equal_samples_say_no_more_than_one() -> None:
    one = rows_of(SCORES, category={"a": "x"}, group={"a": "g", "b": "g"})
    many = [{**row, "sample": sample} for row in one for sample in range(5)]
    expected, found = score(one).to_dict(), score(many).to_dict()
    assert (found.pop("n_samples"), found.pop("sample_sd")) == (5, 0.0)
    assert "|samples:5|" in found.pop("signature")
    for name, value in found.items():
        if name != "per_category":
            assert value == (expected[name] if isinstance(value, str | None) else pytest.approx(expected[name])), name
    for name, figures in found["per_category"].items():
        assert figures == {key: pytest.approx(value) for key, value in expected["per_category"][name].items()}, name
    comparison = compare(many, [{**row, "score": 0.9} for row in one]).to_dict()
    for name, value in compare(one, [{**row, "score": 0.9} for row in one]).to_dict().items():
        if name != "signature":
            assert comparison[name] == pytest.approx(value), name


def test_without_groups_a_pair_is_one_unit_however_often_it_is_asked() -> None:
    # Right in 0, 1, 2 of two samples: 3 of 6 on average, of three pairs.
    rows = [
        {"pair_id": pair, "reference": r, "sample": sample, "prediction": r if sample < pair else 1}
        for pair in range(3)
        for r in (0, 1)
        for sample in range(2)
    ]
    result = score(rows)
    assert (result.pair_accuracy, result.n_groups, result.design_effect) == (0.5, None, 1.0)
    assert result.pair_accuracy_ci == pytest.approx(wilson_ends(0.5, 3))
    assert "spread of samples       0.2357   standard deviation, 2 samples" in str(result)


def test_the_sign_flip_test_takes_sums_over_samples() -> None:
    """A right in 2, 2, 1, 2, 2, 2, 0 of two samples, B always once: differences 1, 1, 0, 1, 1, 1, -1 of two."""
    right = (2, 2, 1, 2, 2, 2, 0)
    a = [
        {"pair_id": pair, "reference": r, "sample": sample, "prediction": r if sample < times else 1}
        for pair, times in enumerate(right)
        for r in (0, 1)
        for sample in range(2)
    ]
    b = [
        {"pair_id": pair, "reference": r, "sample": sample, "prediction": r if sample == pair % 2 else 1}
        for pair in range(7)
        for r in (0, 1)
        for sample in range(2)
    ]
    result = compare(a, b)
    assert result.difference == pytest.approx((11 - 7) / 14)
    assert result.p_value == pytest.approx(2 * (6 + 1) / 64)  # McNemar's 5 against 1
    assert (result.only_a_correct, result.only_b_correct) == pytest.approx((5.5 - 2.75, 3.5 - 2.75))


def test_samples_that_do_not_fit() -> None:
    rows = sampled(1, 2)
    with pytest.raises(PairError, match=r"a pair that not every sample has, sample seed 1 .*: 1 pair \(3\)"):
        score([row for row in rows if (row["pair_id"], row["sample"]) != (3, "seed 1")])
    with pytest.raises(PairError, match="sample seed 0: a missing half"):
        score(rows[1:])
    with pytest.raises(PairError, match="seed 1: a pair has another category"):
        score([{**row, "category": row["sample"] if row["pair_id"] == 5 else "x"} for row in rows])
    with pytest.raises(PairError, match="b: 2 samples: `score` and `compare` of two guards take repeated answers"):
        compare_many({"a": of_sample(rows, 0), "b": rows})
    with pytest.raises(PairError, match="give each image once, or repeated answers a column sample"):
        score([{**row, "sample": None} for row in rows])
    with pytest.raises(PairError, match="more than 1000 are no repeats; was an id meant"):
        score([{**row, "sample": number} for number, row in enumerate(rows_of({str(n): (1, 0) for n in range(600)}))])
