"""LoRA on a small real chat model: it learns red from green, and `chat-vlm` runs the adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from builds import make_run
from small_guards import folder_of

pytest.importorskip("peft")
pytest.importorskip("transformers")

import safetypairs_hf as sp
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.version import parse
from safetypairs_hf.evaluating.data import open_data
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.models.adapters import base_of
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.testing.tiny import chat_vlm
from safetypairs_hf.training.lora import LoraTraining, train_lora


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, 1.0.0 of 24 squares; `base`, a small chat model of random weights."""
    folder = tmp_path_factory.mktemp("lora")
    run = make_run(folder / "run", pairs=24, test_fraction=0.0)
    publish(run, parse_target(str(folder / "data")), parse("1.0.0"))
    chat_vlm.make(folder / "base", seed=1)
    return folder


def test_it_learns_and_the_adapter_is_a_guard(work: Path, tmp_path: Path) -> None:
    settings = {"model": str(work / "base"), "learning_rate": "0.005", "epochs": "4", "mix": "1.0"}
    made = sp.train(str(work / "data"), tmp_path / "adapter", method="lora", **settings)
    assert made.guard == "chat-vlm" and made.held_out is None and made.settings["epochs"] == 4
    assert "evaluate chat-vlm --set model=" in str(made)
    files = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "README.md", "training.json"}
    assert base_of(str(tmp_path / "adapter"), None) == (str(work / "base"), None)
    scores = {}
    for name, model in (("base", work / "base"), ("adapter", tmp_path / "adapter")):
        guard = make_guard("chat-vlm", {"model": str(model), "least_mass": "0"})
        scores[name] = evaluate(guard, str(work / "data"), tmp_path / f"{name}.parquet", split="train")
    assert scores["adapter"].ranking_accuracy > scores["base"].ranking_accuracy
    (work / "base" / "extra.txt").write_text("other weights")
    try:
        with pytest.raises(SafetyPairsError, match=r"is an adapter of .*base as folder:.*, and that folder is folder:"):
            base_of(str(tmp_path / "adapter"), None)
    finally:
        (work / "base" / "extra.txt").unlink()


def test_the_loss_falls_and_a_seed_gives_it_again(work: Path, tmp_path: Path) -> None:
    data = open_data(str(work / "data"), "train")
    settings = LoraTraining(str(work / "base"), epochs=2, learning_rate=0.005, mix=1.0, seed=2)
    losses = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        losses.append(
            train_lora(data, range(len(data.images)), tmp_path / name, settings, lambda stage, done, total: None)
        )
    assert losses[0] == losses[1] and sum(losses[0][-3:]) < sum(losses[0][:3])


def test_bad_input(work: Path, tmp_path: Path) -> None:
    for options, said in (
        ({"layers": "no_such_layer"}, "no_such_layer"),
        ({"model": str(folder_of("clip"))}, "a chat model that sees images"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"mix": 2.0}, "mix is 2.0"),
    ):
        given = {"model": str(work / "base"), **options}
        with pytest.raises(SafetyPairsError, match=said) as caught:
            sp.train(str(work / "data"), tmp_path / "out", method="lora", **given)
        assert "\n" not in str(caught.value)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for config, said in (({}, "does not name the model"), ({"base_model_name_or_path": "org/x"}, "no revision is")):
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        with pytest.raises(SafetyPairsError, match=said):
            base_of(str(adapter), None)
    shutil.rmtree(adapter)
