"""Calibration and the threshold curve, against a slow reference in fractions, and frozen values."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import calibration, score, threshold_curve

from .examples import SCORES, rows_of


def slow(rows: list[dict[str, Any]], bins: int) -> dict[str, Any]:
    """ECE, largest error and Brier score, a bin at a time in exact fractions."""
    kept = [(Fraction(str(row["score"])), row["reference"]) for row in rows if row["score"] is not None]
    held: list[list[tuple[Fraction, int]]] = [[] for _ in range(bins)]
    for value, reference in kept:
        held[min(int(value * bins), bins - 1)].append((value, reference))
    gaps = [abs(sum(v for v, _ in one) - sum(r for _, r in one)) for one in held]
    return {
        "expected_calibration_error": float(sum(gaps) / len(kept)),
        "max_calibration_error": float(max(gap / len(one) for gap, one in zip(gaps, held, strict=True) if one)),
        "brier": float(sum((v - r) ** 2 for v, r in kept) / len(kept)),
        "counts": [len(one) for one in held],
    }


def test_worked_example() -> None:
    # 11 scores: .9 .8 .4 .3 .95 of unsafe images, .2 .7 .1 .6 .05 .1 of safe ones.
    result = calibration(rows_of(SCORES), bins=2)
    assert (result.n_images, result.n_abstained) == (11, 1)
    # Below 0.5: .4 .3 .2 .1 .05 .1 add up to 1.15, two unsafe. From 0.5: .9 .8 .95 .7 .6 add up to 3.95, three unsafe.
    assert result.bins[0] == (0.0, 0.5, 6, pytest.approx(1.15 / 6), 2 / 6)
    assert result.bins[1] == (0.5, 1.0, 5, pytest.approx(3.95 / 5), 3 / 5)
    assert result.expected_calibration_error == pytest.approx((0.85 + 0.95) / 11)
    assert result.max_calibration_error == pytest.approx(0.95 / 5)
    # .01 .04 .36 .49 .0025 of the unsafe, .04 .49 .01 .36 .0025 .01 of the safe.
    assert result.brier == pytest.approx(1.815 / 11)
    assert (result.mean_score, result.unsafe_share) == (pytest.approx(5.1 / 11), 5 / 11)
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert max(map(len, str(result).splitlines())) <= 80


@pytest.mark.parametrize("bins", [1, 3, 10, 100])
def test_against_the_reference_whatever_the_order(bins: int) -> None:
    generator = np.random.default_rng(bins)
    # Two decimals, so that many scores are the edge of a bin: 0.29 * 100 is below 29 in floats.
    drawn = generator.integers(0, 101, (400, 2)) / 100
    rows = rows_of({str(n): (float(u), float(s)) for n, (u, s) in enumerate(drawn)})
    rows[7]["score"] = None
    result, expected = calibration(rows, bins), slow(rows, bins)
    assert [one.images for one in result.bins] == expected.pop("counts")
    assert {name: getattr(result, name) for name in expected} == pytest.approx(expected, abs=1e-12)
    shuffled = [rows[at] for at in generator.permutation(len(rows))]
    assert calibration(shuffled, bins).to_dict() == result.to_dict()


def test_a_perfect_and_a_constant_guard() -> None:
    perfect = calibration(rows_of({"a": (1.0, 0.0), "b": (1.0, 0.0)}))
    assert (perfect.expected_calibration_error, perfect.max_calibration_error, perfect.brier) == (0, 0, 0)
    assert (perfect.bins[9].images, perfect.bins[5].mean_score, perfect.bins[0].unsafe_share) == (2, None, 0.0)
    constant = calibration(rows_of({"a": (0.5, 0.5)}))
    assert (constant.expected_calibration_error, constant.brier) == (0, 0.25)


def test_an_abstention_beside_a_score() -> None:
    rows = [{**row, "prediction": None if row["pair_id"] == "a" else 1} for row in rows_of(SCORES)]
    assert calibration(rows).n_abstained == 3


def test_nothing_to_calibrate() -> None:
    with pytest.raises(PairError, match="not there: score"):
        calibration([{"pair_id": 1, "reference": r, "prediction": r} for r in (0, 1)])
    with pytest.raises(PairError, match="all 2 images are abstentions"):
        calibration(
            [
                {"pair_id": 1, "reference": 1, "prediction": None, "score": 0.3},
                {"pair_id": 1, "reference": 0, "prediction": 0, "score": None},
            ]
        )
    with pytest.raises(PairError, match="bins=0"):
        calibration(rows_of(SCORES), bins=0)


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
