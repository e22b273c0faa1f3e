"""The declared list of figures: every face reads it, so a figure that is added shows everywhere by itself."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest

import safetypairs_hf as sp
from safetypairs_hf.evaluating.hub_results import TASKS
from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.metric import compare, compare_many, score
from safetypairs_hf.metric.compare import PairComparison
from safetypairs_hf.metric.figures import (
    ComparisonFigures,
    Contest,
    ControlFigures,
    Face,
    Figure,
    Figures,
    Gap,
    GuardFigures,
    figures_in,
    figures_table,
    shown_in,
)
from safetypairs_hf.metric.score import PairScore
from safetypairs_hf.report.guard_files import Guard, read_guards
from safetypairs_hf.report.guards_page import leaderboard
from safetypairs_hf.report.markdown_report import markdown_table

from .examples import SCORES, rows_of

ROOT = Path(__file__).parents[2]
CONTROL = [{"pair_id": "a", "reference": reference, "score": 0.5} for reference in (1, 0)]


TIES: dict[str, Any] = {
    "better": "lower",
    "interval": "draw_rate_ci",
    "interval_faces": Face.TABLE | Face.REPORT | Face.HEADLINE,
    "heading": "tied",
    "faces": Face.TABLE | Face.REPORT | Face.HEADLINE,
}


@dataclass(frozen=True)
class WithDraws(PairScore):
    """What a figure takes that is added: its declaration, and a value from the function that computes it."""

    draw_rate: Annotated[
        float | None,
        Figure("draws", "share of pairs with two equal scores", **TIES),
    ] = None
    draw_rate_ci: tuple[float, float] | None = None


def with_ties() -> WithDraws:
    return WithDraws(**vars(score(rows_of(SCORES))), draw_rate=0.125, draw_rate_ci=(0.1, 0.5))


def test_an_added_figure_shows_in_every_face() -> None:
    added, before = with_ties(), score(rows_of(SCORES))
    assert added.to_dict() == {**before.to_dict(), "draw_rate": 0.125, "draw_rate_ci": [0.1, 0.5]}
    assert flat(added) == {**flat(before), "draw_rate": 0.125, "draw_rate_low": 0.1, "draw_rate_high": 0.5}
    lines = str(added).splitlines()
    lines.remove("draws                   0.1250   95% interval 0.1000 to 0.5000")
    assert lines == str(before).splitlines()

    guard, plain = (Guard("g", Path("g.csv"), None, each) for each in (added, before))  # type: ignore[arg-type]
    (row,), (known,) = leaderboard([guard]), leaderboard([plain])
    *others, last_figure = row["figures"]
    assert others == known["figures"]
    assert (last_figure["heading"], last_figure["value"], last_figure["interval"]) == ("tied", 0.125, [0.1, 0.5])
    head, _, row, *_ = markdown_table([guard]).splitlines()
    assert head.endswith("| AUROC | tied (95% CI) |")
    assert row.endswith("| 0.840 | 12.5 (10.0–50.0) |")
    *_, last = figures_table([WithDraws]).splitlines()
    assert last == "| `draw_rate` | share of pairs with two equal scores | `draw_rate_ci` | lower |"


def test_a_figure_that_does_not_apply_is_left_out_or_a_dash() -> None:
    without = WithDraws(**vars(score(rows_of(SCORES))))
    assert "draws" not in str(without)
    assert "draw_rate" not in flat(without) and without.to_dict()["draw_rate"] is None
    guard = Guard("g", Path("g.csv"), None, without)  # type: ignore[arg-type]
    assert markdown_table([guard]).splitlines()[2].endswith("| 0.840 | – |")


@pytest.mark.parametrize("record", [Figures, GuardFigures, ControlFigures, ComparisonFigures, Contest])
def test_every_field_is_declared_or_the_interval_of_a_declared_one(record: type) -> None:
    declared = figures_in(record)
    names = {figure.name for figure in declared}
    held = [field.name for field in fields(record) if field.name not in ("regenerated", "neutral", "a", "b")]
    assert set(held) <= names | {figure.interval for figure in declared}
    for figure in declared:
        assert figure.label and figure.meaning, figure.name
        assert {figure.part_of, figure.shown_with} <= names | {None}, figure.name
        named = set(re.findall(r"\{(\w+)\}", figure.note))
        assert named <= names | {each.name for each in figures_in(Gap)}, figure.name


def test_the_keys_of_json_are_the_declared_names() -> None:
    def keys(record: Any) -> list[str]:
        return [name for figure in figures_in(record) for name in (figure.name, figure.interval) if name]

    found = score(rows_of(SCORES, category={}), controls=CONTROL)
    plain = json.loads(json.dumps(found.to_dict()))
    own = [*keys(PairScore), "per_category", "signature", "notes"]
    assert list(plain)[: len(own)] == own
    assert set(keys(ControlFigures)) <= set(plain)
    assert [list(nested) for nested in plain["per_category"].values()] == [keys(Figures)]
    assert list(compare(rows_of(SCORES), rows_of(SCORES)).to_dict()) == [
        *keys(PairComparison),
        "difference_ci90",
        "signature",
        "notes",
    ]
    (contest,) = compare_many({"x": rows_of(SCORES), "y": rows_of(SCORES)}).contests
    assert list(contest.to_dict()) == ["a", "b", *keys(Contest)]


def test_the_parts_of_a_figure_follow_it() -> None:
    names = [figure.name for figure in shown_in(Face.REPORT, PairScore)]
    assert names[:7] == [
        "n_pairs",
        "pair_accuracy",
        "pair_accuracy_upper",
        "both_unsafe_rate",
        "both_safe_rate",
        "inverted_rate",
        "abstained_rate",
    ]
    assert names[7:10] == ["image_accuracy", "unsafe_recall", "safe_specificity"]


def test_a_task_of_the_hub_has_one_figure() -> None:
    found = score(rows_of(SCORES))
    assert {task: figure(found) for task, figure in TASKS.items()} == {
        "pair_accuracy": found.pair_accuracy,
        "unsafe_members": found.unsafe_recall,
        "safe_members": found.safe_specificity,
    }
    tasks = [figure.task for figure in figures_in(Figures) if figure.task]
    assert sorted(tasks) == sorted(TASKS)


FUNCTIONS = ("agreement", "calibration", "compare", "compare_many", "score")


@pytest.mark.parametrize("first", [*FUNCTIONS, "figures", "pairs"])
def test_a_name_that_a_module_shares_is_the_function_whatever_was_imported_first(first: str) -> None:
    code = f"""
import safetypairs_hf.metric.{first}
from safetypairs_hf import metric
import safetypairs_hf.metric.agreement, safetypairs_hf.metric.score, safetypairs_hf.metric.calibration
from safetypairs_hf.metric import {", ".join(FUNCTIONS)}
print([type(each).__name__ for each in ({", ".join(FUNCTIONS)}, {", ".join(f"metric.{name}" for name in FUNCTIONS)})])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["function"] * 2 * len(FUNCTIONS))


def test_the_package_names_what_it_exports() -> None:
    from safetypairs_hf import metric

    assert all(getattr(metric, name).__module__.startswith("safetypairs_hf.metric") for name in metric.__all__)
    assert sp.PairScore is metric.PairScore
    for name in ("compare", "compare_many"):  # those of `sp` also read what files of `evaluate` state
        assert inspect.signature(getattr(sp, name)) == inspect.signature(getattr(metric, name))
    assert sp.compare(rows_of(SCORES), rows_of(SCORES)) == metric.compare(rows_of(SCORES), rows_of(SCORES))
    taken = {name: each.default for name, each in inspect.signature(sp.score).parameters.items()}
    assert taken.pop("as_of", "") is None  # for it, `sp.score` reads data, which the metric does not
    assert taken == {name: each.default for name, each in inspect.signature(metric.score).parameters.items()}
    assert sp.score(rows_of(SCORES)) == metric.score(rows_of(SCORES))


def test_guards_read_from_files_show_the_declared_figures(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows_of(SCORES)))
    (row,) = leaderboard(read_guards([file]))
    headings = [figure["heading"] for figure in row["figures"]]
    assert headings == [figure.heading for figure in shown_in(Face.REPORT, PairScore)]
