"""Ctrl-C in a command: exit code 130, and one line that says what is kept and how to go on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from builds import make_run, tree
from click.testing import CliRunner, Result
from loading.published import publish

from safetypairs_hf.cli import group
from safetypairs_hf.cli.interrupts import is_interrupt
from safetypairs_hf.publishing import local_target

RED = """
import os
def judge(image, category):
    if image.getpixel((0, 0))[0] == int(os.environ.get("STOPS_AT", -1)):
        raise KeyboardInterrupt
    return 0.5
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoked(*words: str) -> Result:
    return CliRunner().invoke(group, list(words))


def stopped(said: str, *words: str) -> None:
    done = invoked(*words)
    assert (done.exit_code, done.stderr) == (130, f"safetypairs: stopped; {said}\n")


def test_evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    publish(Path("squares"), "1.1.0")
    Path("red.py").write_text(RED)
    words = ["evaluate", "function", "--set", "function=red.py:judge", "--data", "squares", "--out", "red.parquet"]
    monkeypatch.setenv("STOPS_AT", "0")
    stopped("no image was judged yet, and nothing is kept", *words)
    assert not list(Path().glob("red.parquet*"))
    monkeypatch.delenv("STOPS_AT")
    assert invoked(*words).exit_code == 0
    monkeypatch.setenv("STOPS_AT", "0")
    assert invoked(*words).exit_code == 0  # all of it is there


def test_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    make_run(tmp_path / "run", pairs=9)
    words = ["publish", "run", "./data", "--version", "1.0.0"]
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", stop)
        stopped("no version was changed; run the same command again to continue", *words)
    assert [path.name for path in tmp_path.iterdir() if "data" in path.name] == [".data.lock"]
    assert invoked(*words).exit_code == 0
    whole = tree(tmp_path / "data")
    words = ["publish", "run", "./data", "--version", "1.0.1"]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", renames(2, Path.rename))  # between the two renames of an exchange
        stopped("no version was changed; run the same command again to continue", *words)
    assert tree(tmp_path / "data") == whole
    with monkeypatch.context() as patch:
        patch.setattr(local_target, "keep_digests", stop)
        stopped("the new version is there", *words)
    assert "nothing to do" in invoked(*words).stdout


def renames(stop_at: int, rename: Any) -> Any:
    count = iter(range(1, 99))

    def renamed(self: Path, target: Any) -> Any:
        if next(count) == stop_at:
            raise KeyboardInterrupt
        return rename(self, target)

    return renamed


def test_a_command_that_reads_says_to_run_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    Path("mine.csv").write_text("pair_id,reference,prediction\na,1,1\na,0,0\n")
    monkeypatch.setattr(Path, "open", stop)
    stopped("run the same command again", "score", "mine.csv")


def test_a_question_that_is_answered_by_an_interrupt_is_one() -> None:
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise click.Abort from None  # as click does
    except click.Abort as error:
        assert is_interrupt(error)
    assert not is_interrupt(click.Abort())
