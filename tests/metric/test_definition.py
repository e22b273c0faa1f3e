"""docs/metric.md says what the code does: its tables of figures, and every number of its worked example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safetypairs_hf as sp
from safetypairs_hf.metric import score
from safetypairs_hf.metric.figures import (
    ComparisonFigures,
    Contest,
    ControlFigures,
    Figures,
    GuardFigures,
    figures_in,
    figures_table,
)
from safetypairs_hf.metric.inference import Moments, share_interval
from safetypairs_hf.metric.pairs import OUTCOMES

PAGE = (Path(__file__).parents[2] / "docs" / "metric.md").read_text()
OUTCOME_FIGURE = {"correct": "pair_accuracy"} | {name: f"{name}_rate" for name in OUTCOMES[1:]}


def table(first: str) -> list[list[str]]:
    """The cells of the rows of the one table whose first heading is `first`."""
    (found,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in found.splitlines()]


def example() -> list[dict[str, Any]]:
    return [
        {"pair_id": pair, "reference": reference, "score": None if value == "None" else float(value)}
        for pair, unsafe, safe, _ in table("pair")
        for reference, value in ((1, unsafe), (0, safe))
    ]


def ends(interval: Any) -> str:
    return "{:.4f} to {:.4f}".format(*interval)


def test_the_page_lists_the_figures() -> None:
    """Where this fails, put the text of `figures_table` into the page."""
    assert figures_table([GuardFigures, ControlFigures]) in PAGE
    assert figures_table([ComparisonFigures, Contest]) in PAGE


def test_the_outcome_of_each_pair() -> None:
    rows = example()
    for at, (pair, *_, outcome) in enumerate(table("pair")):
        assert getattr(score(rows[2 * at : 2 * at + 2]), OUTCOME_FIGURE[outcome]) == 1, pair
    assert {outcome for *_, outcome in table("pair")} == set(OUTCOMES)


def test_the_figures_of_the_example() -> None:
    found, intervals = score(example()), {figure.name: figure.interval for figure in figures_in(Figures)}
    (rows,) = re.findall(r"\| figure \| value \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", PAGE)
    shown = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in rows.splitlines()]
    assert len(shown) >= 15
    for name, value, interval in shown:
        assert f"{getattr(found, name):.4f}" == value, name
        held = intervals[name]
        assert (ends(getattr(found, held)) if held else "") == interval, name


def numbers(text: str) -> list[int]:
    """The numbers of a cell such as `1, 0 × 9`: one, and nine noughts."""
    parts = [part.split("×") for part in text.split(",")]
    return [int(part[0]) for part in parts for _ in range(int(part[1]) if len(part) > 1 else 1)]


def test_the_intervals_of_shares() -> None:
    rows = table("data")
    assert len(rows) == 6
    for data, hits, sizes, interval in rows:
        of_groups = np.array(numbers(hits)), np.array(numbers(sizes))
        assert ends(share_interval(Moments.of(*of_groups))) == interval
        assert data.startswith(f"{of_groups[0].sum()} of {of_groups[1].sum()} ")


@pytest.mark.parametrize("at", range(2))
def test_the_intervals_of_differences(at: int) -> None:
    *counts, difference, interval, p = table("right by both")[at]
    cells = np.repeat([(1, 1), (1, 0), (0, 1), (0, 0)], [int(count) for count in counts], axis=0)
    found = sp.compare(*(rows_right(right) for right in cells.T))
    assert (f"{found.difference:.4f}", ends(found.difference_ci), f"{found.p_value:.4f}") == (difference, interval, p)


def rows_right(right: Any) -> dict[str, Any]:
    """One row an image of a guard that calls every safe image safe, and these unsafe ones unsafe."""
    n = len(right)
    return {
        "pair_id": np.tile(np.arange(n), 2),
        "reference": np.repeat([1, 0], n),
        "prediction": np.concatenate((right, np.zeros(n, dtype=np.int64))),
    }
