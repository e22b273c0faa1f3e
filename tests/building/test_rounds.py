"""Rounds of refinement, and several candidates of a source."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from builds import SQUARES, make_run, tree

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.controls import Controls
from safetypairs_hf.building.engines.base import replay
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.rounds import Step, Unit, steps
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Candidate, Instruction, Origin, Picture, Reject
from safetypairs_hf.core.run_folder import RunFolder


def stages(run: RunFolder) -> dict[str, Any]:
    return {stage["stage"]: stage for stage in run_reader.funnel(run)["stages"]}


def test_steps_are_named_by_round() -> None:
    names = "source instruct edit judge instruct-2 edit-2 judge-2 instruct-3 edit-3 judge-3"
    assert [step.name for step in steps(3)] == names.split()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"instructor": None}, "the instructor is None; expected a function"),
        (
            {"instructor": None, "editor": None},
            "rounds = 1 without an instructor and an editor: give both, or rounds = 0",
        ),
        ({"instructor": None, "editor": None, "rounds": 0, "controls": Controls()}, "but no editor to make them"),
        ({"rounds": 0}, "rounds = 0: give at least 1"),
    ],
)
def test_only_a_recipe_of_finished_pairs_has_no_rounds(parts: dict[str, Any], message: str) -> None:
    assert [step.name for step in steps(0)] == ["source", "judge"]
    with pytest.raises(RecipeError, match=message):
        dataclasses.replace(load_recipe(SQUARES).recipe, **parts)


def test_what_failed_goes_back_and_what_cannot_be_mended_does_not(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=0.5, rounds=3)
    found = stages(run)
    first, second, third = (found[name] for name in ("judge", "judge-2", "judge-3"))
    assert first["rejected"]["still_unsafe"] > 0
    # A square that is too pale is not unsafe, so no edit helps; one without a hint is asked about again.
    again = first["rejected"]["still_unsafe"] + found["instruct"]["rejected"]["no_hint"]
    assert found["instruct-2"]["in"] == again
    assert second["in"] == first["rejected"]["still_unsafe"]
    assert third["in"] == second["rejected"]["still_unsafe"]
    assert found["select"]["in"] == first["out"] + second["out"] + third["out"]
    assert found["select"]["out"] == 18


def test_more_rounds_give_more_pairs_and_keep_the_earlier_ones(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", pairs=40, sources=40, misses=0.5, rounds=1)
    three = make_run(tmp_path / "three", pairs=40, sources=40, misses=0.5, rounds=3)
    before, after = (
        {pair.source_id: pair.identity.pair_id for pair in run_reader.pairs(run) if pair.identity}
        for run in (one, three)
    )
    assert len(before) < len(after)
    assert before.items() <= after.items()


def test_pairs_come_in_the_order_of_their_sources(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=0.5, rounds=3)
    numbers = [int(pair.origin.id) for pair in run_reader.pairs(run)]
    assert numbers == sorted(numbers)
    assert {pair.round for pair in run_reader.pairs(run)} == {0, 1, 2}
    entrants = [entrant.source_id for entrant in run_reader.entrants(run, 3)]
    assert entrants == [pair.source_id for pair in run_reader.pairs(run)][: len(entrants)]


def test_the_instructor_is_told_why(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=1.0, rounds=2, sources=20)
    waiting = replay(run, 0, 2, before=Step("instruct", 1)).entering
    assert {candidate.round for candidate in waiting} == {1}
    assert waiting[0].feedback == (
        "'Paint the square green.': still_unsafe (red-judge: P(unsafe) after = "
        + waiting[0].feedback[0].rsplit("= ", 1)[1],
    )
    assert float(waiting[0].feedback[0].rsplit("= ", 1)[1].rstrip(")")) > 0.9


def test_the_best_of_several_candidates_is_the_pair(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=0.5, attempts=4)
    found = stages(run)
    assert found["edit"]["in"] == 4 * found["instruct"]["out"]
    assert found["judge"]["rejected"]["not_the_best"] > 0
    pairs = list(run_reader.pairs(run))
    assert max(Counter(pair.source_id for pair in pairs).values()) == 1
    assert len({pair.generator.attempt for pair in pairs if pair.generator}) > 1
    rows = run.rows("judge/part-00000.parquet")
    for pair in pairs:
        mine = [row for row in rows if row["source_id"] == pair.source_id and row["judgements"]]
        margins = [row["judgements"][0]["p_unsafe_before"] - row["judgements"][0]["p_unsafe_after"] for row in mine]
        if mine:
            [kept] = [row for row in mine if row["reject"] is None]
            assert margins[mine.index(kept)] == max(margins)


def test_attempts_are_numbered_through_the_rounds(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=0.9, attempts=2, rounds=3)
    numbers = {row["generator"]["attempt"] for row in run.rows("edit-3/part-00000.parquet")}
    assert numbers == {4, 5}
    seeds = [row["generator"]["seed"] for name in ("edit", "edit-2") for row in run.rows(f"{name}/part-00000.parquet")]
    assert len(seeds) == len(set(seeds))


@pytest.mark.parametrize("models", ["true", "false"])
def test_rounds_are_resumed_to_equal_bytes(tmp_path: Path, models: str) -> None:
    settings = {"pairs": 18, "misses": 0.5, "rounds": 3, "attempts": 2, "models": models}
    whole = tree(tmp_path / "whole") if make_run(tmp_path / "whole", **settings) else {}
    for name in sorted(whole):
        if name.endswith("part-00001.parquet"):
            run = make_run(tmp_path / "cut", **settings)
            later = [other for other in run.files() if other.endswith("part-00001.parquet") and other >= name]
            for gone in [*later, "funnel.json"]:
                run.remove(gone)
            make_run(tmp_path / "cut", **settings)
            assert tree(tmp_path / "cut") == whole


def test_tokens_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, misses=0.5, rounds=2)
    found = stages(run)
    for name in ("instruct", "instruct-2"):
        assert found[name]["tokens"] == {"prompt": 100 * found[name]["in"], "answer": 10 * found[name]["in"]}
    assert "tokens" not in found["edit"]


def test_a_final_failure_of_one_attempt_ends_the_source() -> None:
    unit = Unit()
    source = Candidate("a", "hate", Origin("", "", ""), Picture(b""), instruction=Instruction("", "", None))
    unit.after(Step("source"), [source])
    tried = [Candidate("a", "hate", Origin("", "", ""), Picture(b"")) for _ in range(2)]
    tried[0].reject = Reject("judge", "still_unsafe")
    tried[1].reject = Reject("judge", "unsafe_not_seen", final=True)
    unit.after(Step("judge"), tried)
    assert (unit.entering, unit.passed) == ([], [])
