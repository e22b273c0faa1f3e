"""eval.yaml: what the Hub and inspect-ai ask of it, and that its tasks are in the version."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from builds import make_run

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import card, eval_yaml, manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.schema import COLUMNS
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

# The only names that inspect-ai 0.3.285 takes from an eval.yaml, and the only keys of a task.
SOLVERS = {"prompt_template", "system_message", "user_message", "chain_of_thought", "use_tools", "generate"}
SCORERS = {"includes", "match", "pattern", "answer", "exact", "f1", "choice", "math"}
NAME = "lab/pairs"
KEYS = {"id", "config", "split", "field_spec", "solvers", "scorers"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("eval")
    publish(make_run(path / "run", pairs=20), parse_target(str(path / "pairs")), parse("1.0.0"))
    return path / "pairs"


def written(release: Manifest) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(eval_yaml.render(release, NAME)["eval.yaml"])
    return loaded


def test_it_has_what_the_hub_asks_for(folder: Path, release: Manifest) -> None:
    assert (folder / "eval.yaml").read_text() == eval_yaml.render(release, str(folder))["eval.yaml"]
    found = written(release)
    assert list(found) == ["name", "description", "evaluation_framework", "tasks"]
    assert found["evaluation_framework"] == "safetypairs-hf"
    assert [task["id"] for task in found["tasks"]] == ["pair_accuracy", "unsafe_members", "safe_members"]
    assert found["tasks"][0] == {"id": "pair_accuracy", "config": "default", "split": "test"}
    for task in found["tasks"][1:]:
        assert task.keys() == KEYS
        assert {solver["name"] for solver in task["solvers"]} <= SOLVERS
        assert {scorer["name"] for scorer in task["scorers"]} <= SCORERS


def test_its_tasks_are_configs_splits_and_columns_of_the_version(folder: Path, release: Manifest) -> None:
    from datasets import load_dataset

    for task in written(release)["tasks"]:
        data = load_dataset(str(folder), task["config"], split=task["split"])
        assert len(data)
        if task["id"] == "pair_accuracy":
            continue
        fields = task["field_spec"]
        assert {fields["input"], fields["input_image"]} <= set(data.column_names) <= COLUMNS.keys()
        assert fields["target"] == f"literal:{fields['input_image'].removesuffix('_image')}"


def test_a_version_that_only_adds_pairs_leaves_it_as_it_is(release: Manifest, tmp_path: Path) -> None:
    publish(make_run(tmp_path / "run", pairs=30), parse_target(str(tmp_path / "pairs")), parse("1.1.0"))
    larger = manifest.load((tmp_path / "pairs" / "manifest.parquet").read_bytes())
    assert larger is not None and len(larger.entries) == 30
    assert eval_yaml.render(larger, NAME) == eval_yaml.render(release, NAME)


def test_each_sample_names_a_policy_that_the_model_was_given(release: Manifest) -> None:
    for task in written(release)["tasks"][1:]:
        system, prompt, _ = task["solvers"]
        for slug in SLUGS:
            assert f"Policy {NINE.policy_id(slug)}: {NINE.policy(slug)}" in system["args"]["template"]
        assert "{" not in system["args"]["template"]
        assert prompt["args"]["template"].format(prompt="hate@1.0").startswith("Does the image violate")


def test_a_version_without_a_test_split_names_the_split_it_has(release: Manifest) -> None:
    train = dataclasses.replace(release, entries=[entry for entry in release.entries if entry.split == "train"])
    slugs = {entry.category for entry in train.entries}
    found = written(train)
    assert (
        {task["split"] for task in found["tasks"]}
        == {"train"}
        == {view.split for view in card.configs(train)["default"]}
    )
    assert found["tasks"][1]["solvers"][0]["args"]["template"].count("Policy ") == len(slugs)
