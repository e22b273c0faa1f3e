"""Without Ray, its engine says how it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from builds import SQUARES


def test_it_is_one_line(tmp_path: Path) -> None:
    arguments = ["build", SQUARES, "--out", "run", "--engine", "ray"]
    code = f"import sys; sys.modules['ray'] = None; from safetypairs_hf.cli import main; main({arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "safetypairs: the ray engine needs Ray; install it: pip install 'safetypairs-hf[ray]'\n"
    assert list(tmp_path.iterdir()) == []
