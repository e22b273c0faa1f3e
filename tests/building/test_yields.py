"""The lines below a funnel: yield by round and category, tokens and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetypairs_hf.building import yields
from safetypairs_hf.core.run_folder import RECIPE, RunFolder


def stage(name: str, category: str, came: int, out: int, **rejected: int) -> dict[str, Any]:
    cell = {"in": came, "out": out, "rejected": rejected}
    return {"stage": name, **cell, "by_category": {category: cell}}


FUNNEL = {
    "stages": [
        stage("source", "hate", 10, 10),
        {**stage("instruct", "hate", 10, 9, refused=1), "tokens": {"prompt": 1_500_000, "answer": 200_000}},
        stage("edit", "hate", 18, 18),
        stage("judge", "hate", 18, 4, still_unsafe=10, not_the_best=4),
        {**stage("instruct-2", "hate", 5, 5), "tokens": {"prompt": 500_000, "answer": 50_000}},
        stage("edit-2", "hate", 10, 10),
        stage("judge-2", "hate", 10, 1, still_unsafe=9),
        stage("select", "hate", 5, 3, surplus=2),
    ]
}


def test_the_yield_of_each_round_is_of_sources_whatever_the_number_of_edits() -> None:
    assert list(yields.by_round(FUNNEL)) == [(1, 10, 4), (2, 5, 1)]


def test_a_category_adds_its_rounds_up() -> None:
    reasons = "19 still_unsafe, 4 not_the_best, 1 refused"
    assert yields.by_category(FUNNEL) == [("hate", 10, 5, reasons)]


def test_tokens_cost_what_the_recipe_says(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path))
    run.write_json(RECIPE, {"parts": {"instructor": {"prompt_price": 0.5, "answer_price": 2.0}}})
    assert list(yields.lines(run, FUNNEL)) == [
        "round 1: 4 of 10 sources passed (40%)",
        "round 2: 1 of 5 sources passed (20%)",
        "instructions: 2,000,000 tokens read, 250,000 written, cost 1.50",
    ]
    run.write_json(RECIPE, {"parts": {"instructor": {}}})
    assert list(yields.lines(run, FUNNEL))[-1] == "instructions: 2,000,000 tokens read, 250,000 written"
