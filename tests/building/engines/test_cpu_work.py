"""Work beside a model: in other processes where that can be, with the bytes of one thread, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import tree
from processes import interruptible, processes_in, wait_for

from safetypairs_hf.building.build import build
from safetypairs_hf.building.engines.cpu_work import CpuProcesses
from safetypairs_hf.building.finishing import Finishing
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RunError, UserCodeError
from safetypairs_hf.core.pictures import PILLOW, encode

TESTS = Path(__file__).parents[2]
BESIDE = str(TESTS / "recipes" / "near_a_model.py")


@pytest.fixture(autouse=True)
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the recipe says what was called in which process. Other processes find the recipes of the tests, too."""
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", ""))))
    return tmp_path / "trace"


def built(out: Path, rule: str, workers: int) -> dict[str, bytes]:
    build(load_recipe(BESIDE, {"preservation": rule}), str(out), workers)
    return tree(out)


def processes_of(traced: Path, what: str) -> set[int]:
    lines = [line.split() for line in traced.read_text().splitlines()]
    traced.write_text("")
    return {int(pid) for name, pid in lines if name == what}


def test_processes_give_the_bytes_of_a_thread(tmp_path: Path, traced: Path) -> None:
    """Of a rule of the user's own, which the recipe's file defines, with rounds, attempts, baselines and controls."""
    alone = built(tmp_path / "thread", "own", 1)
    calls = {line.split()[0] for line in traced.read_text().splitlines()}
    assert "edit-8" in calls and "neutral-12" in calls  # of 16 attempts in a unit, 8 are asked for at once
    assert processes_of(traced, "finish") == {os.getpid()}
    assert built(tmp_path / "processes", "own", 2) == alone
    assert len(others := processes_of(traced, "finish")) == 2 and os.getpid() not in others


def test_what_holds_a_model_stays_in_the_process_of_the_model(tmp_path: Path, traced: Path) -> None:
    alone = built(tmp_path / "thread", "measured", 1)
    assert processes_of(traced, "distance") == {os.getpid()}
    assert built(tmp_path / "processes", "measured", 2) == alone
    assert processes_of(traced, "distance") == {os.getpid()}


def test_a_rule_that_cannot_be_sent_works_in_a_thread(traced: Path) -> None:
    own = load_recipe(BESIDE).recipe.preservation
    beside = CpuProcesses(Finishing(replace(own, cannot_be_sent=lambda: 0), PILLOW), BESIDE, 2)  # type: ignore[type-var]
    pixels = np.zeros((256, 256, 3), np.uint8)
    beside.expect([encode(pixels)])
    assert beside.submit(Finishing.edit, pixels, pixels, None, "").result().edit_box is None
    assert processes_of(traced, "finish") == {os.getpid()}
    beside.close()


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a worker process died .*; or with fewer workers than 2$"):
        built(tmp_path / "run", "dies", 2)


def test_stopped_and_killed_it_ends_in_equal_bytes(tmp_path: Path) -> None:
    words = f"safetypairs_hf build {BESIDE} --out run --pairs 40 --workers 2 --set preservation=exact"
    command = [sys.executable, "-m", *words.split()]
    how = {"cwd": tmp_path, "start_new_session": True, "preexec_fn": interruptible, "stderr": subprocess.PIPE}

    def begun(goal: int, by: signal.Signals) -> tuple[int, str]:
        process = subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, **how)  # type: ignore[call-overload]
        wait_for(lambda: len(list(tmp_path.glob("run/edit/part-?????.parquet"))) >= goal, "the build does not begin")
        os.killpg(process.pid, by) if by == signal.SIGINT else process.send_signal(by)
        said: str = process.communicate()[1]
        wait_for(lambda: not processes_in(tmp_path), "processes of the build are left")
        return process.returncode, said

    status, said = begun(2, signal.SIGINT)
    assert status == 130 and said.startswith("safetypairs: stopped; ") and said.count("\n") == 1
    assert begun(4, signal.SIGKILL)[0] == -9
    for out in ("run", "whole"):
        build(load_recipe(BESIDE, {"pairs": "40", "preservation": "exact"}), str(tmp_path / out), 1)
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")


def test_pixels_go_there_and_back_and_errors_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    beside = CpuProcesses(
        Finishing(load_recipe(BESIDE, {"preservation": "raises"}).recipe.preservation, PILLOW), BESIDE, 2
    )
    try:
        beside.expect([encode(pixels)])
        file = beside.submit(Finishing.encoded, pixels).result()
        assert file.data == encode(pixels).data
        assert np.array_equal(beside.submit(Finishing.decoded, file.data).result(), pixels)
        with pytest.raises(OSError, match="cannot identify image file"):
            beside.submit(Finishing.decoded, b"no image").result()
        with pytest.raises(UserCodeError) as told:
            beside.submit(Finishing.edit, pixels, pixels, None, "the image 7").result()
        assert "near_a_model.py, line" in str(told.value)
        assert str(told.value).endswith("ValueError: no finish today; it was asked about the image 7")
    finally:
        beside.close()
