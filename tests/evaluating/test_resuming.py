"""Runs that are killed, cut off or shared: the same bytes in the end, and little done twice."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_api import ChatAPI, Reaction, chat_api, with_logprobs

from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.evaluating.evaluate import UnfinishedError, evaluate
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.user_guard import OwnFunction
from safetypairs_hf.models.chat_server import ChatServer

Judged = Callable[[], list[str]]
OUT, WHOLE = Path("green.parquet"), Path("whole.parquet")
PROGRAM = """
import sys
from safetypairs_hf.evaluating.evaluate import UnfinishedError, evaluate
from safetypairs_hf.guards.user_guard import OwnFunction
try:
    print(evaluate(OwnFunction(sys.argv[1]), sys.argv[2], "green.parquet", unit=2).pair_accuracy)
except UnfinishedError as left:
    print(left)
"""


def start(green: OwnFunction, squares: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, green.function, squares],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_and_run_again_gives_the_same_bytes(squares: str, green: OwnFunction, judged: Judged) -> None:
    evaluate(green, squares, WHOLE, unit=2)
    with start(green, squares, DIES_AT=str(14 + 8)) as killed:  # the second image of the fourth unit
        killed.communicate()
    assert killed.returncode == -9
    assert not OUT.exists()
    parts = sorted(path.name for path in Path("green.parquet.parts").glob("*.parquet"))
    assert parts[:2] == ["part-00000.parquet", "part-00001.parquet"] and len(parts) <= 3  # the last may be unwritten
    asked = len(judged())
    assert evaluate(green, squares, OUT, unit=2).pair_accuracy == 1.0
    assert len(judged()) - asked == 14 - 2 * len(parts)
    assert OUT.read_bytes() == WHOLE.read_bytes()


def test_two_processes_share_the_units(squares: str, green: OwnFunction, judged: Judged) -> None:
    evaluate(green, squares, WHOLE, unit=2)
    both = [start(green, squares, RANK=rank, WORLD_SIZE="2") for rank in "01"]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(judged()) == 28  # neither judged what the other did
    assert "1.0\n" in [out for out, _ in said]
    assert OUT.read_bytes() == WHOLE.read_bytes()
    assert not Path("green.parquet.parts").exists()


def test_the_last_process_joins(squares: str, green: OwnFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(green, squares, WHOLE, unit=2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank, left in (("2", 5), ("0", 2)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(UnfinishedError, match=f"{left} of 7 units are left to other processes; the last process"):
            evaluate(green, squares, OUT, unit=2)
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv("RANK", "0")  # a plain run does what is left
    evaluate(green, squares, OUT, unit=2)
    assert OUT.read_bytes() == WHOLE.read_bytes()


@pytest.mark.parametrize(
    ("rank", "size", "message"),
    [
        ("2", "2", "RANK=2 and WORLD_SIZE=2: expected RANK below WORLD_SIZE"),
        ("one", "2", "RANK=one and WORLD_SIZE=2: expected whole numbers"),
        ("0", "2", "fresh with 2 processes: each would remove the work of the others; delete green.parquet first"),
    ],
)
def test_processes_that_cannot_be(
    squares: str, green: OwnFunction, monkeypatch: pytest.MonkeyPatch, rank: str, size: str, message: str
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(RunError, match=message):
        evaluate(green, squares, OUT, fresh=True)


def test_a_damaged_part_is_named(squares: str, green: OwnFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UnfinishedError):
        evaluate(green, squares, OUT, unit=8)
    part = Path("green.parquet.parts/part-00000.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(RunError, match=r"part-00000.parquet is damaged; delete it and run the same command again"):
        evaluate(green, squares, OUT, unit=8)
    part.unlink()
    assert evaluate(green, squares, OUT, unit=8).pair_accuracy == 1.0


def test_parts_of_another_run(squares: str, green: OwnFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UnfinishedError):
        evaluate(green, squares, OUT, unit=8)
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(
        RunError, match=r"green.parquet.parts belongs to another run: unit was 8 and is 4; name another"
    ):
        evaluate(green, squares, OUT, unit=4)
    Path("green.parquet.parts/run.json").unlink()
    with pytest.raises(RunError, match=r"green.parquet.parts has parts but no run.json; name another --out"):
        evaluate(green, squares, OUT, unit=4)
    assert evaluate(green, squares, OUT, unit=4, fresh=True).n_pairs == 7


def test_a_server_that_goes_down_keeps_what_is_done(squares: str) -> None:
    def react(body: dict[str, Any], times: int) -> Reaction:
        if len(api.requests) > 6 and not mended:
            return Reaction("down for a while", 503)
        return Reaction(with_logprobs([[("Yes", math.log(0.7)), ("No", math.log(0.3))]]))

    def guard(api: ChatAPI) -> ChatVLM:
        return ChatVLM(server=ChatServer("small-vlm", api.url, retries=0, concurrency=1))

    mended: list[bool] = []
    with chat_api(react) as api:
        with pytest.raises(SafetyPairsError) as caught:
            evaluate(guard(api), squares, OUT, unit=6)
        assert "answered none of 6 requests; the last said: 503: down for a while" in str(caught.value)
        assert str(caught.value).endswith(
            "; 6 of 14 images are judged and kept in green.parquet.parts; run the same command again to continue"
        )
        mended.append(True)
        asked = len(api.requests)
        score = evaluate(guard(api), squares, OUT, unit=6)
        assert len(api.requests) - asked == 8
    assert (score.both_unsafe_rate, score.abstention_rate) == (1.0, 0.0)


def test_a_run_that_could_not_begin_leaves_nothing_behind(squares: str, green: OwnFunction) -> None:
    """A setting that is mended makes another run, which must not be refused for the sake of nothing."""
    with pytest.raises(SafetyPairsError, match="no_such_module"):
        evaluate(OwnFunction("no_such_module:judge"), squares, OUT)
    assert not Path("green.parquet.parts").exists()
    assert evaluate(green, squares, OUT).pair_accuracy == 1.0


def test_the_same_run_twice_at_once(squares: str, green: OwnFunction) -> None:
    evaluate(green, squares, WHOLE, unit=2)
    both = [start(green, squares) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [(process.returncode, out) for process, (out, _) in zip(both, said, strict=True)] == [(0, "1.0\n")] * 2, said
    assert OUT.read_bytes() == WHOLE.read_bytes() and not Path("green.parquet.parts").exists()


def test_no_server_at_all(squares: str) -> None:
    with pytest.raises(SafetyPairsError, match=r"^no server at http://127.0.0.1:9/v1 \(.*\); start it, or give"):
        evaluate(ChatVLM(server=ChatServer("m", "http://127.0.0.1:9/v1", retries=0)), squares, OUT)
