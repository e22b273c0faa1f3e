"""A build with models, killed once in each of its stages: it goes on to the bytes of one that never was."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from builds import tree

pytestmark = pytest.mark.slow

STAGES = ("source", "instruct", "edit", "judge", "instruct-2", "edit-2", "judge-2", "controls", "controls-judge")
# Every try is a process of its own; what takes long to import is there already when it starts.
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["torch", "transformers", "diffusers", "safetypairs_hf.building.build"])


def build_tiny(out: str, weights: str) -> None:
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe

    build(load_recipe("tiny", {"weights": weights}), out)


def killed_in(stage: str, out: Path, weights: Path) -> bool:
    """Start or go on; kill -9 at a random moment after the first part of the stage. Whether it was still at work."""
    child = FORK.Process(target=build_tiny, args=(str(out), str(weights)))
    child.start()
    while child.is_alive() and not list(out.glob(f"{stage}/part-*")):
        time.sleep(0.01)
    time.sleep(random.Random(stage).uniform(0, 0.4))
    at_work = child.is_alive()
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    return at_work


@pytest.mark.thorough  # test_tiny.py has a lost part of each stage, test_build.py has kills
def test_killed_in_every_stage_it_ends_in_equal_bytes(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    build_tiny(str(tmp_path / "whole"), str(weights))
    out = tmp_path / "killed"
    hit = [stage for stage in STAGES if killed_in(stage, out, weights)]
    assert len(hit) >= 6, hit  # a short stage may be over before the kill
    build_tiny(str(out), str(weights))
    assert tree(out) == tree(tmp_path / "whole")
