"""Results in a notebook: HTML that parses and says what the text says, tables of pandas, and a plot."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

import safetypairs_hf as sp
from safetypairs_hf.metric import power_table

HOSTILE = '<script>alert("x")</script>'
VOID = {"circle", "line", "input", "img", "br"}


class Read(HTMLParser):
    """The text of HTML by its tags; every tag that is opened has to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def rows(right: float = 0.9) -> list[dict[str, Any]]:
    return [
        {
            "pair_id": f"p{number}",
            "reference": reference,
            "score": (right if number % 3 else 0.2) if reference else 0.3,
            "category": HOSTILE if number % 2 else "hate",
            "group": number // 2,
        }
        for number in range(40)
        for reference in (1, 0)
    ]


def test_a_score() -> None:
    score = sp.score(rows())
    shown = Read(score._repr_html_())
    assert "script" not in shown.seen
    assert HOSTILE in shown.text
    for words in (
        f"{score.pair_accuracy:.4f}",
        "Pair-consistent safety accuracy, 40 pairs in 20 groups",
        score.signature,
    ):
        assert words in shown.text
    low, high = score.pair_accuracy_ci
    assert f"{low:.3f} to {high:.3f}" in shown.text
    assert "rough" in shown.text

    frame = score.to_pandas()
    assert list(frame.index) == ["all", *score.per_category]
    assert frame.loc["all", ["pair_accuracy", "pair_accuracy_low", "pair_accuracy_high"]].tolist() == [
        score.pair_accuracy,
        low,
        high,
    ]
    assert (
        frame.loc["hate", "missed" if "missed" in frame else "both_safe_rate"]
        == score.per_category["hate"].both_safe_rate
    )


def test_comparisons() -> None:
    guards = {"a": rows(), HOSTILE: rows(0.4), "c": rows(0.2)}
    two, many = sp.compare(guards["a"], guards[HOSTILE]), sp.compare_many(guards, by_category=True)
    shown = Read(two._repr_html_())
    assert f"{two.difference:.4f}" in shown.text and "exact, two-sided" in shown.text
    assert two.to_pandas().loc["A - B", "difference"] == two.difference

    shown = Read(many._repr_html_())
    assert "script" not in shown.seen
    assert shown.seen.count("details") == 3  # two categories and the signature
    assert list(many.to_pandas().index) == list(many.guards)
    contests = many.to_pandas("contests")
    assert contests.loc["a - c", "difference"] == next(c.difference for c in many.contests if (c.a, c.b) == ("a", "c"))
    assert json.loads(contests.to_json(orient="index")).keys() == set(contests.index)


def test_power() -> None:
    table = power_table((0.05, 0.3), (0.1, 0.5))
    frame = table.to_pandas()
    assert frame.loc[0.05, 0.5] == table.pairs[0][1]
    assert frame.isna().loc[0.3, 0.1]
    assert str(table).splitlines()[0] in Read(table._repr_html_()).text


def test_a_plot() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    score = sp.score(rows())
    axes = score.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", *score.per_category]
    low, high = score.pair_accuracy_ci
    assert [list(line.get_xdata()) for line in axes.get_lines()[:2]] == [[low, high], [score.pair_accuracy]]
    assert sp.compare_many({"a": rows(), "b": rows(0.4)}).plot(axes) is axes
