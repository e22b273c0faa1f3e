"""A recipe that needs a GPU says so before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import make_run

from safetypairs_hf.core.errors import RecipeError


def test_no_gpu_or_one_too_small(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe 'squares' needs .*(GPU with 1e\+06 GB|PyTorch)"):
        make_run(tmp_path / "run", gpu_gb=1e6)
    assert not (tmp_path / "run").exists()
