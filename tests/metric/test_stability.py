"""Thresholds and prompts, against `score` itself and slow counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import prompt_stability, score, threshold_curve

from .examples import SCORES, rows_of


def test_worked_example_at_every_threshold() -> None:
    # a (.2, .9] b (.7, .8] c (.1, .4] d never e (.05, .95] f abstained: the thresholds at which each is right.
    curve = threshold_curve(rows_of(SCORES))
    assert curve.upto.tolist() == [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0]
    assert (curve.pair_accuracy * 6).round().tolist() == [0, 1, 2, 3, 3, 2, 2, 3, 2, 1, 0]
    assert (curve.abstained_rate, curve.best()) == (1 / 6, (0.3, 0.5))
    assert curve.stable_range(0.5, 1 / 6) == (0.05, 0.95)
    assert curve.stable_range(0.5, 0) == (0.4, 0.7)
    assert curve.stable_range(0.5, 1) == (0.0, 1.0)
    assert json.loads(json.dumps(curve.to_dict())) == curve.to_dict()
    assert max(map(len, str(curve).splitlines())) <= 80


def test_every_step_is_what_score_gives_there() -> None:
    generator = np.random.default_rng(1)
    drawn = generator.integers(0, 21, (60, 2)) / 20
    rows = rows_of({str(n): (float(u), None if n == 3 else float(s)) for n, (u, s) in enumerate(drawn)})
    curve = threshold_curve([rows[at] for at in generator.permutation(len(rows))])
    for threshold in [*curve.upto.tolist(), 0.0, 0.01, 0.499, 0.501, 0.99]:
        expected = score(rows, threshold=threshold)
        at = int(np.searchsorted(curve.upto, threshold))
        assert curve.at(threshold) == expected.pair_accuracy
        assert curve.both_unsafe_rate[at] == expected.both_unsafe_rate
        assert curve.both_safe_rate[at] == expected.both_safe_rate
        assert curve.inverted_rate[at] == expected.inverted_rate
    whole = score(rows)
    assert whole.best_threshold == curve.best()[0]
    # score leaves the abstained pair out of this figure; the curve does not.
    assert whole.best_threshold_pair_accuracy == pytest.approx(curve.best()[1] * 60 / 59)


def test_no_scores_no_curve() -> None:
    with pytest.raises(PairError, match="no pair has two scores"):
        threshold_curve([{"pair_id": 1, "reference": r, "prediction": r} for r in (0, 1)])
    with pytest.raises(PairError, match="no pair has two scores"):
        threshold_curve(rows_of({"a": (None, 0.5)}))
    with pytest.raises(PairError, match="threshold=2"):
        threshold_curve(rows_of(SCORES)).at(2)


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
    with pytest.raises(PairError, match="2 beside 1: different pair sets"):
        prompt_stability([rows_of(SCORES), rows_of(SCORES)[2:]])
