"""Every rule of docs/metric.md under Errors: what is refused, how many, and the first five ids."""

from __future__ import annotations

import re
from typing import Any

import pytest

from safetypairs_hf.core.errors import PairError, SafetyPairsError
from safetypairs_hf.metric import score

NAN = float("nan")


def pair(pair_id: Any, **more: Any) -> list[dict[str, Any]]:
    """The two rows of a pair; a tuple gives the value of the unsafe and of the safe image."""
    rows: list[dict[str, Any]] = [{"pair_id": pair_id, "reference": r, "prediction": r} for r in (1, 0)]
    for name, value in more.items():
        for row, each in zip(rows, value if isinstance(value, tuple) else (value, value), strict=True):
            row[name] = each
    return rows


GOOD = pair("good")
SEVEN = [row for number in (7, 3, 5, 1, 6, 2, 4) for row in pair(f"p{number}")[:1]]

BROKEN = [
    ("a missing half: 7 pairs ('p1', 'p2', 'p3', 'p4', 'p5', ...)", GOOD + SEVEN),
    ("a missing half: 1 pair (7)", pair(8) + pair(7)[:1]),
    ("a doubled image: more than two images: 1 pair ('x')", GOOD + pair("x") + pair("x")[1:]),
    ("two images with one reference: 1 pair ('x')", GOOD + pair("x", reference=(1, 1))),
    ("a reference outside {0, 1}: 1 pair ('x')", GOOD + pair("x", reference=(2, 0))),
    ("a reference outside {0, 1}: 1 pair ('x')", GOOD + pair("x", reference=(None, 0))),
    ("a reference outside {0, 1}: 1 pair ('x')", GOOD + pair("x", reference=(NAN, 0))),
    ("a reference outside {0, 1}: 1 pair ('x')", GOOD + pair("x", reference=(257, 0))),
    ("a reference outside {0, 1}: 2 pairs ('good', 'x')", [{**row, "reference": "2"} for row in GOOD + pair("x")]),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", GOOD + pair("x", prediction=(0.5, 0))),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", GOOD + pair("x", prediction=(-1, 0))),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", GOOD + pair("x", prediction=(NAN, 0))),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", GOOD + pair("x", prediction=("one", 0))),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", GOOD + pair("x", prediction=(1 << 80, 0))),
    ("a prediction outside {0, 1, None}: 1 pair ('x')", pair("x", prediction=("yes", "no"))),
    ("a score outside [0, 1] or NaN: 1 pair ('x')", pair("y", score=0.5) + pair("x", score=(1.0000001, 0.5))),
    ("a score outside [0, 1] or NaN: 1 pair ('x')", pair("y", score=0.5) + pair("x", score=(NAN, 0.5))),
    ("a score outside [0, 1] or NaN: 1 pair ('x')", pair("y", score=0.5) + pair("x", score=(-0.1, 0.5))),
    ("a score outside [0, 1] or NaN: 1 pair ('x')", pair("y", score=0.5) + pair("x", score=("half", 0.5))),
    ("the two images of a pair in different categories: 1 pair ('x')", pair("x", category=("hate", "nudity"))),
    ("the two images of a pair in different groups: 1 pair ('x')", pair("x", group=("g", "h"))),
    ("a category that is None in some rows only: 1 pair ('x')", pair("x", category=("hate", None))),
    ("a group that is None in some rows only: 1 pair ('x')", pair("y", group="g") + pair("x", group=None)),
    ("a pair_id that is None or NaN: 1 of 3 rows", GOOD + pair(None)[:1]),
    ("a pair_id that is None or NaN: 1 of 4 rows", pair(1) + pair(NAN)[:1] + pair(2)[:1]),
    ("a pair_id that is None or NaN: 1 of 3 rows", pair("x") + pair(NAN)[:1]),
    ("a pair_id that is None or NaN: 2 of 2 rows", pair(None)),
    ("pair_id holds int, str", pair("1") + pair(1)),
    ("pair_id holds bool", pair(True)),
    ("pair_id holds fractions", pair(1.5)),
    ("a column that is not there: pair_id; ", [{"reference": 1, "prediction": 1}]),
    ("a column that is not there: reference; ", {"pair_id": [1, 1], "score": [1, 0]}),
    ("a column that is not there: prediction or score; the columns given are: pair_id, reference, label",
     [{"pair_id": 1, "reference": 1, "label": 0}]),
    ("a column that is not there: prediction is missing in 1 of 3 rows, first in row 2",
     [*GOOD, {"pair_id": "x", "reference": 1}]),
    ("columns of unequal length: pair_id 2, reference 2, prediction 3",
     {"pair_id": [1, 1], "reference": [1, 0], "prediction": [1, 0, 1]}),
    ("a column that is not a list or an array", {"pair_id": 1, "reference": 1, "prediction": 1}),
    ("no rows at all", []),
    ("no rows at all", {"pair_id": [], "reference": [], "prediction": []}),
    ("no rows at all", iter(())),
    ("row 0 is of type int", [1, 2]),
    ("rows of type int", 5),
    ("rows of type PairScore: a score holds no answers; give evaluate a file name, and use the file", score(GOOD)),
]  # fmt: skip


@pytest.mark.parametrize(("said", "rows"), BROKEN)
def test_a_broken_rule_is_named_in_one_line(said: str, rows: Any) -> None:
    with pytest.raises(PairError, match=re.escape(said)) as raised:
        score(rows)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, SafetyPairsError)


@pytest.mark.parametrize("order", [1, -1])
def test_the_first_ids_do_not_depend_on_the_order_of_rows(order: int) -> None:
    rows = [row for number in range(12) for row in pair(number, prediction=(9, 0))]
    with pytest.raises(PairError, match=r"12 pairs \(0, 1, 2, 3, 4, \.\.\.\)"):
        score(rows[::order])


def test_incomplete_drop_scores_the_whole_pairs_and_counts_the_rest() -> None:
    rows = GOOD + SEVEN + pair("z", prediction=0)
    result = score(rows, incomplete="drop")
    assert (result.n_pairs, result.n_incomplete, result.pair_accuracy) == (2, 7, 0.5)
    assert "|dropped:7|" in result.signature
    assert "7 incomplete pairs left out" in str(result)


def test_incomplete_drop_leaves_no_trace_of_a_dropped_category_or_group() -> None:
    rows = pair("a", category="hate", group="g") + pair("b", category="nudity", group="h")[:1]
    result = score(rows, incomplete="drop")
    assert list(result.per_category) == ["hate"]
    assert result.n_groups == 1


@pytest.mark.parametrize("rows", [GOOD + pair("x", reference=(1, 1)), GOOD + GOOD, SEVEN])
def test_incomplete_drop_still_refuses_the_rest(rows: Any) -> None:
    with pytest.raises(PairError):
        score(rows, incomplete="drop")


@pytest.mark.parametrize("given", [{"threshold": 1.1}, {"threshold": NAN}, {"threshold": "x"}, {"incomplete": "skip"}])
def test_wrong_arguments(given: Any) -> None:
    with pytest.raises(PairError, match=next(iter(given))):
        score(GOOD, **given)
