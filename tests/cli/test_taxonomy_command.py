"""`safetypairs taxonomy`: faults and differences as lines, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from safetypairs_hf.cli.taxonomy import command
from safetypairs_hf.core.errors import SafetyPairsError

ROAD = str(Path(__file__).parents[1] / "recipes" / "road.yaml")


@pytest.fixture
def other(tmp_path: Path) -> str:
    file = tmp_path / "other.yaml"
    file.write_text(Path(ROAD).read_text().replace("a full litter bin", "an empty litter bin").replace("1.0", "1.1"))
    return str(file)


def test_check(tmp_path: Path, other: str) -> None:
    done = CliRunner().invoke(command, ["check", ROAD, other])
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            f"{ROAD}: road@1.0, 3 categories: fires, blades, litter",
            f"{other}: road@1.1, 3 categories: fires, blades, litter",
        ],
    )
    (tmp_path / "bad.yaml").write_text(
        Path(ROAD).read_text().replace("maps_to: O9", "maps_to: fire").replace("id:", "ID:")
    )
    done = CliRunner().invoke(command, ["check", str(tmp_path / "bad.yaml"), ROAD])
    assert done.exit_code == 1 and len(done.output.splitlines()) == 4
    done = CliRunner().invoke(command, ["check", "--json", str(tmp_path / "bad.yaml"), ROAD])
    assert done.exit_code == 1 and [len(found) for found in json.loads(done.output).values()] == [3, 0]
    missing = CliRunner().invoke(command, ["check", str(tmp_path / "none.yaml")])
    assert isinstance(missing.exception, SafetyPairsError)


def test_diff(other: str) -> None:
    done = CliRunner().invoke(command, ["diff", ROAD, other])
    assert done.exit_code == 0 and done.output.splitlines() == [
        "road@1.0 to road@1.1:",
        "  litter: can lost 'a full litter bin', got 'an empty litter bin'",
        "a minor version, for other words",
    ]
    found = json.loads(CliRunner().invoke(command, ["diff", "safetypairs@1.0", ROAD, "--json"]).output)
    assert (found["from"], found["to"], found["step"], len(found["changes"])) == (
        "safetypairs@1.0",
        "road@1.0",
        "major",
        13,
    )
