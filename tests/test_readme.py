"""The README and the pages that continue it: their commands and Python, run as written, in order, on a local Hub."""

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

ROOT = Path(__file__).parent.parent
# Each page is also complete by itself; run one after the other, it finds the runs and versions that are there.
PAGES = ("README.md", "docs/quick-start.md", "docs/publishing.md", "docs/loading.md", "docs/scoring.md")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str, str]]:
    """Return page, language and text of every block that runs; a command that an earlier page ran is left out."""
    seen: set[str] = set()
    found = []
    for page in PAGES:
        for language, block in BLOCK.findall((ROOT / page).read_text()):
            kept = [] if language == "bash" else [block]
            if language == "bash" and "<<" not in block:
                kept = [line for line in block.splitlines() if line not in seen]
                seen |= set(kept)
            elif language == "bash":
                kept = [block]
            if kept:
                found.append((page, language, "\n".join(kept) + "\n"))
    return found


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
        for page, language, block in blocks():
            command = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [str(environment.python), "-c"]
            done = subprocess.run([*command, block], cwd=work, env=env, capture_output=True, text=True)
            assert done.returncode == 0, f"{page}\n{block}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            said.append(done.stdout)
    out = "\n".join(said)
    assert "would publish 1.0.0 (last: none): 36 pairs added" in out
    assert "published 1.1.0: 18 pairs added, 0 removed, 54 in all" in out
    assert "12 pairs in runs/mine" in out
    assert "\n0.5\n" in out  # the evaluate metric
    assert '"difference": 0.6666666666666666' in out
    assert (work / "my-pairs" / "manifest.parquet").is_file()
    shown = re.findall(r"^```text\n(pair accuracy.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    for line in shown[0].splitlines():
        assert line in out
