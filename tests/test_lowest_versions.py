"""The lower bounds in pyproject.toml are true: what needs no PyTorch works with the lowest versions that they allow.

`environments/lowest.txt` is what `uv pip compile --resolution lowest-direct` made of pyproject.toml with these extras
on 2026-11-29, with the test tools and all that is indirect as in constraints.txt where that fits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pinned import python_of

ROOT = Path(__file__).parents[1]
LOWEST = Path(__file__).parent / "environments" / "lowest.txt"
# The other extras need PyTorch, whose lowest version is to be had for CUDA alone (docs/status.md).
EXTRAS = ("anthropic", "azure", "bedrock", "demo", "evaluate", "gemini", "opennsfw", "probe", "review", "server")
# The long ones first.
ROOMS = (
    *("publishing", "evaluating", "loading", "cli", "metric", "versions", "dataset"),
    *("reviewing", "report", "importing", "core", "taxonomy"),
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def bounds(texts: list[str]) -> dict[str, Version]:
    """The lower bound of each requirement."""
    found = {}
    for requirement in map(Requirement, texts):
        if canonicalize_name(requirement.name) != PROJECT["name"]:
            (lower,) = (each.version for each in requirement.specifier if each.operator == ">=")
            found[canonicalize_name(requirement.name)] = Version(lower)
    return found


def test_the_list_has_the_lower_bounds() -> None:
    listed = dict(line.split("==") for line in LOWEST.read_text().split())
    has = {canonicalize_name(name): Version(version) for name, version in listed.items()}
    wanted = bounds(PROJECT["dependencies"])
    for extra in EXTRAS:
        wanted |= bounds(PROJECT["optional-dependencies"][extra])
    assert {name: has.get(name) for name in wanted} == wanted


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lowest versions have wheels for Python 3.11 alone")
@pytest.mark.parametrize("room", ROOMS)
def test_a_room_passes_its_tests_with_the_lowest_versions(room: str) -> None:
    python = python_of(LOWEST, ours=True)
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-m", "not thorough", f"tests/{room}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    env = {**kept, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
