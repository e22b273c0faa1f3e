"""Decisions on disk: nothing that was answered is lost, whatever is killed, and what is read is what was decided."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import asdict, replace
from pathlib import Path

import fsspec
import pytest

from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.reviewing import decisions
from safetypairs_hf.reviewing.decisions import Decision

A, B = "a" * 16, "b" * 16


def decision(pair_id: str = A, action: str = "accept", reviewer: str = "anna", **given: object) -> Decision:
    values = {"reason": "still_unsafe" if action == "reject" else "", "note": "", "blind": "unsafe", "left": "safe"}
    values |= {"time": "2026-11-29T02:00:00.000+00:00", "seconds": 3.5, **given}
    return Decision(pair_id=pair_id, action=action, reviewer=reviewer, **values)  # type: ignore[arg-type]


def test_what_is_appended_is_read_and_is_one_line_of_ascii_each(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    given = [decision(note='two\nlines "and" é'), decision(B, "reject"), decision(B, "undo", blind=None)]
    for each in given:
        decisions.append(folder, each)
    decisions.append(folder, decision(reviewer="Bert-2"), decision(B, reviewer="Bert-2"))
    lines = (tmp_path / "review/anna.jsonl").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [asdict(each) for each in given]
    assert all(line.isascii() for line in lines)
    read = decisions.read_all(folder)
    assert read.decisions == [decision(reviewer="Bert-2"), decision(B, reviewer="Bert-2"), *given]
    assert read.faults == []
    assert decisions.reviewers(folder) == ["Bert-2", "anna"]


@pytest.mark.parametrize("torn", [b'{"pair_id":"aaaa', b"\0" * 40, b'{"pair_id":"aaaa","note":"\\ud83'])
def test_a_line_that_was_cut_short_is_told_and_the_next_one_is_whole(tmp_path: Path, torn: bytes) -> None:
    folder = RunFolder(str(tmp_path))
    decisions.append(folder, decision())
    with (tmp_path / "review/anna.jsonl").open("ab") as file:
        file.write(torn)
    faults = [] if torn.startswith(b"\0") else [f"{tmp_path}/review/anna.jsonl, line 2, was cut short and is left out"]
    assert decisions.read_all(folder) == ([decision()], faults)
    decisions.append(folder, decision(B))
    assert decisions.read_all(folder) == ([decision(), decision(B)], faults)


def test_a_file_system_without_append(tmp_path: Path) -> None:
    folder = RunFolder("memory://reviewed")
    for each in (decision(), decision(B)):
        decisions.append(folder, each)
    assert decisions.read_all(folder).decisions == [decision(), decision(B)]
    assert folder.files() == ["review/anna.jsonl"]
    fsspec.filesystem("memory").rm("/reviewed", recursive=True)


def _many(root: str, first: int) -> None:
    folder = RunFolder(root)
    for number in range(first, first + 20):
        decisions.append(folder, decision(f"{number:016x}"))


def test_several_sessions_of_one_reviewer_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    sessions = [context.Process(target=_many, args=(str(tmp_path), 100 * each)) for each in range(3)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
        assert session.exitcode == 0
    found = sorted(each.pair_id for each in decisions.read_all(RunFolder(str(tmp_path))).decisions)
    assert found == [f"{100 * session + number:016x}" for session in range(3) for number in range(20)]


def test_an_undo_takes_back_the_newest_decision_of_its_reviewer_on_its_pair() -> None:
    made = [
        decision(A, "accept"),
        decision(A, "reject"),
        decision(B, "reject"),
        decision(A, "accept", "bert"),
        decision(A, "undo"),
        decision(B, "undo"),
        decision(B, "undo"),  # nothing is left to take back
    ]
    assert {key: each.action for key, each in decisions.effective(made).items()} == {
        (A, "anna"): "accept",
        (A, "bert"): "accept",
    }


def test_the_first_blind_answer_counts_even_of_a_decision_that_was_taken_back() -> None:
    made = [
        decision(A, "skip", blind=None),
        decision(A, blind="safe"),
        decision(A, "undo", blind=None),
        decision(A, blind="unsafe"),
    ]
    assert {key: each.blind for key, each in decisions.blind_answers(made).items()} == {(A, "anna"): "safe"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pair_id": "../etc"}, "is of the pair '../etc'; expected an id of 16 hex characters"),
        ({"action": "like"}, "has action 'like'; expected accept, reject, borderline, skip, blind, undo"),
        ({"action": "reject", "reason": " "}, "rejects a pair without a reason"),
        ({"blind": "left"}, "has blind 'left'; expected unsafe, safe, both, neither, None"),
        ({"left": ""}, "has left ''; expected unsafe, safe"),
        ({"reviewer": "../anna"}, "'../anna' is no name of a reviewer; expected 1 to 64 letters"),
        ({"reviewer": ".anna"}, "is no name of a reviewer"),
        ({"note": None}, "has a note of 'None'; expected a text"),
        ({"note": "x" * 4001}, "has a note of more than 4000 characters"),
        ({"time": "2026-11-29T02:00:00"}, "expected UTC in ISO 8601"),
        ({"time": "2026-11-29T02:00:00+01:00"}, "expected UTC in ISO 8601"),
        ({"time": "yesterday"}, "expected UTC in ISO 8601"),
        ({"seconds": -1.0}, "took '-1.0' seconds; expected a number, 0 or more"),
        ({"seconds": float("nan")}, "seconds; expected a number, 0 or more"),
        ({"seconds": True}, "seconds; expected a number, 0 or more"),
    ],
)
def test_a_value_of_no_use_is_one_clear_line(given: dict[str, object], said: str) -> None:
    with pytest.raises(SafetyPairsError) as error:
        replace(decision(), **given)  # type: ignore[arg-type]
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"pair_id": "a"}', "line 2, has no 'action'; a decision has pair_id, action"),
        ("{}}", "line 2, is no JSON"),
        (decision(reviewer="bert").line(), "line 2, is by the reviewer 'bert'"),
        (decision().line().replace('"seconds"', '"x":1,"seconds"'), "line 2, has 'x', which no decision has"),
        (decision().line().replace("accept", "like"), "line 2, holds no decision: the decision has action 'like'"),
    ],
)
def test_a_line_that_is_no_decision_is_refused_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    folder = RunFolder(str(tmp_path))
    decisions.append(folder, decision())
    with (tmp_path / "review/anna.jsonl").open("a") as file:
        file.write(line)
    with pytest.raises(RunError) as error:
        decisions.read_all(folder)
    assert f"{tmp_path}/review/anna.jsonl, {said}" in str(error.value)


def test_a_name_that_differs_by_case_alone_and_a_folder_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path))
    decisions.append(folder, decision())
    with pytest.raises(RunError, match="has a reviewer 'anna' already; use that spelling"):
        decisions.append(folder, decision(reviewer="Anna"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/review").write_text("")
    with pytest.raises(RunError, match="this decision is not recorded"):
        decisions.append(RunFolder(str(tmp_path / "other")), decision())
