"""How many pairs it takes: Connor's formula, and the exact test that it stands for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, pairs_needed, power_table
from safetypairs_hf.metric.compare import minimum_detectable_difference
from safetypairs_hf.metric.power import power_at

from .examples import SCORES, rows_of


def test_by_hand() -> None:
    # (1.959964 sqrt(0.2) + 0.841621 sqrt(0.19))^2 / 0.01 = (0.876523 + 0.366852)^2 / 0.01 = 154.60
    assert pairs_needed(0.1, 0.2) == 155
    # (2.575829 sqrt(0.2) + 1.281552 sqrt(0.19))^2 / 0.01 = (1.151946 + 0.558613)^2 / 0.01 = 292.60
    assert pairs_needed(0.1, 0.2, alpha=0.01, power=0.9) == 293
    # All discordant pairs one way: z_b falls out where d = x^2, that is x = d = 1.
    assert pairs_needed(1.0, 1.0) == 4


@pytest.mark.parametrize("discordance", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("difference", [0.01, 0.03, 0.05])
def test_it_inverts_the_detectable_difference_and_the_power(difference: float, discordance: float) -> None:
    n = pairs_needed(difference, discordance)
    assert power_at(n, difference, discordance) >= 0.8 > power_at(n - 1, difference, discordance)
    # `compare` solves the same equation for the difference, at a whole number of discordant pairs.
    large = 10_000_000
    smallest = minimum_detectable_difference(round(discordance * large), large)
    assert smallest is not None
    assert pairs_needed(smallest * (1 + 1e-9), discordance) == pytest.approx(large, rel=1e-6)


def exact_power(n: int, difference: float, discordance: float) -> float:
    """P(exact McNemar p < 0.05) over all numbers of discordant pairs, from binomial probabilities."""

    def law(size: int, p: float) -> np.ndarray:
        k = np.arange(size + 1)
        logs = [math.lgamma(size + 1) - math.lgamma(i + 1) - math.lgamma(size - i + 1) for i in k]
        return np.exp(np.array(logs) + k * math.log(p) + (size - k) * math.log1p(-p))

    total = 0.0
    for m, chance in enumerate(law(n, discordance)):
        if chance > 1e-9:
            fair = law(m, 0.5)
            p = np.minimum(1, 2 * np.cumsum(fair))
            rejects = (p < 0.05) | (p[::-1] < 0.05)
            total += chance * law(m, (discordance + difference) / (2 * discordance))[rejects].sum()
    return float(total)


def test_the_exact_test_has_nearly_that_power() -> None:
    n = pairs_needed(0.1, 0.4)
    assert n == 312
    assert 0.75 < exact_power(n, 0.1, 0.4) < 0.8
    assert exact_power(round(1.1 * n), 0.1, 0.4) > 0.8


def test_pairs_in_groups_take_more() -> None:
    assert pairs_needed(0.1, 0.2, design_effect=2.5) == math.ceil(2.5 * 154.597)
    with pytest.raises(PairError, match=r"design_effect=0\.5: it is 1 or more"):
        pairs_needed(0.1, 0.2, design_effect=0.5)


def test_table() -> None:
    table = power_table((0.02, 0.1), (0.05, 0.2))
    assert table.pairs == ((979, 3923), (None, 155))
    assert json.loads(json.dumps(table.to_dict())) == table.to_dict()
    seen = compare(rows_of(SCORES), rows_of({**SCORES, "b": (0.8, 0.1), "e": (0.1, 0.2), "f": (0.9, 0.1)}))
    table = power_table(observed=seen)
    assert table.discordances == (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert max(map(len, str(table).splitlines())) <= 80
    assert f"it takes {pairs_needed(1 / 6, 3 / 6)} pairs to see it" in str(table)
    same = power_table(observed=compare(rows_of(SCORES), rows_of(SCORES)))
    assert "no difference to plan for" in str(same)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.2, 0.1), "difference=0.2: it is above 0 and at most 0.1, the discordance"),
        ((0.0, 0.1), "difference=0.0"),
        ((0.1, 1.5), "discordance=1.5: it is above 0 and at most 1"),
        ((float("nan"), 0.1), "difference=nan"),
        ((0.1, 0.2, 0), "alpha=0"),
        ((0.1, 0.2, 0.05, 1), "power=1"),
    ],
)
def test_numbers_out_of_range(given: tuple[float, ...], message: str) -> None:
    with pytest.raises(PairError, match=message):
        pairs_needed(*given)
