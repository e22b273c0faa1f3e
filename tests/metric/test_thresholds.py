"""Where verdicts come from: predictions, scores at a threshold, a threshold chosen on other pairs; and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, compare_many, score

from .examples import SCORES, rows_of

# The best threshold on these is 0.2, where both pairs are right; at 0.5 none is.
TRAIN = rows_of({"t1": (0.3, 0.1), "t2": (0.2, 0.15)})
BOTH = [{**row, "prediction": 1} for row in rows_of(SCORES)]


def key(signature: str, name: str) -> str | None:
    return dict(part.split(":", 1) for part in signature.split("|")).get(name)


def test_the_best_threshold_of_other_pairs() -> None:
    result = score(rows_of(SCORES), threshold_from=TRAIN)
    fixed = score(rows_of(SCORES), threshold=0.2)
    assert result.pair_accuracy == fixed.pair_accuracy == pytest.approx(1 / 3)  # a and e; c is at 0.1 safe, 0.4 unsafe
    assert (key(result.signature, "threshold"), key(fixed.signature, "threshold")) == ("0.2", "0.2")
    chosen = key(result.signature, "chosen")
    assert chosen is not None and chosen.startswith("2-") and key(fixed.signature, "chosen") is None
    assert key(score(rows_of(SCORES), threshold_from=TRAIN[:2]).signature, "chosen") != chosen
    assert result.notes == ()


def test_pairs_that_a_threshold_was_chosen_on_are_named_where_they_are_scored() -> None:
    (note,) = score(rows_of(SCORES), threshold_from=rows_of({"a": SCORES["a"], "zz": (0.4, 0.3)})).notes
    assert note.startswith("the threshold was chosen on 2 pairs, and 1 with the ids of these is scored")
    assert "Note: the threshold was chosen on 6 pairs" in str(score(rows_of(SCORES), threshold_from=rows_of(SCORES)))


@pytest.mark.parametrize("asked", [{"threshold": 0.5}, {"threshold_from": TRAIN}])
def test_a_threshold_beside_predictions_and_scores_names_by(asked: dict[str, Any]) -> None:
    with pytest.raises(PairError, match=r"with predictions, which decide .* by='score' \(--by score\)"):
        score(BOTH, **asked)
    assert score(BOTH, by="score", **asked).to_dict() == {
        **score(rows_of(SCORES), **asked).to_dict(),
    }
    assert score(BOTH).both_unsafe_rate == 1.0


def test_a_threshold_that_changes_nothing_is_said() -> None:
    verdicts = [{key: value for key, value in row.items() if key != "score"} for row in BOTH]
    result = score(verdicts, threshold=0.3)
    assert result.notes == ("threshold=0.3 changed nothing: the rows bring verdicts and no scores",)
    assert key(result.signature, "threshold") == "none"
    with pytest.raises(PairError, match="a column that is not there: score; threshold_from judges by"):
        score(verdicts, threshold_from=TRAIN)
    with pytest.raises(PairError, match="a column that is not there: score; 'score' judges by"):
        score(verdicts, by="score")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"threshold": 2}, r"threshold=2: it is a number in \[0, 1\]"),
        ({"threshold": True}, "threshold=True"),
        ({"threshold": "0.5"}, "threshold='0.5'"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"by": "scores"}, "by='scores': it is 'prediction' or 'score'"),
        ({"threshold": 0.5, "threshold_from": TRAIN}, "give one of the two"),
        ({"threshold_from": TRAIN[:1]}, "threshold_from: a missing half: 1 pair"),
        (
            {"threshold_from": [{**row, "score": None, "prediction": 1} for row in TRAIN]},
            "threshold_from: a column that is not there: score",
        ),
    ],
)
def test_wrong_arguments(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(PairError, match=told):
        score(rows_of(SCORES), **asked)


def test_each_guard_has_its_own_threshold(tmp_path: Path) -> None:
    a, b = rows_of(SCORES), [{**row, "score": row["score"] and row["score"] / 2} for row in rows_of(SCORES)]
    half = [{**row, "score": row["score"] / 2} for row in TRAIN]
    result = compare(a, b, threshold_from=(TRAIN, half))
    assert (result.difference, key(result.signature, "threshold")) == (0.0, "0.2,0.1")
    assert key(compare(a, b, threshold_from=(TRAIN, None)).signature, "threshold") == "0.2,0.5"
    many = compare_many({"a": a, "b": b}, threshold_from={"a": TRAIN, "b": half})
    assert many.guards["a"].pair_accuracy == many.guards["b"].pair_accuracy
    assert key(many.signature, "threshold") in ("0.2,0.1",)
    with pytest.raises(PairError, match="threshold_from: give two"):
        compare(a, b, threshold_from=[TRAIN])
    with pytest.raises(PairError, match="threshold_from for 'c': the guards are a, b"):
        compare_many({"a": a, "b": b}, threshold_from={"c": TRAIN})


def test_labels_the_wrong_way_round_are_smelt() -> None:
    rows = [{"pair_id": n, "reference": r, "prediction": 1 - r} for n in range(20) for r in (0, 1)]
    (note,) = score(rows).notes
    assert note == "20 pairs inverted against 0 correct: labels or scores are probably the wrong way round"
    assert score(rows[:8]).notes == ()  # four pairs may be so by chance
    mixed = rows + [{"pair_id": n, "reference": r, "prediction": r} for n in range(20, 40) for r in (0, 1)]
    assert score(mixed).notes == ()


def test_categories_with_few_groups_are_named() -> None:
    rows = [
        {"pair_id": n, "reference": r, "prediction": r, "category": "big" if n < 40 else "small", "group": n // 2}
        for n in range(100)
        for r in (0, 1)
    ]
    assert score(rows).notes == ("1 of 2 categories has fewer than 30 groups (big): intervals there are rough",)


def test_weights_of_categories() -> None:
    rows = rows_of(SCORES, category={"a": "x", "b": "x", "c": "y"})
    plain = score(rows)
    assert score(rows, weights={"x": 2, "y": 2, "other": 2}).macro_pair_accuracy_ci == plain.macro_pair_accuracy_ci
    result = score(rows, weights={"x": 3, "y": 0, "other": 1})
    assert result.macro_pair_accuracy == pytest.approx((3 * 1 / 2 + 1 * 1 / 3) / 4, abs=1e-15)
    low = ((3 / 4 * (1 / 2 - 0.0945312)) ** 2 + (1 / 4 * (1 / 3 - 0.0614920)) ** 2) ** 0.5
    assert result.macro_pair_accuracy_ci is not None
    assert result.macro_pair_accuracy_ci[0] == pytest.approx(11 / 24 - low, abs=1e-6)
    assert key(result.signature, "weights") == "other=1,x=3,y=0"
    for weights, told in (
        ({"x": 1}, "weights for x; the categories are other, x, y"),
        ({"x": -1, "y": 1, "other": 1}, "0 or more"),
        ({"x": 0, "y": 0, "other": 0}, "one at least is above 0"),
        ({"x": "a", "y": 1, "other": 1}, "each is a number"),
    ):
        with pytest.raises(PairError, match=told):
            score(rows, weights=weights)  # type: ignore[arg-type]
    with pytest.raises(PairError, match="none: the rows have no column category"):
        score(rows_of(SCORES), weights={"x": 1})


def test_the_accuracy_of_groups() -> None:
    # Groups of 2, 1 and 3 pairs; right throughout are the first and the second.
    right = {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0, "f": 1}
    group = {"a": "one", "b": "one", "c": "two", "d": "three", "e": "three", "f": "three"}
    rows = [
        {"pair_id": name, "reference": r, "prediction": r if right[name] else 1, "group": group[name]}
        for name in right
        for r in (0, 1)
    ]
    result = score(rows)
    assert result.group_accuracy == pytest.approx(2 / 3)
    assert result.group_accuracy_ci == pytest.approx((0.2077, 0.9385), abs=5e-5)  # Wilson of 2 of 3
    assert "group accuracy          0.6667   95% interval 0.2077 to 0.9385" in str(result)
