"""An editor whose process really runs out of memory: the kernel refuses it what a batch of four needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_editors import BATCH_BOUND

from safetypairs_hf.testing.tiny import editors as tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.thorough,
    pytest.mark.skipif(sys.platform != "linux", reason="by Linux's limits and /proc"),
]


def test_a_batch_that_the_kernel_refuses_is_halved(tmp_path: Path) -> None:
    here = Path(__file__).parent
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(here.parent), *filter(None, sys.path))),
        "MALLOC_MMAP_THRESHOLD_": "65536",  # what is freed goes back to the kernel, so that one call tells of the next
    }
    command = [sys.executable, str(here / "short_of_memory.py"), "klein", str(tiny.klein(tmp_path / "klein"))]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["batches"] == [2, 2, 2, 2] and found["apart"] <= BATCH_BOUND
