"""The LightEval task in a real LightEval pipeline, and by its command: its figures are those of `score`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("lighteval")

from answers import PAIRS, expected, publish_squares
from by_pixels import ByPixels
from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.models.abstract_model import ModelConfig
from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters
from page_commands import run_block

import safetypairs_hf as sp
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.integrations.lighteval_task import figures, images_folder, task_of
from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.testing.tiny import chat_vlm


def run(folder: Path, data: str, **options: object) -> tuple[dict[str, float], ByPixels]:
    module = ModuleType("ours")
    model = ByPixels(ModelConfig(model_name="by-pixels", cache_dir=str(folder / "cache")))
    module.TASKS_TABLE = [task_of(data)]  # type: ignore[attr-defined]
    parameters = PipelineParameters(launcher_type=ParallelismManager.NONE, custom_tasks_directory=module, **options)
    pipeline = Pipeline(
        tasks="safetypairs|0",
        pipeline_parameters=parameters,
        evaluation_tracker=EvaluationTracker(output_dir=str(folder / "out")),
        model=model,
    )
    pipeline.evaluate()
    results = pipeline.get_results()["results"]  # with ":" for the "|" of the task
    return results["safetypairs:0"], model


def command(folder: Path, data: str, *words: str) -> dict[str, float]:
    """The figures that `lighteval` writes; the words are its subcommand, its model and its options."""
    task = ("safetypairs|0", "--custom-tasks", "safetypairs_hf.integrations.lighteval_task")
    here = Path(__file__).parent
    # LightEval keeps its answers below the home, and a custom model's file is of these tests.
    own = {"SAFETYPAIRS_DATA": data, "HOME": str(folder / "home"), "PYTHONPATH": f"{here}:{here.parent}"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lighteval")), *words, *task, "--output-dir", str(folder / "out")],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (folder / "out").rglob("results_*.json")
    found: dict[str, float] = json.loads(written.read_text())["results"]["safetypairs|0"]
    return found


def test_the_figures_are_those_of_score(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    found, model = run(tmp_path, f"{data}@1.0.0")
    rows = expected(sp.images(sp.load(data, version="1.0.0", split="test")))
    assert found == flat(sp.score(rows))
    assert 0 < found["abstention_rate"] < 1
    assert len(model.asked) == 2 * PAIRS
    assert all("Does the image show anything" in each for each in model.asked)
    assert images_folder(f"{data}@1.0.0") == images_folder(data)


def test_a_pair_that_is_cut_in_two_is_counted_apart(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    found, model = run(tmp_path, data, max_samples=2 * PAIRS - 1)
    assert len(model.asked) == 2 * PAIRS - 1
    assert (found["n_pairs"], found["n_incomplete"]) == (PAIRS - 1, 1)
    with pytest.raises(SafetyPairsError, match="no whole pair among 1 image;"):
        figures([{"pair_id": "a", "reference": 1, "prediction": 1}])


def test_the_command_with_a_model_of_ones_own(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    found = command(tmp_path, data, "custom", "by-pixels", str(Path(__file__).with_name("by_pixels.py")))
    assert found == flat(sp.score(expected(sp.images(sp.load(data, split="test")))))


@pytest.mark.parametrize("number", [0, 1], ids=["by name", "without a network"])
def test_the_commands_of_the_page(tmp_path: Path, number: int) -> None:
    """Those of docs/integrations.md, typed as they are there.

    LightEval generates where `chat-vlm` reads a probability: the same model gives the same verdicts.
    """
    data, model = publish_squares(tmp_path), chat_vlm.sees_red(tmp_path / "my-vlm")
    (tmp_path / "safetypairs").symlink_to(data)
    places = {"./my-vlm,": f"{model},device=cpu,"} | ({} if number else {"my-org/safetypairs@1.2.0": f"{data}@1.0.0"})
    run_block(number, __file__, tmp_path, {"HOME": str(tmp_path / "home")}, places)
    (written,) = (tmp_path / "results").rglob("results_*.json")
    found = json.loads(written.read_text())["results"]["safetypairs|0"]
    rows = list(sp.images(sp.load(data, split="test")))
    pictures = [encode(np.asarray(row.pop("image").convert("RGB"))) for row in rows]
    guard = make_guard("chat-vlm", {"model": str(model), "device": "cpu"})
    verdicts = guard.judge(pictures, [row["category"] for row in rows], [None] * len(rows))
    judged = [{**row, "prediction": int((v.p_unsafe or 0) >= 0.5)} for row, v in zip(rows, verdicts, strict=True)]
    assert found == flat(sp.score(judged))
    assert found["unsafe_recall"] > 0 and found["abstention_rate"] == 0
