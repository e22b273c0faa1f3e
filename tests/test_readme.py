"""The README's commands and Python, run as written, in order, against a Hub on this machine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from environments import Environment
from own_pairs import lay

from safetypairs_hf.testing.localhub.server import serve

pytestmark = pytest.mark.slow

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_block_runs_as_written(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    work = tmp_path / "work"
    work.mkdir()
    lay(work / "photos", range(12))
    said = []
    with serve(tmp_path / "hub", users={"me": "hf_me"}, orgs={"my-org": ["me"]}) as server:
        env = {
            **os.environ,
            "PATH": f"{environment.bin}:{os.environ['PATH']}",
            "HF_ENDPOINT": server.endpoint,
            "HF_TOKEN": "hf_me",
            "HF_HOME": str(tmp_path / "hf"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
        }
        for language, block in BLOCKS:
            command = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [str(environment.python), "-c"]
            done = subprocess.run([*command, block], cwd=work, env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            said.append(done.stdout)
    out = "\n".join(said)
    assert "would publish 1.0.0 (last: none): 36 pairs added" in out
    assert "published 1.1.0: 18 pairs added, 0 removed, 54 in all" in out
    assert "12 pairs in runs/mine" in out
    assert "\n0.5\n" in out  # the evaluate metric
    assert '"difference": 0.6666666666666666' in out
    assert (work / "my-pairs" / "manifest.parquet").is_file()


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (Path(__file__).parent.parent / link).exists(), link
