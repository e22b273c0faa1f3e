"""The LightEval task in a real LightEval pipeline: its figures are those of `score`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("lighteval")

from answers import PAIRS, expected, publish_squares, word_of
from lighteval.logging.evaluation_tracker import EvaluationTracker
from lighteval.models.abstract_model import LightevalModel, ModelConfig
from lighteval.models.model_output import ModelResponse
from lighteval.pipeline import ParallelismManager, Pipeline, PipelineParameters
from lighteval.utils.cache_management import SampleCache

import safetypairs_hf as sp
from safetypairs_hf.errors import SafetyPairsError
from safetypairs_hf.integrations.flat import flat
from safetypairs_hf.integrations.lighteval_task import figures, images_folder, task_of


class ByPixels(LightevalModel):
    """A guard of LightEval's protocol that answers by the bytes of an image."""

    def __init__(self, folder: Path) -> None:
        self.config = ModelConfig(model_name="by-pixels", cache_dir=str(folder / "cache"))
        self._cache = SampleCache(self.config)
        self.asked: list[str] = []

    @property
    def tokenizer(self) -> Any:
        return None

    @property
    def add_special_tokens(self) -> bool:
        return False

    @property
    def max_length(self) -> int:
        return 64

    def greedy_until(self, docs: list[Any]) -> list[ModelResponse]:
        self.asked += [doc.query for doc in docs]
        return [ModelResponse(text=[word_of(doc.images[0])], input=doc.query) for doc in docs]

    def loglikelihood(self, docs: list[Any]) -> list[ModelResponse]:
        raise NotImplementedError

    def loglikelihood_rolling(self, docs: list[Any]) -> list[ModelResponse]:
        raise NotImplementedError


def run(folder: Path, data: str, **options: Any) -> tuple[dict[str, float], ByPixels]:
    module, model = ModuleType("ours"), ByPixels(folder)
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
    with pytest.raises(SafetyPairsError, match="no whole pair among 1 images"):
        figures([{"pair_id": "a", "reference": 1, "prediction": 1}])
