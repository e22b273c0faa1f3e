"""The life of a dataset on a Hub, by the commands, with the real clients: four versions, a takedown, an upgrade."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from builds import make_run
from hub_fixtures import Hub, hub  # noqa: F401

REPO = "lab/safetypairs"


def safetypairs(hub: Hub, cwd: Path, *words: str) -> str:  # noqa: F811
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    done = subprocess.run(command, cwd=cwd, env=hub.env(), capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def ids_of(hub: Hub, version: str) -> set[str]:  # noqa: F811
    """What a user who names the version gets."""
    code = (
        "import safetypairs_hf as sp\n"
        f"data = sp.load('{REPO}', version='{version}')\n"
        "print('IDS', *[pair for rows in data.values() for pair in rows['pair_id']])"
    )
    return set(hub.run_python(code).splitlines()[-1].split()[1:])


def test_the_life_of_a_dataset(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    make_run(tmp_path / "small", pairs=20)
    make_run(tmp_path / "large", pairs=30)
    safetypairs(hub, tmp_path, "publish", "small", REPO, "--version", "1.0.0")
    first = ids_of(hub, "1.0.0")
    before = len(hub.server.log)
    safetypairs(hub, tmp_path, "publish", "large", REPO, "--version", "1.1.0")
    safetypairs(hub, tmp_path, "publish", "large", REPO, "--version", "1.1.1")

    # The user who upgrades downloads only what is new.
    second = ids_of(hub, "1.1.1")
    fetched = {
        entry.path.rsplit("/", 1)[-1]
        for entry in hub.server.log[before:]
        if entry.method == "GET" and "/data/" in entry.path and entry.path.endswith(".parquet")
    }
    assert fetched
    assert all(name.startswith("1.1.0-") for name in fetched), fetched
    assert len(first) == 20
    assert len(second) == 30
    assert first < second

    victim = min(first)
    said = safetypairs(
        hub, tmp_path, "takedown", REPO, victim, "--reason", "the owner asked for it", "--version", "2.0.0"
    )
    for old in ("1.0.0", "1.1.0", "1.1.1"):
        assert old in said  # they still hold it, and the command says so
    assert ids_of(hub, "2.0.0") == second - {victim}
    assert ids_of(hub, "1.0.0") == first  # who names an old version still gets it, unless its history is rewritten

    for version in ("1.0.0", "1.1.0", "1.1.1", "2.0.0"):
        safetypairs(hub, tmp_path, "verify", REPO, "--version", version)

    versions = json.loads(safetypairs(hub, tmp_path, "versions", REPO, "--json"))
    assert [(row["version"], row["pairs"]) for row in versions] == [
        ("2.0.0", 29),
        ("1.1.1", 30),
        ("1.1.0", 30),
        ("1.0.0", 20),
    ]
    safetypairs(hub, tmp_path, "diff", REPO, "1.0.0", "2.0.0")

    # It is kept out of every later release of the same run.
    make_run(tmp_path / "larger", pairs=40)
    safetypairs(hub, tmp_path, "publish", "larger", REPO, "--version", "2.1.0")
    third = ids_of(hub, "2.1.0")
    assert victim not in third
    assert second - {victim} < third
    safetypairs(hub, tmp_path, "verify", REPO, "--version", "2.1.0")
