"""Answers held to the schema by xgrammar: that test runs in a process that has it.

xgrammar stands in a folder beside the environment (Makefile), without triton, which it brings for GPUs and does not
import on a CPU. Here everything else runs without it, as after `pip install 'safetypairs-hf[gpu]'`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

XGRAMMAR = Path(sys.prefix) / "xgrammar"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not XGRAMMAR.is_dir(), reason="`make test` installs xgrammar beside the environment"),
]


def test_the_schema_holds_an_answer() -> None:
    tests = Path(__file__).parent / "test_local_vlm.py"
    command = [sys.executable, "-m", "pytest", str(tests), "-k", "a_grammar_makes", "-p", "no:xdist"]
    env = {**os.environ, "PYTHONPATH": str(XGRAMMAR), "PYTEST_XDIST_WORKER": ""}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    counted = re.findall(r"(\d+) (passed|skipped|failed)", done.stdout + done.stderr)
    assert done.returncode == 0 and counted == [("1", "passed")], done.stdout + done.stderr
