"""`python -m safetypairs_hf.testing.tiny`: what it prints runs in a shell, guard after guard."""

from __future__ import annotations

import itertools
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from builds import make_run

pytest.importorskip("transformers")

from safetypairs_hf.core.version import parse
from safetypairs_hf.guards.catalogue import guard_names, make_guard
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish


@pytest.mark.slow
def test_it_prints_a_command_for_every_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = str(tmp_path / "pairs")
    publish(make_run(tmp_path / "run", pairs=2), parse_target(data), parse("1.0.0"))
    words = [sys.executable, "-m", "safetypairs_hf.testing.tiny", "small models", "--data", data]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = {shlex.split(line)[2]: line for line in done.stdout.splitlines()}
    left_out = {line.split()[1]: line for line in done.stderr.splitlines() if " is left out: " in line}
    assert sorted([*lines, *left_out]) == sorted(guard_names())
    assert {"server", "omni-moderation", "function", "command"} <= set(left_out)
    for name, line in lines.items():
        settings = [word for before, word in itertools.pairwise(shlex.split(line)) if before == "--set"]
        assert make_guard(name, dict(each.split("=", 1) for each in settings)).name, line
    run = lines["shieldgemma"].replace("safetypairs", f"{shlex.quote(sys.executable)} -m safetypairs_hf", 1)
    done = subprocess.run([*shlex.split(run), "--split", "all"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "small models" / "shieldgemma.parquet").is_file() and "not_covered" in done.stdout
