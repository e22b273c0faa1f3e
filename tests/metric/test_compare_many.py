"""Many guards on the same pairs: the figures of `score` and `compare`, to the last bit."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, compare_many, score
from safetypairs_hf.metric.compare_many import ManyComparison, holm

from .examples import SCORES, rows_of

FIGURES = ("difference", "difference_ci", "only_a_correct", "only_b_correct", "p_value")


def random_guards(k: int, n: int, seed: int = 0, **columns: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    generator = np.random.default_rng(seed)
    guards = {}
    for number in range(k):
        drawn = generator.random((n, 2)).round(2)
        scores = {f"p{pair}": (float(max(two)), float(min(two))) for pair, two in enumerate(drawn.tolist())}
        scores["p0"] = (None, 0.1)
        rows = rows_of(scores, **columns)
        guards[f"guard {number}"] = [rows[place] for place in generator.permutation(len(rows))]
    return guards


def assert_same(many: ManyComparison, guards: dict[str, Any], **how: Any) -> None:
    for name, figures in many.guards.items():
        alone = score(guards[name], **how).to_dict()
        assert figures.to_dict() == {key: alone[key] for key in figures.to_dict()}
    assert [(one.a, one.b) for one in many.contests] == list(combinations(many.guards, 2))
    for one in many.contests:
        two = compare(guards[one.a], guards[one.b], **how)
        assert [getattr(one, name) for name in FIGURES] == [getattr(two, name) for name in FIGURES]
        assert one.minimum_detectable_difference == two.minimum_detectable_difference


@pytest.mark.parametrize("grouped", [False, True])
def test_figures_are_those_of_score_and_compare(grouped: bool) -> None:
    group = {f"p{pair}": f"g{pair // 3}" for pair in range(50)}
    guards = random_guards(5, 80, **({"group": group} if grouped else {}))
    many = compare_many(guards, threshold=0.4)
    assert_same(many, guards, threshold=0.4)
    assert (many.n_pairs, many.n_groups) == (80, 17 + 30 if grouped else None)
    accuracies = [figures.pair_accuracy for figures in many.guards.values()]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [one.holm_p for one in many.contests] == slow_holm([one.p_value for one in many.contests])
    assert json.loads(json.dumps(many.to_dict())) == many.to_dict()
    assert "|compared:5|adjusted:holm|" in many.signature


def test_each_category_and_one_family_for_all_of_them() -> None:
    category = {f"p{pair}": "abc"[pair % 3] for pair in range(60)}
    guards = random_guards(3, 60, category=category, group={f"p{pair}": f"g{pair // 6}" for pair in range(60)})
    many = compare_many(guards, by_category=True)
    assert list(many.per_category) == ["a", "b", "c"]
    for name, part in many.per_category.items():
        rows = {guard: [row for row in rows if row["category"] == name] for guard, rows in guards.items()}
        for guard, figures in part.guards.items():
            assert figures == score(guards[guard]).per_category[name]
        for one in part.contests:
            two = compare(rows[one.a], rows[one.b])
            assert [getattr(one, figure) for figure in FIGURES] == [getattr(two, figure) for figure in FIGURES]
    every = [one for part in many.per_category.values() for one in part.contests]
    assert [one.holm_p for one in every] == slow_holm([one.p_value for one in every])
    assert compare_many(guards).per_category == {}


def slow_holm(p: list[float]) -> list[float]:
    """Holm's method as a table: the i-th smallest times (m - i), never below the one before, at most 1."""
    ranked = sorted(range(len(p)), key=lambda place: p[place])
    adjusted, last = [0.0] * len(p), 0.0
    for rank, place in enumerate(ranked):
        last = max(last, (len(p) - rank) * p[place])
        adjusted[place] = min(1.0, last)
    return adjusted


def test_holm_on_a_published_example() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") and p.adjust(c(0.04, 0.001, 0.7), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09], abs=1e-15)
    assert holm([0.04, 0.001, 0.7]) == pytest.approx([0.08, 0.003, 0.7], abs=1e-15)
    assert holm([]) == []


def test_order_of_rows_and_guards_changes_no_bit() -> None:
    guards = random_guards(4, 50, group={f"p{pair}": f"g{pair // 4}" for pair in range(50)})
    expected = compare_many(guards).to_dict()
    for seed in range(3):
        generator = np.random.default_rng(seed)
        names = generator.permutation(list(guards))
        other = {str(name): [guards[name][at] for at in generator.permutation(100)] for name in names}
        assert compare_many(other).to_dict() == expected


def test_common_keeps_what_all_hold() -> None:
    guards = random_guards(3, 30, group={f"p{pair}": f"g{pair // 4}" for pair in range(30)})
    cut = {
        "guard 0": [row for row in guards["guard 0"] if row["pair_id"] != "p3"],
        "guard 1": [row for row in guards["guard 1"] if row["pair_id"] not in ("p4", "p5")],
        "guard 2": guards["guard 2"],
    }
    with pytest.raises(PairError, match=r"guard 1 and guard 0: different pair sets, 2 ids only in the first and 1"):
        compare_many(cut)
    many = compare_many(cut, common=True)
    shared = {name: [row for row in rows if row["pair_id"] not in ("p3", "p4", "p5")] for name, rows in guards.items()}
    assert_same(many, shared)
    assert (many.n_pairs, many.left_out) == (27, {"guard 0": 2, "guard 1": 1, "guard 2": 3})
    apart = {"a": rows_of({"x": (0.9, 0.1)}), "b": rows_of({"y": (0.9, 0.1)})}
    with pytest.raises(PairError, match="nothing to compare"):
        compare_many(apart, common=True)
    three = {name: rows_of(dict.fromkeys(ids, (0.9, 0.1))) for name, ids in (("a", "xy"), ("b", "yz"), ("c", "xz"))}
    with pytest.raises(PairError, match="no pair is in all of 3, so there is nothing to compare"):
        compare_many(three, common=True)


def test_groups_and_categories_come_from_the_first_that_gives_them() -> None:
    group = {f"p{pair}": f"g{pair // 5}" for pair in range(40)}
    category = {f"p{pair}": "xy"[pair % 2] for pair in range(40)}
    full = random_guards(3, 40, group=group, category=category)
    bare = {
        name: rows
        if name == "guard 1"
        else [{k: v for k, v in row.items() if k not in ("group", "category")} for row in rows]
        for name, rows in full.items()
    }
    assert compare_many(bare, by_category=True).to_dict() == compare_many(full, by_category=True).to_dict()


@pytest.mark.parametrize("name", ["category", "group"])
@pytest.mark.parametrize("first_has", [True, False])
def test_a_shared_pair_that_differs(name: Any, first_has: bool) -> None:
    a, b, c = (rows_of(SCORES, **{name: {"c": at}}) for at in "xxy")
    if not first_has:
        a = rows_of(SCORES)
    with pytest.raises(PairError, match=rf"a shared pair with another {name} in .*: 1 pair \('c'\)"):
        compare_many({"a": a, "b": b, "c": c})


def test_what_is_wrong_names_the_guard() -> None:
    with pytest.raises(PairError, match=r"^odd: a missing half: 1 pair \('a'\)"):
        compare_many({"even": rows_of(SCORES), "odd": rows_of(SCORES)[1:]})
    with pytest.raises(PairError, match="1 guard given: comparing takes two or more"):
        compare_many({"one": rows_of(SCORES)})
    with pytest.raises(PairError, match="not there: category"):
        compare_many({"a": rows_of(SCORES), "b": rows_of(SCORES)}, by_category=True)
    with pytest.raises(PairError, match=r"^the guards are of type list; give a dict: {'name': rows, 'other': rows}$"):
        compare_many([rows_of(SCORES), rows_of(SCORES)])  # type: ignore[arg-type]
    with pytest.raises(PairError, match="a guard named 1: names are text"):
        compare_many({1: rows_of(SCORES), "b": rows_of(SCORES)})  # type: ignore[dict-item]
    many = compare_many({"even": rows_of(SCORES), "odd": rows_of(SCORES)[1:]}, incomplete="drop", common=True)
    assert (many.n_incomplete, many.left_out) == ({"even": 0, "odd": 1}, {"even": 1, "odd": 0})


def test_text_and_number_ids_match_as_text_and_verdicts_beside_scores() -> None:
    ids = {name: number for number, name in enumerate(SCORES)}
    a = [{**row, "pair_id": ids[row["pair_id"]]} for row in rows_of(SCORES)]
    b = [{**row, "pair_id": str(ids[row["pair_id"]])} for row in rows_of(SCORES)]
    for row in b:
        value = row.pop("score")
        row["prediction"] = None if value is None else int(value >= 0.5)
    many = compare_many({"a": a, "b": b})
    assert many.guards["a"].pair_accuracy == many.guards["b"].pair_accuracy == 2 / 6
    assert many.guards["b"].auroc is None
    assert "|threshold:0.5,none|" in many.signature
    assert (many.contests[0].p_value, many.contests[0].difference) == (1.0, 0.0)


def test_the_table_is_narrow_and_tells_what_it_leaves_out(tmp_path: Path) -> None:
    guards = {f"{'long-' * 10}{name}": rows for name, rows in random_guards(3, 30, category={"p1": "y" * 90}).items()}
    shown = str(compare_many(guards, by_category=True))
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" in shown and "guard 0 " in shown and "guard 2 " in shown
    assert "of 3 differences stand at 5% after Holm" in shown
    many = {f"g{number:02}": rows_of(SCORES) for number in range(21)}
    shown = str(compare_many(many))
    assert "0 of 210 differences stand" in shown
    assert "More than 200 are not listed here" in shown
