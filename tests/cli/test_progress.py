"""Progress: what a line says, by a clock of the test's own, and that lines come where there is no terminal."""

from __future__ import annotations

import io
import sys

import pytest
from processes import wait_for

from safetypairs_hf.cli import progress
from safetypairs_hf.cli.progress import Lines, reported


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_has_stage_done_rate_and_time_left() -> None:
    clock = Clock()
    lines = Lines("evaluate", clock)
    clock.now = 60
    assert lines.line() == "safetypairs: evaluate: running for 60 s"
    lines.report("judge", 640, 1510)  # what an earlier run has done is no work of this one
    assert lines.line() == "safetypairs: evaluate, judge: 640 of 1,510 (42%), running for 60 s"
    clock.now = 120
    assert lines.line() == "safetypairs: evaluate, judge: 640 of 1,510 (42%), running for 2 min"
    lines.report("judge", 760, 1510)
    assert lines.line() == "safetypairs: evaluate, judge: 760 of 1,510 (50%), 2.0/s, 6 min left"
    clock.now = 60 + 60 * 100
    assert lines.line() == "safetypairs: evaluate, judge: 760 of 1,510 (50%), 1.2/min, 10.4 h left"
    clock.now = 60 + 3600 * 240
    assert lines.line() == "safetypairs: evaluate, judge: 760 of 1,510 (50%), 0.5/h, 1500.0 h left"
    lines.report("judge", 1510, 1510)
    assert lines.line() == "safetypairs: evaluate, judge: 1,510 of 1,510 (100%), running for 240.0 h"


def test_the_stage_that_went_on_last_is_shown() -> None:
    clock = Clock()
    lines = Lines("build", clock)
    for stage in ("source", "edit", "judge"):
        lines.report(stage, 0, 40)
    assert lines.line() == "safetypairs: build, source: 0 of 40 (0%), running for 0 s"
    clock.now = 30
    lines.report("edit", 3, 40)
    lines.report("judge", 0, 40)
    assert lines.line() == "safetypairs: build, edit: 3 of 40 (8%), 6.0/min, 6 min left"
    lines.report("edit", 0, 0)  # begun anew, by the demo's second build
    assert lines.line() == "safetypairs: build, edit: 0 of 0, running for 30 s"
    assert len(lines.line()) < 80


def test_lines_come_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(progress, "EVERY", 0.001)
    with reported("verify") as report:
        wait_for(lambda: "safetypairs: verify: running for 0 s\n" in err.getvalue(), "no line before the first stage")
        report("pairs", 0, 9)
        report("pairs", 3, 9)
        wait_for(lambda: "safetypairs: verify, pairs: 3 of 9 (33%), " in err.getvalue(), "no line on a stage")
    said = err.getvalue()
    assert said.endswith("\n") and {line[:19] for line in said.splitlines()} == {"safetypairs: verify"}


def test_a_terminal_has_bars_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(progress, "EVERY", 0.001)
    with reported("verify") as report:
        report("pairs", 3, 9)
    assert "3/9" in terminal.getvalue() and "safetypairs:" not in terminal.getvalue()
