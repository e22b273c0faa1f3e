"""`hf safetypairs ...` by the real `hf`: the extension's folder and manifest are put where `hf` keeps what it installs.

`hf extensions install` fetches from GitHub alone, so its last step is made here: a script of the name that the folder's
pyproject.toml declares, and the manifest as `hf` itself writes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", minversion="2.0")  # an older `hf` writes another manifest
from huggingface_hub.cli.extensions import ExtensionManifest

FOLDER = Path(__file__).parents[2] / "extension" / "hf-safetypairs"
HF = Path(sys.executable).with_name("hf")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which the extension is installed."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    ((name, entry),) = project["scripts"].items()
    module, function = entry.split(":")
    place = tmp_path / ".local" / "share" / "hf" / "extensions" / FOLDER.name
    place.mkdir(parents=True)
    script = place / name
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    script.chmod(0o755)
    about = json.loads((FOLDER / "manifest.json").read_text())["description"]
    installed = datetime(2026, 1, 1, tzinfo=UTC)
    names = {"owner": "lab", "repo": name, "repo_id": f"lab/{name}", "short_name": name.removeprefix("hf-")}
    ExtensionManifest(
        **names, executable_path=str(script), type="python", installed_at=installed, description=about
    ).save(place)
    return tmp_path


def test_hf_hands_a_command_and_its_exit_status_on(home: Path) -> None:
    env = {**os.environ, "HOME": str(home), "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_OFFLINE": "1"}
    env["PYTHONPATH"] = str(FOLDER.parents[1])

    def hf(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([HF, *words], env=env, cwd=home, capture_output=True, text=True, check=False)

    rows = "pair_id,reference,score\na,1,0.9\na,0,0.2\nb,1,0.8\nb,0,0.7\n"
    (home / "predictions.csv").write_text(rows)
    scored = hf("safetypairs", "score", "predictions.csv", "--json")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["pair_accuracy"] == 0.5
    assert hf("safetypairs", "score", "none.csv").returncode == 1
    assert "hf" in (helped := hf("--help").stdout) and "safetypairs" in helped
