"""The figures: the worked example, an independent reference, and what must not change them."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetypairs_hf.metric import score
from safetypairs_hf.metric.pairs import digest_of

from .examples import SCORES, rows_of
from .reference import reference_figures


def test_the_worked_example() -> None:
    figures = score(rows_of(SCORES)).to_dict()
    exact = {
        "pair_accuracy": Fraction(2, 6),
        "pair_accuracy_upper": Fraction(1, 2),
        "image_accuracy": Fraction(7, 12),
        "unsafe_recall": Fraction(1, 2),
        "safe_specificity": Fraction(2, 3),
        "abstention_rate": Fraction(1, 12),
        "both_unsafe_rate": Fraction(1, 6),
        "both_safe_rate": Fraction(1, 6),
        "inverted_rate": Fraction(1, 6),
        "abstained_rate": Fraction(1, 6),
        "relative_consistency": Fraction(28, 33),
        "ranking_accuracy": Fraction(4, 5),
        "auroc": Fraction(21, 25),
        "best_threshold": Fraction(3, 10),
        "best_threshold_pair_accuracy": Fraction(3, 5),
    }
    for name, value in exact.items():
        assert figures[name] == pytest.approx(float(value), abs=1e-12), name
    assert [round(end, 4) for end in figures["pair_accuracy_ci"]] == [0.0968, 0.7]
    assert round(figures["relative_consistency"], 6) == 0.848485
    assert (figures["n_pairs"], figures["n_groups"], figures["n_incomplete"]) == (6, None, 0)


def test_keys_and_plain_types() -> None:
    result = score(rows_of(SCORES, category={"a": "x"}, group={})).to_dict()
    image = {"image_accuracy", "unsafe_recall", "safe_specificity", "abstention_rate", "relative_consistency"}
    image |= {"group_accuracy", "tie_rate"}
    pair = {"pair_accuracy", "pair_accuracy_ci", "pair_accuracy_upper", "n_pairs", "n_groups"}
    rates = {"both_unsafe_rate", "both_safe_rate", "inverted_rate", "abstained_rate"}
    free = {"ranking_accuracy", "auroc", "best_threshold", "best_threshold_pair_accuracy"}
    with_interval = {"image_accuracy", "unsafe_recall", "safe_specificity", "group_accuracy"} | rates
    with_interval |= {"ranking_accuracy", "auroc"}
    figures = image | pair | rates | free | {f"{name}_ci" for name in with_interval} | {"design_effect"}
    whole = {"macro_pair_accuracy", "macro_pair_accuracy_ci", "n_samples", "sample_sd", "notes"}
    assert set(result) == figures | whole | {"per_category", "n_incomplete", "signature"}
    assert {name: set(nested) for name, nested in result["per_category"].items()} == {"other": figures, "x": figures}
    values = [value for nested in (result, *result["per_category"].values()) for value in nested.values()]
    assert {type(value) for value in values} == {int, float, list, dict, str, type(None)}


def test_the_best_threshold_is_printed_so_that_it_gives_its_figure() -> None:
    scores = {str(n): (0.1 + n / 7, (n * 5 % 7) / 7 + 1 / 97) for n in range(6)}
    result = score(rows_of(scores))
    (line,) = [line for line in str(result).splitlines() if line.startswith("best on these pairs")]
    typed = float(line.split("at threshold ")[1].removesuffix(": optimistic"))
    assert score(rows_of(scores), threshold=typed).pair_accuracy == result.best_threshold_pair_accuracy
    assert len(line) <= 80


def test_predictions_decide_verdicts_and_scores_the_rest() -> None:
    rows = [
        {"pair_id": 1, "reference": 1, "prediction": 0, "score": 0.9},
        {"pair_id": 1, "reference": 0, "prediction": 1, "score": 0.1},
        {"pair_id": 2, "reference": 1, "prediction": None, "score": 0.9},
        {"pair_id": 2, "reference": 0, "prediction": 0, "score": 0.95},
    ]
    result = score(rows)
    assert (result.inverted_rate, result.abstained_rate, result.pair_accuracy_upper) == (0.5, 0.5, 0.5)
    assert (result.ranking_accuracy, result.best_threshold) == (1.0, 0.9)
    assert "|threshold:none|" in result.signature
    assert "|scored:1|" in result.signature


def test_no_scores_no_threshold_free_figures() -> None:
    result = score([{"pair_id": 1, "reference": r, "prediction": r} for r in (0, 1)])
    assert (result.ranking_accuracy, result.auroc, result.best_threshold) == (None, None, None)
    assert (result.pair_accuracy, result.relative_consistency) == (1.0, None)
    without_a_scored_pair = score(rows_of({"a": (None, 0.1), "b": (0.9, None)}))
    assert (without_a_scored_pair.auroc, without_a_scored_pair.pair_accuracy_upper) == (None, 1.0)


def test_categories_and_macro() -> None:
    rows = rows_of(SCORES, category={"a": "x", "b": "x", "c": "y"})
    result = score(rows)
    assert list(result.per_category) == ["other", "x", "y"]
    for name, figures in result.per_category.items():
        alone = score([{**row, "category": None} for row in rows if row["category"] == name]).to_dict()
        assert figures.to_dict() == {key: alone[key] for key in figures.to_dict()}
    assert result.macro_pair_accuracy == pytest.approx((1 / 3 + 1 / 2 + 0) / 3, abs=1e-15)


def test_signature() -> None:
    from importlib.metadata import version

    told = {"data": "org/name@1.2.0", "split": "test", "fidelity": "exact"}
    code = version("safetypairs-hf")
    digest = digest_of(pa.array(list(SCORES)))
    assert score(rows_of(SCORES), **told, threshold=0.25).signature == (
        f"data:org/name@1.2.0|split:test|n:6|ids:{digest}"
        f"|threshold:0.25|abstain:wrong|ci:wilson|fidelity:exact|scored:5|code:{code}"
    )
    assert "|ci:wilson-groups|" in score(rows_of(SCORES, group={})).signature


def test_the_table_is_narrow_and_ends_in_the_signature() -> None:
    category = {"a": "a very long name of a category, longer than a column", "b": "x"}
    result = score(rows_of(SCORES, category=category, group={}), data="organisation/name@10.20.30", split="test")
    lines = str(result).splitlines()
    assert max(map(len, lines)) <= 80
    assert str(result).replace("\n", "").endswith(result.signature)
    assert "pair accuracy           0.3333" in str(result)


values = st.sampled_from([None, 0.0, 0.125, 0.25, 0.5, 0.5, 0.625, 0.75, 1.0])
verdicts = st.sampled_from([0, 1, 0, 1, None])


@st.composite
def predictions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to 12 pairs with few distinct scores, so that ties are common; categories and groups in half of the cases."""
    which = draw(st.sampled_from(["prediction", "score", "both"]))
    grouped, categorised = draw(st.booleans()), draw(st.booleans())
    rows = []
    for number in range(draw(st.integers(1, 12))):
        common: dict[str, Any] = {"pair_id": f"p{number}"}
        if grouped:
            common["group"] = f"g{draw(st.integers(0, 4))}"
        if categorised:
            common["category"] = draw(st.sampled_from(["x", "y", "z"]))
        for reference in (1, 0):
            row = {**common, "reference": reference}
            if which != "score":
                row["prediction"] = draw(verdicts)
            if which != "prediction":
                row["score"] = draw(values)
            rows.append(row)
    for name, value in (("prediction", 1), ("score", 0.5)):
        if name in rows[0] and all(row[name] is None for row in rows):  # that would be no column at all
            rows[0][name] = value
    return rows


@given(predictions(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
@settings(max_examples=150)
def test_equals_the_slow_reference(rows: list[dict[str, Any]], threshold: float) -> None:
    both = "prediction" in rows[0] and "score" in rows[0]
    result = score(rows, threshold=None if both else threshold).to_dict()
    parts = [(result, rows)]
    parts += [
        (figures, [row for row in rows if row["category"] == name]) for name, figures in result["per_category"].items()
    ]
    for figures, part in parts:
        for name, value in reference_figures(part, threshold).items():
            if value is None:
                assert figures[name] is None, name
            elif name == "relative_consistency":
                assert figures[name] == pytest.approx(float(value), abs=1e-12)
            else:
                assert figures[name] == float(value), name
        rates = ("pair_accuracy", "both_unsafe_rate", "both_safe_rate", "inverted_rate", "abstained_rate")
        assert sum(figures[name] for name in rates) == pytest.approx(1, abs=1e-12)
    if "group" in rows[0]:
        assert result["n_groups"] == len({row["group"] for row in rows})


@given(predictions(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_row_order_and_names_change_no_bit(rows: list[dict[str, Any]], source: random.Random) -> None:
    expected = score(rows).to_dict()
    names = sorted({row["pair_id"] for row in rows})
    renamed = dict(zip(names, source.sample(range(10**6), len(names)), strict=True))
    others = [{**row, "pair_id": renamed[row["pair_id"]]} for row in rows]
    if "group" in rows[0]:
        others = [{**row, "group": "new " + str(-hash(row["group"]))} for row in others]
    source.shuffle(rows)
    assert score(rows).to_dict() == expected
    source.shuffle(others)
    renamed_too = score(others).to_dict()
    assert renamed_too.pop("signature") != expected.pop("signature")  # other pairs
    assert renamed_too == expected


@given(predictions())
@settings(max_examples=60)
def test_swapping_labels_and_verdicts_swaps_the_figures(rows: list[dict[str, Any]]) -> None:
    def flipped(value: Any) -> Any:
        return None if value is None else 1 - value

    # A score at the threshold is unsafe either way round, so verdicts are given where there are scores.
    rows = [{"prediction": None if row.get("score") is None else row["score"] >= 0.5, **row} for row in rows]
    swapped = [
        {**row, **{name: flipped(row[name]) for name in ("reference", "prediction", "score") if name in row}}
        for row in rows
    ]
    pairs = {
        "both_unsafe_rate": "both_safe_rate",
        "both_safe_rate": "both_unsafe_rate",
        "unsafe_recall": "safe_specificity",
        "safe_specificity": "unsafe_recall",
    }
    pairs |= {f"{name}_ci": f"{other}_ci" for name, other in pairs.items()}
    before, after = score(rows).to_dict(), score(swapped).to_dict()
    for name in before:
        if name not in ("per_category", "best_threshold", "best_threshold_pair_accuracy"):
            assert after[name] == before[pairs.get(name, name)], name
