"""Equivalence and non-inferiority against the 90% interval of the slow reference, and their ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare

from .reference import equivalence, newcombe

Cells = list[tuple[int, int, int, int]]


def guards(cells: Cells) -> list[dict[str, Any]]:
    """Two guards from each group's pairs that both, only the first, only the second and neither has right."""
    kinds = np.repeat(np.tile(np.arange(4), len(cells)), np.ravel(cells))
    n = len(kinds)
    group = np.repeat(np.arange(len(cells)), np.sum(cells, axis=1))
    return [
        {
            "pair_id": np.tile(np.arange(n), 2),
            "reference": np.repeat([1, 0], n),
            "prediction": np.concatenate((np.isin(kinds, right).astype(int), np.zeros(n, dtype=int))),
            "group": np.tile(group, 2),
        }
        for right in ((0, 1), (0, 2))
    ]


@pytest.mark.parametrize("seed", range(30))
def test_against_the_reference(seed: int) -> None:
    generator = np.random.default_rng(seed)
    cells: Cells = [
        tuple(generator.multinomial(generator.integers(1, 6), [0.6, 0.1, 0.1, 0.2]).tolist()) for _ in range(60)
    ]
    found = compare(*guards(cells))
    low, high = newcombe(cells, level=0.9)
    assert found.difference_ci90 == pytest.approx((low, high), abs=1e-9)
    assert found.difference_ci[0] < low < high < found.difference_ci[1]
    for margin in (0.02, 0.05, 0.1, 0.2, abs(low) + 1e-6, abs(high) + 1e-6, abs(high) - 1e-6):
        told = found.equivalent(margin)
        assert (told.non_inferior, told.equivalent) == equivalence(cells, margin)
        assert bool(told) is told.equivalent


def test_a_better_guard_is_not_inferior_and_not_equivalent() -> None:
    single: Cells = [(1, 0, 0, 0)] * 60 + [(0, 1, 0, 0)] * 30 + [(0, 0, 1, 0)] * 2 + [(0, 0, 0, 1)] * 8
    a, b = guards(single)
    assert compare(a, b).equivalent(0.1).non_inferior
    assert not compare(a, b).equivalent(0.1)
    assert not compare(b, a).equivalent(0.1).non_inferior


@pytest.mark.parametrize("margin", [0, 1, -0.1, float("nan"), True, "0.1"])
def test_a_margin_is_above_0_and_below_1(margin: Any) -> None:
    same = guards([(1, 0, 0, 1)] * 10)
    with pytest.raises(PairError, match="margin="):
        compare(*same).equivalent(margin)
