"""What contributors are told: files that are there, the paper as it is cited, the Pythons that are claimed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"[\w./]*\w/[\w./]*", re.sub(r"https?://\S+", "", TEXT)))))
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_paper_is_cited_as_on_the_card() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = cited["preferred-citation"]
    bib = (ROOT / "dataset_card" / "paper.bib").read_text()
    assert f"title   = {{{paper['title']}}}" in bib
    names = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert f"author  = {{{names}}}" in bib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


def test_the_public_ci_runs_every_python_that_is_claimed() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    claimed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [each.rpartition(" ")[2] for each in claimed if re.search(r":: 3\.\d+$", each)]
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons
    said = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in (line for line in said if line.startswith("make ")):
        assert command.removeprefix("make ") in targets
