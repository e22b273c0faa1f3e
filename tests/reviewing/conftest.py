"""One small run for the tests of a file, and folders of decisions of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import make_run

from safetypairs_hf.reviewing.reviewed_pairs import ReviewedPairs, open_reviewed


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 12 pairs, red squares that were painted green."""
    folder = tmp_path_factory.mktemp("reviewed") / "run"
    make_run(folder, pairs=12)
    return folder


@pytest.fixture(scope="module")
def pairs(small_run: Path) -> ReviewedPairs:
    """The pairs of `small_run`."""
    return open_reviewed(str(small_run))
