"""AUROC, ranking accuracy and the best threshold with their intervals, against loops over all image pairs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetypairs_hf.metric import compare, ranking, score
from safetypairs_hf.metric.inference import Groups
from safetypairs_hf.metric.ranking import Ranks, auroc_difference

from .reference import (
    clustered_mean,
    logit_interval,
    obuchowski,
    obuchowski_difference,
    t_ratio,
    threshold_free,
    wilson_ends,
)

# Few levels, so that ties are common; and levels that differ in their last bits alone, which are sorted by themselves.
LEVELS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.5 + 2**-50, 0.5 + 2**-49, 0.5 + 2**-48, 0.75, 1.0])
PAIRS = st.lists(st.tuples(LEVELS, LEVELS, st.integers(0, 5)), min_size=2, max_size=25)


def columns(pairs: list[tuple[float, float, int]]) -> tuple[Any, Any, Any]:
    """Scores of the unsafe and of the safe images and groups, a group's pairs side by side."""
    unsafe, safe, group = zip(*sorted(pairs, key=lambda pair: pair[2]), strict=True)
    return np.array(unsafe), np.array(safe), np.array(group)


@given(PAIRS, st.sampled_from([1, 3, 7, 16384]))
@settings(max_examples=200)
def test_against_loops_over_all_pairs_of_images(pairs: list[tuple[float, float, int]], block: int) -> None:
    unsafe, safe, group = columns(pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK", block)
        figures = Ranks.of(unsafe[None], safe[None]).figures(Groups.of(group, len(unsafe)))
    expected = threshold_free(list(zip(unsafe.tolist(), safe.tolist(), strict=True)))
    for name, value in expected.items():
        assert getattr(figures, name) == float(value), name  # type: ignore[arg-type]
    assert figures.tie_rate == (unsafe == safe).mean()
    for name, (share, variance) in {
        "auroc": obuchowski(unsafe.tolist(), safe.tolist(), group.tolist()) if len(set(group)) > 1 else (None, 0),
        "ranking_accuracy": clustered_mean(((unsafe > safe) + 0.5 * (unsafe == safe)).tolist(), group.tolist())
        if len(set(group)) > 1
        else (None, 0),
    }.items():
        low, high = getattr(figures, f"{name}_ci")
        assert 0 <= low < high <= 1
        if share is not None and 0 < share < 1 and variance > 1e-12:
            factor = 1.0 if len(set(group)) == len(group) else t_ratio(len(group), len(set(group)))
            assert (low, high) == pytest.approx(logit_interval(share, variance / factor), abs=1e-9)


def test_without_groups_a_pair_is_the_cluster() -> None:
    unsafe, safe = np.array([0.9, 0.7, 0.4, 0.8, 0.3]), np.array([0.2, 0.8, 0.1, 0.3, 0.35])
    figures = Ranks.of(unsafe[None], safe[None]).figures(Groups.of(None, len(unsafe)))
    area, variance = obuchowski(unsafe.tolist(), safe.tolist(), range(5))
    assert figures.auroc == pytest.approx(area)
    assert figures.auroc_ci == pytest.approx(logit_interval(area, variance))
    assert figures == Ranks.of(unsafe[None], safe[None]).figures(Groups.of(np.arange(5), 5))


@pytest.mark.parametrize("share", [0, 1])
def test_at_the_ends_it_is_wilsons(share: int) -> None:
    unsafe, safe = np.full(20, 0.4 + 0.2 * share), np.full(20, 0.5)
    figures = Ranks.of(unsafe[None], safe[None]).figures(Groups.of(None, len(unsafe)))
    assert figures.auroc == share
    assert figures.auroc_ci == pytest.approx(wilson_ends(share, 20), abs=1e-12)
    # One group says as much as one pair.
    figures = Ranks.of(unsafe[None], safe[None]).figures(Groups.of(np.zeros(20, dtype=np.int64), 20))
    assert figures.ranking_accuracy_ci == pytest.approx(wilson_ends(share, 1), abs=1e-12)


def test_where_all_scores_are_equal_the_interval_is_wide() -> None:
    figures = Ranks.of(np.full((1, 30), 0.5), np.full((1, 30), 0.5)).figures(Groups.of(None, 30))
    assert (figures.auroc, figures.tie_rate) == (0.5, 1.0)
    assert figures.auroc_ci == pytest.approx(wilson_ends(0.5, 30), abs=1e-12)


@given(PAIRS, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_a_difference_of_two_guards(pairs: list[tuple[float, float, int]], source: Any) -> None:
    unsafe, safe, group = columns(pairs)
    other_unsafe, other_safe = (np.array([source.choice([*values, 0.6]) for _ in values]) for values in (unsafe, safe))
    found, ends = auroc_difference(
        Ranks.of(unsafe[None], safe[None]), Ranks.of(other_unsafe[None], other_safe[None]), Groups.of(group, len(group))
    )
    scores = [values.tolist() for values in (unsafe, safe, other_unsafe, other_safe)]
    if len(set(group)) == 1:
        assert ends is None
        return
    expected, variance = obuchowski_difference(*scores, group.tolist())
    assert found == pytest.approx(expected, abs=1e-12)
    if ends is None:
        assert variance == pytest.approx(0, abs=1e-15)
        return
    factor = 1.0 if len(set(group)) == len(group) else t_ratio(len(group), len(set(group)))
    half = 1.959963984540054 * math.sqrt(variance / factor)
    assert ends == pytest.approx((max(-1, found - half), min(1, found + half)), abs=1e-9)


def test_two_guards_that_never_err_have_no_interval() -> None:
    rows = [{"pair_id": n, "reference": r, "score": 0.1 + 0.8 * r} for n in range(40) for r in (0, 1)]
    others = [{**row, "score": 0.2 + 0.5 * row["reference"]} for row in rows]
    assert (compare(rows, others).auroc_difference, compare(rows, others).auroc_difference_ci) == (0.0, None)
    assert compare(rows, [{**row, "score": None, "prediction": 1} for row in rows]).auroc_difference is None


def test_the_figures_of_a_category_are_those_of_its_rows_alone() -> None:
    draw = np.random.default_rng(3)
    rows = [
        {
            "pair_id": n,
            "reference": r,
            "score": float(draw.integers(0, 9) / 8),
            "category": "xyz"[n % 3],
            "group": n // 4,
        }
        for n in range(300)
        for r in (0, 1)
    ]
    for name, figures in score(rows).per_category.items():
        alone = score([row for row in rows if row["category"] == name])
        assert figures.to_dict() == {key: alone.to_dict()[key] for key in figures.to_dict()}
