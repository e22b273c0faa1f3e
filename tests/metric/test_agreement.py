"""Agreement of guards and of prompts, against counts by hand and a slow kappa."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import agreement, prompt_stability, score
from safetypairs_hf.metric.agreement import kappa, kappas
from safetypairs_hf.metric.pairs import outcomes_of

from .examples import SCORES, rows_of
from .reference import outcome, verdict

OTHER = {"a": (0.9, 0.8), "b": (0.8, 0.1), "c": (0.4, 0.1), "d": (0.7, 0.6), "e": (0.9, 0.1), "f": (None, None)}


def slow_kappa(one: list[Any], other: list[Any]) -> Fraction:
    n = len(one)
    observed = Fraction(sum(a == b for a, b in zip(one, other, strict=True)), n)
    expected = sum(Fraction(one.count(kind) * other.count(kind), n * n) for kind in set(one) | set(other))
    return (observed - expected) / (1 - expected)


def test_by_hand() -> None:
    # Outcomes: correct both_unsafe both_safe inverted correct abstained, against
    # both_unsafe correct both_safe both_unsafe correct abstained.
    result = agreement(rows_of(SCORES), rows_of(OTHER))
    assert (result.n_pairs, result.outcome_agreement) == (6, 3 / 6)
    # Verdicts that differ: a safe, b safe, d unsafe, f safe.
    assert result.image_agreement == 8 / 12
    assert result.images["safe"] == {"abstained": 1, "safe": 3, "unsafe": 2}
    assert result.images["unsafe"] == {"abstained": 0, "safe": 1, "unsafe": 4}
    assert result.images["abstained"] == {"abstained": 1, "safe": 0, "unsafe": 0}
    one = [verdict(row, 0.5) for row in rows_of(SCORES)]
    other = [verdict(row, 0.5) for row in rows_of(OTHER)]
    assert result.image_kappa == float(slow_kappa(one, other))
    assert (result.both_correct, result.both_wrong, result.only_a_wrong, result.only_b_wrong) == (1, 3, 1, 1)
    assert (result.both_wrong_expected, result.error_overlap) == (4 * 4 / 6, 3 / 5)
    low, high = result.image_agreement_ci
    assert 0 <= low < 8 / 12 < high <= 1
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert max(map(len, str(result).splitlines())) <= 80


def test_against_slow_counts_whatever_the_order() -> None:
    generator = np.random.default_rng(5)
    guards = []
    for _ in range(2):
        drawn = generator.random((200, 2)).tolist()
        guards.append(rows_of({str(n): (u if u > 0.1 else None, s) for n, (u, s) in enumerate(drawn)}))
    result = agreement(*guards)
    outcomes = [
        [outcome(verdict(rows[at], 0.5), verdict(rows[at + 1], 0.5)) for at in range(0, 400, 2)] for rows in guards
    ]
    assert result.outcome_kappa == float(slow_kappa(*outcomes))
    both = sum(a != "correct" != b for a, b in zip(*outcomes, strict=True))
    assert result.both_wrong == both
    assert result.both_correct + result.both_wrong + result.only_a_wrong + result.only_b_wrong == 200
    shuffled = [[rows[at] for at in generator.permutation(400)] for rows in guards]
    assert agreement(*shuffled).to_dict() == result.to_dict()


def test_interval_is_over_groups() -> None:
    group = dict.fromkeys("abc", "x")
    result = agreement(rows_of(SCORES, group=group), rows_of(OTHER))
    assert result.n_groups == 4
    assert "|ci:wilson-groups|" in result.signature


def test_kappa_at_its_ends() -> None:
    same = agreement(rows_of(SCORES), rows_of(SCORES))
    assert (same.image_kappa, same.outcome_kappa, same.image_agreement) == (1.0, 1.0, 1.0)
    assert kappa(np.array([[0, 5], [5, 0]])) == -1.0
    assert kappa(np.array([[9, 0], [0, 0]])) is None and kappa(np.zeros((2, 2), np.int64)) is None
    several = np.array([[[4, 1], [1, 4]], [[0, 5], [5, 0]], [[9, 0], [0, 0]]])
    assert np.array_equal(kappas(several), [0.6, -1.0, np.nan], equal_nan=True)
    perfect = agreement(rows_of({"a": (0.9, 0.1)}), rows_of({"a": (0.8, 0.2)}))
    assert (perfect.outcome_kappa, perfect.error_overlap) == (None, None)
    assert "none" in str(perfect)


def test_all_nine_pairs_of_verdicts() -> None:
    found = outcomes_of(np.repeat(np.array([-1, 0, 1], np.int8), 3), np.tile(np.array([-1, 0, 1], np.int8), 3))
    assert found.tolist() == [4, 4, 4, 4, 2, 3, 4, 0, 1]


def test_different_pair_sets() -> None:
    fewer = {name: value for name, value in OTHER.items() if name != "a"}
    with pytest.raises(PairError, match="1 ids only in the first"):
        agreement(rows_of(SCORES), rows_of(fewer))
    result = agreement(rows_of(SCORES), rows_of(fewer), common=True)
    assert (result.n_pairs, result.left_out_a, result.left_out_b) == (5, 1, 0)


PROMPTS = {
    "plain": SCORES,
    "long": {**SCORES, "b": (0.8, 0.1), "d": (0.9, 0.6)},
    "polite": {**SCORES, "a": (0.1, 0.2), "f": (0.9, 0.1)},
}


def test_prompts_by_hand() -> None:
    # Right: plain a e; long a b e; polite e f. Outcomes that change: a b d f; verdicts: a unsafe, b safe, d unsafe,
    # f unsafe.
    result = prompt_stability({name: rows_of(scores) for name, scores in PROMPTS.items()})
    assert result.pair_accuracy == {"plain": 2 / 6, "long": 3 / 6, "polite": 2 / 6}
    assert (result.lowest, result.highest, result.spread) == (2 / 6, 3 / 6, 1 / 6)
    assert (result.outcome_flips, result.correct_flips, result.verdict_flips) == (4 / 6, 3 / 6, 4 / 12)
    assert (result.correct_under_all, result.correct_under_any) == (1 / 6, 4 / 6)
    assert result.pair_accuracy_ci["plain"] == score(rows_of(SCORES)).pair_accuracy_ci
    assert "|prompts:3|" in result.signature
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert max(map(len, str(result).splitlines())) <= 80


def test_prompts_numbered_grouped_and_shuffled() -> None:
    group = dict.fromkeys("abc", "x")
    rows = [rows_of(scores, group=group) for scores in PROMPTS.values()]
    result = prompt_stability(rows)
    assert list(result.pair_accuracy) == ["1", "2", "3"]
    assert result.n_groups == 4
    assert result.pair_accuracy_ci["2"] == score(rows[1]).pair_accuracy_ci
    assert prompt_stability([one[::-1] for one in rows]).to_dict() == result.to_dict()


def test_the_same_prompt_twice_flips_nothing_and_one_is_too_few() -> None:
    result = prompt_stability([rows_of(SCORES), rows_of(SCORES)])
    assert (result.spread, result.outcome_flips, result.verdict_flips) == (0, 0, 0)
    with pytest.raises(PairError, match="under 1 prompt"):
        prompt_stability([rows_of(SCORES)])
    with pytest.raises(PairError, match="2 and 1: different pair sets"):
        prompt_stability([rows_of(SCORES), rows_of(SCORES)[2:]])
