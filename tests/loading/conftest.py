from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for hub_fixtures


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory and settings of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFETYPAIRS_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.delenv("SAFETYPAIRS_REPO", raising=False)
    monkeypatch.delenv("SAFETYPAIRS_VERSION", raising=False)
