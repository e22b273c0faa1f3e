"""Finished runs that several files here publish."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `small` (20 pairs) and `large` (30 pairs, the same 20 among them)."""
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "small", pairs=20)
    make_run(folder / "large", pairs=30)
    return folder
