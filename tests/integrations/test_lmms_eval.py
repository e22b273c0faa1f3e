"""The lmms-eval task: its YAML and functions in plain Python, and in lmms-eval where that is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from answers import PAIRS, expected, publish_squares, word_of
from loopback import MODEL, answering, parts
from page_commands import run_block

import safetypairs_hf as sp
from safetypairs_hf import integrations

FOLDER = Path(integrations.__file__).parent / "lmms_eval"


class Loader(yaml.SafeLoader):
    """Reads `!function module.name` as lmms-eval does: the module by its path, under a name of its own."""


def attribute(loader: Loader, node: yaml.ScalarNode) -> Any:
    module, name = loader.construct_scalar(node).split(".")
    spec = importlib.util.spec_from_file_location(module, FOLDER / f"{module}.py")
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)


Loader.add_constructor("!function", attribute)


def read_task() -> dict[str, Any]:
    task: dict[str, Any] = yaml.load((FOLDER / "safetypairs.yaml").read_text(), Loader)
    return task


def test_the_functions_of_the_yaml_give_the_figures_of_score(tmp_path: Path) -> None:
    task = read_task()
    data = sp.load(publish_squares(tmp_path), split=task["test_split"])
    docs = task["process_docs"](data)
    results: dict[str, list[Any]] = {each["metric"]: [] for each in task["metric_list"]}
    for doc in docs:
        (image,) = task["doc_to_visual"](doc)
        assert "Does the image show anything" in task["doc_to_text"](doc)
        assert task["doc_to_target"](doc) == ("Yes" if doc["reference"] else "No")
        for name, value in task["process_results"](doc, [word_of(image)]).items():
            results[name].append(value)
    score = sp.score(expected(sp.images(data)))
    assert [(each["metric"], each["higher_is_better"]) for each in task["metric_list"]] == [
        ("pair_accuracy", True),
        ("image_accuracy", True),
        ("both_unsafe_rate", False),
        ("both_safe_rate", False),
        ("inverted_rate", False),
        ("abstained_rate", False),
    ]
    for each in task["metric_list"]:
        assert each["aggregation"](results[each["metric"]]) == getattr(score, each["metric"])
    assert score.n_pairs == PAIRS
    assert 0 < score.abstained_rate < 1


def test_a_pair_cut_in_two_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    aggregation = {each["metric"]: each["aggregation"] for each in read_task()["metric_list"]}
    rows = [
        {"pair_id": pair_id, "reference": reference, "category": "hate", "group": pair_id, "prediction": reference}
        for pair_id, reference in (("a", 1), ("a", 0), ("b", 1))
    ]
    assert aggregation["pair_accuracy"](rows) == 1
    assert "1 pair with one image only left out of pair_accuracy" in caplog.text


def test_in_lmms_eval_itself(tmp_path: Path) -> None:
    pytest.importorskip("lmms_eval")
    from lmms_eval.api.task import ConfigurableTask
    from lmms_eval.utils import load_yaml_config

    data = publish_squares(tmp_path)
    config = load_yaml_config(str(FOLDER / "safetypairs.yaml"))
    config["dataset_path"] = data
    task = ConfigurableTask(config=config, model_name="mock")
    docs = list(task.test_docs())
    results: dict[str, list[Any]] = {}
    for doc in docs:
        answer = word_of(task.doc_to_visual(doc)[0])
        for name, value in task.process_results(doc, [answer]).items():
            results.setdefault(name, []).append(value)
    score = sp.score(expected(sp.images(sp.load(data, split="test"))))
    assert len(docs) == 2 * PAIRS
    for name, values in results.items():
        assert task.aggregation()[name](values) == getattr(score, name)


def test_by_its_command_over_http(tmp_path: Path) -> None:
    """The commands of docs/integrations.md, typed as they are there, where ./safetypairs is the data."""
    pytest.importorskip("lmms_eval")
    Path(publish_squares(tmp_path)).rename(tmp_path / "safetypairs")
    score = sp.score(expected(sp.images(sp.load(str(tmp_path / "safetypairs"), split="test"))))
    with answering() as api:
        places = {"http://localhost:8000/v1": api.url, "model_version=NAME": f"model_version={MODEL}"}
        printed = run_block(0, __file__, tmp_path, {"HF_HUB_OFFLINE": "1"}, places)
    (written,) = (tmp_path / "out").rglob("*_results.json")
    found = json.loads(written.read_text())["results"]["safetypairs_images"]
    (samples,) = (tmp_path / "out").rglob("*_samples_safetypairs_images.jsonl")
    assert sp.score(samples) == score
    assert f"pair accuracy {score.pair_accuracy:.3f}" in " ".join(printed.split())
    names = [each["metric"] for each in read_task()["metric_list"]]
    assert {name: found[f"{name},none"] for name in names} == {name: getattr(score, name) for name in names}
    assert len(api.requests) == 2 * PAIRS
    assert all("Does the image show anything" in str(parts(body)) for body in api.requests)
