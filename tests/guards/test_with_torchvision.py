"""Llama Guard 4, whose image processor needs torchvision: these tests run once more, in a process that has it.

torchvision stands in a folder beside the environment (Makefile): the build on PyPI fails to import next to torch for
CPU, unless what tests/conftest.py declares is there; so it must not be where a command would find it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TORCHVISION = Path(sys.prefix) / "torchvision"
TESTS = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCHVISION.is_dir(), reason="`make test` installs torchvision beside the environment"),
]


def run(*words: str) -> None:
    chosen = ["-p", "no:xdist", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *words, *chosen, f"--ignore={__file__}"]
    env = {**os.environ, "PYTHONPATH": str(TORCHVISION), "PYTEST_XDIST_WORKER": "", "SAFETYPAIRS_EVERY_GUARD": "1"}
    done = subprocess.run(command, env=env, cwd=TESTS.parent, capture_output=True, text=True)
    counted = re.findall(r"(\d+) (passed|skipped|failed)", done.stdout + done.stderr)
    assert done.returncode == 0 and dict(map(reversed, counted)).keys() == {"passed"}, done.stdout + done.stderr


def test_llama_guard_4_and_processors_of_videos() -> None:
    run(str(TESTS / "guards"), "-k", "llama-guard-4 or video")


@pytest.mark.thorough
def test_llama_guard_4_beside_the_others_in_one_report() -> None:
    run(str(TESTS / "evaluating" / "test_every_guard.py"), "-k", "every_guard_in_one_report")
