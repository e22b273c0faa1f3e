"""What each reviewer sees next, and that every decision is on disk, once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.reviewing import decisions as records
from safetypairs_hf.reviewing.assignment import is_open, left_member, ordered, reviewers_wanted
from safetypairs_hf.reviewing.reviewed_pairs import ReviewedPairs
from safetypairs_hf.reviewing.sessions import AHEAD, AWAY, OutOfDateError, Rules, Sessions


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def sessions_in(folder: Path, pairs: ReviewedPairs, clock: Clock | None = None, **rules: Any) -> Sessions:
    return Sessions(pairs, RunFolder(str(folder)), Rules(**rules), clock or Clock())


def lines(folder: Path, reviewer: str) -> list[dict[str, Any]]:
    path = folder / "review" / f"{reviewer}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ahead(state: dict[str, Any]) -> list[str]:
    return [pair["pair_id"] for pair in state["next"]]


def decide_next(sessions: Sessions, reviewer: str, action: str = "accept", side: str = "left") -> str:
    """Answer blind and decide on the first pair of a reviewer; its id."""
    pair_id = ahead(sessions.open(reviewer))[0]
    if action != "skip":
        sessions.answer_blind(reviewer, pair_id, side, 1.0)
    sessions.decide(reviewer, pair_id, action, "still_unsafe" if action == "reject" else "", "", 2.0)
    return pair_id


def decide_all(sessions: Sessions, reviewer: str, action: str = "accept") -> list[str]:
    done = []
    while sessions.open(reviewer)["next"]:
        done.append(decide_next(sessions, reviewer, action))
    return done


def test_doubtful_pairs_come_first_and_those_without_judges_before_them(pairs: ReviewedPairs) -> None:
    by_margin = sorted(pairs.pairs, key=lambda pair: -1.0 if pair.margin is None else pair.margin)
    order = ordered(pairs.pairs, "doubtful")
    margins = {pair.pair_id: pair.margin for pair in pairs.pairs}
    assert [margins[pair_id] for pair_id in order] == [pair.margin for pair in by_margin]
    unjudged = by_margin[-1]._replace(judgements=())
    assert ordered([*by_margin[:-1], unjudged], "doubtful")[0] == unjudged.pair_id
    mixed = ordered(pairs.pairs, "random")
    assert sorted(mixed) == sorted(order)
    assert mixed == ordered(reversed(pairs.pairs), "random")


def test_sides_are_a_fair_coin_that_falls_the_same_way_each_time() -> None:
    fell = [left_member(f"r{reviewer}", f"{pair:016x}") for reviewer in range(4) for pair in range(250)]
    assert 440 < fell.count("unsafe") < 560
    assert fell == [left_member(f"r{reviewer}", f"{pair:016x}") for reviewer in range(4) for pair in range(250)]


@pytest.mark.parametrize(
    ("actions", "reviewers", "wanted"),
    [
        ([], 2, 2),
        (["accept", "accept"], 2, 2),
        (["accept", "reject"], 2, 3),
        (["borderline", "borderline"], 2, 3),
        (["borderline"], 1, 2),
        (["accept", "skip"], 2, 2),
        (["accept", "reject", "reject"], 2, 3),
    ],
)
def test_disagreement_and_borderline_take_one_reviewer_more(actions: list[str], reviewers: int, wanted: int) -> None:
    assert reviewers_wanted(actions, reviewers) == wanted
    votes = {f"r{number}": action for number, action in enumerate(actions)}
    judged = sum(action != "skip" for action in actions)
    assert is_open(votes, "new", 0, reviewers) == (judged < wanted)
    assert not is_open(votes, "new", wanted - judged, reviewers)


def test_before_the_blind_answer_nothing_tells_the_members_apart(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    state = sessions.open("anna")
    assert len(state["next"]) == AHEAD
    assert [set(pair) for pair in state["next"]] == [{"pair_id", "category", "policy", "details"}] * AHEAD
    assert [pair["details"] for pair in state["next"]] == [None] * AHEAD
    pair_id = ahead(state)[0]
    with pytest.raises(SafetyPairsError, match="the blind answer comes first"):
        sessions.decide("anna", pair_id, "accept")
    state = sessions.answer_blind("anna", pair_id, "right", 3.5)
    details = state["next"][0]["details"]
    left = left_member("anna", pair_id)
    assert (details["left"], details["blind"]) == (left, "safe" if left == "unsafe" else "unsafe")
    shown = pairs.shown(pair_id)
    members = {"unsafe": shown.unsafe, "safe": shown.safe}
    assert sessions.picture("anna", pair_id, "left") == members[left]
    assert sha256(sessions.picture("anna", pair_id, "right") or b"") == sha256(members[details["blind"]])


def test_decisions_are_on_disk_when_the_answer_comes(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    first = ahead(sessions.open("anna"))[0]
    sessions.answer_blind("anna", first, "both", 1.25)
    assert [(line["action"], line["blind"], line["seconds"]) for line in lines(tmp_path, "anna")] == [
        ("blind", "both", 1.25)
    ]
    state = sessions.decide("anna", first, "reject", "my own words", "a note", 7.0)
    said = lines(tmp_path, "anna")[-1]
    assert said | {"time": ""} == {
        "pair_id": first,
        "action": "reject",
        "reason": "my own words",
        "note": "a note",
        "blind": "both",
        "left": left_member("anna", first),
        "reviewer": "anna",
        "time": "",
        "seconds": 7.0,
    }
    assert first not in ahead(state)
    assert state["yours"] == {"accept": 0, "reject": 1, "borderline": 0, "skip": 0}
    assert state["last"] == {"pair_id": first, "action": "reject"}


def test_the_same_decision_twice_is_recorded_once(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    first = decide_next(sessions, "anna")
    again = sessions.decide("anna", first, "accept", "", "", 9.0)
    restarted = sessions_in(tmp_path, pairs)
    assert ahead(restarted.decide("anna", first, "accept", "", "", 9.0)) == ahead(again)
    assert [line["action"] for line in lines(tmp_path, "anna")] == ["blind", "accept"]
    with pytest.raises(OutOfDateError, match="no longer assigned to you"):
        restarted.decide("anna", first, "borderline")


def test_undo_brings_the_pair_back_with_its_first_blind_answer(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    one = decide_next(sessions, "anna", side="left")
    two = decide_next(sessions, "anna", "reject")
    state = sessions.undo("anna", two)
    assert ahead(state)[0] == two
    blind = state["next"][0]["details"]["blind"]
    assert sessions.answer_blind("anna", two, "neither", 1.0)["next"][0]["details"]["blind"] == blind
    assert sessions.undo("anna", two)["last"] == {"pair_id": one, "action": "accept"}  # asked twice, undone once
    state = sessions.undo("anna", one)
    assert ahead(state)[0] == one and state["last"] is None
    with pytest.raises(OutOfDateError, match="not your last decision"):
        sessions.undo("anna", two)
    assert [line["action"] for line in lines(tmp_path, "anna")] == [
        "blind",
        "accept",
        "blind",
        "reject",
        "undo",
        "undo",
    ]


def test_what_is_skipped_comes_back_when_it_is_asked_for(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    skipped = [decide_next(sessions, "anna", "skip") for _ in range(2)]
    rest = decide_all(sessions, "anna")
    assert len(rest) == 10 and not {*skipped} & {*rest}
    state = sessions.open("anna")
    assert (state["ended"], state["yours"]["skip"]) == ("all", 2)
    assert ahead(sessions.look_again("anna")) == skipped
    decide_next(sessions, "anna", "skip")  # once more: the other one is next
    decide_next(sessions, "anna", "borderline")
    state = sessions.open("anna")
    assert state["ended"] == "all"
    assert state["yours"] == {"accept": 10, "reject": 0, "borderline": 1, "skip": 1}


def test_each_pair_goes_to_so_many_and_to_one_more_where_they_disagree(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs, reviewers=2)
    decide_all(sessions, "anna")
    disagreed = decide_next(sessions, "ben", "reject")
    unsure = decide_next(sessions, "ben", "borderline")
    decide_all(sessions, "ben")
    assert sessions.open("anna")["ended"] == "all"
    assert sessions.open("anna")["complete"] == 10
    assert sorted(decide_all(sessions, "carl")) == sorted([disagreed, unsure])
    assert sessions.open("dora")["ended"] == "all"
    assert sessions.open("dora")["complete"] == 12
    voted = records.effective(records.read_all(RunFolder(str(tmp_path))).decisions)
    assert Counter(Counter(pair_id for pair_id, _ in voted).values()) == {2: 10, 3: 2}


def test_no_two_reviewers_have_a_pair_that_one_is_enough_for(tmp_path: Path, pairs: ReviewedPairs) -> None:
    clock = Clock()
    sessions = sessions_in(tmp_path, pairs, clock, reviewers=1)
    anna, ben, carl = (set(ahead(sessions.open(name))) for name in ("anna", "ben", "carl"))
    assert len(anna | ben | carl) == 3 * AHEAD == 12
    assert sessions.open("dora")["ended"] == "waiting"
    clock.seconds = AWAY + 1
    assert len(ahead(sessions.open("dora"))) == AHEAD  # the others went away
    assert len(decide_all(sessions, "dora")) == 12


def test_a_session_has_a_limit_and_a_rest_begins_a_new_one(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs, limit=5)
    assert len(decide_all(sessions, "anna")) == 5
    state = sessions.open("anna")
    assert (state["ended"], state["seen"], state["limit"]) == ("limit", 5, 5)
    assert ahead(sessions.undo("anna", state["last"]["pair_id"])) == [state["last"]["pair_id"]]
    assert sessions_in(tmp_path, pairs, limit=5).open("anna")["seen"] == 5  # a restart is no rest
    earlier = RunFolder(str(tmp_path / "earlier"))
    for decision in records.read_all(RunFolder(str(tmp_path))).decisions:
        when = datetime.now(UTC) - timedelta(minutes=31)
        records.append(earlier, replace(decision, time=when.isoformat()))
    assert sessions_in(tmp_path / "earlier", pairs, limit=5).open("anna")["seen"] == 0


def test_what_is_on_disk_counts_whoever_wrote_it(tmp_path: Path, pairs: ReviewedPairs) -> None:
    here, other = (sessions_in(tmp_path, pairs, reviewers=1) for _ in range(2))
    blind = ahead(here.open("anna"))[0]
    here.answer_blind("anna", blind, "left", 1.0)
    assert other.open("anna")["next"][0]["details"]["blind"] in ("unsafe", "safe")  # the blind answer goes with it
    done = decide_next(other, "anna")
    assert done == blind
    with pytest.raises(OutOfDateError):
        here.decide("anna", done, "reject", "still_unsafe")
    assert done not in ahead(here.open("ben"))
    assert here.open("anna")["complete"] == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("../anna", "is no name of a reviewer"), ("", "is no name of a reviewer"), ("ANNA", "a reviewer 'anna' already")],
)
def test_a_name_of_no_use_is_one_clear_line(tmp_path: Path, pairs: ReviewedPairs, name: str, said: str) -> None:
    sessions = sessions_in(tmp_path, pairs)
    decide_next(sessions, "anna")
    with pytest.raises(SafetyPairsError, match=said):
        sessions.open(name)


def test_a_review_for_one_reviewer_takes_no_other(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs, reviewer="anna")
    with pytest.raises(SafetyPairsError, match="for anna, by --reviewer"):
        sessions.open("ben")


def test_a_picture_is_given_of_pairs_before_a_reviewer_alone(tmp_path: Path, pairs: ReviewedPairs) -> None:
    sessions = sessions_in(tmp_path, pairs)
    mine = ahead(sessions.open("anna"))
    other = next(pair.pair_id for pair in pairs.pairs if pair.pair_id not in mine)
    assert sessions.picture("anna", mine[-1], "left")
    assert sessions.picture("anna", other, "left") is None
    assert sessions.picture("anna", mine[0], "unsafe") is None
    assert sessions.picture("ben", mine[0], "left") is None
