"""`compute_metrics` in a real `transformers.Trainer`, on a real image classifier at small random weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("accelerate")
pytest.importorskip("transformers")

import torch
import transformers

import safetypairs_hf as sp
from safetypairs_hf.core.errors import PairError
from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.integrations.trainer import make_compute_metrics, p_unsafe

PAIRS = 12
IDS = [f"p{number // 2}" for number in range(2 * PAIRS)]
REFERENCES = [number % 2 for number in range(2 * PAIRS)]
CATEGORIES = ["hate" if number < PAIRS else "violence" for number in range(2 * PAIRS)]


def classifier() -> Any:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=8,
        patch_size=4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=2,
        initializer_range=1.0,
    )
    return transformers.ViTForImageClassification(config)


def dataset() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand((2 * PAIRS, 3, 8, 8), generator=generator)
    return [{"pixel_values": image, "labels": label} for image, label in zip(pixels, REFERENCES, strict=True)]


def test_the_trainer_logs_the_figures_of_score(tmp_path: Path) -> None:
    model, data = classifier(), dataset()
    arguments = transformers.TrainingArguments(
        str(tmp_path), per_device_eval_batch_size=5, report_to=[], use_cpu=True, disable_tqdm=True
    )
    compute = make_compute_metrics(IDS, REFERENCES, CATEGORIES)
    trainer = transformers.Trainer(model, arguments, eval_dataset=data, compute_metrics=compute)
    logged = trainer.evaluate()
    scores = p_unsafe(trainer.predict(data).predictions)
    rows = {"pair_id": IDS, "reference": REFERENCES, "category": CATEGORIES, "score": scores}
    expected = flat(sp.score(rows))
    assert {name: logged[f"eval_{name}"] for name in expected} == expected
    assert 0 < logged["eval_image_accuracy"] < 1
    assert "eval_pair_accuracy/hate" in logged


def test_logits_of_each_shape() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]])
    assert p_unsafe(logits).tolist() == pytest.approx([0.75, 0.0])
    assert p_unsafe((logits, "hidden states"), unsafe_label=0).tolist() == pytest.approx([0.25, 1.0])
    assert p_unsafe(np.array([[0.0], [-1000.0]])).tolist() == [0.5, 0.0]
    assert p_unsafe(np.array([1000.0])).tolist() == [1.0]


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 2)), None, "2 predictions for 4 images"),
        (np.zeros((4, 2)), np.array([0, 1, 0, 1]), "4 of 4 labels are not those of the references"),
        (np.zeros((4, 2, 2)), None, r"logits of shape \(4, 2, 2\) with unsafe_label=1"),
    ],
)
def test_another_evaluation_set_is_an_error(logits: Any, labels: Any, message: str) -> None:
    compute = make_compute_metrics(["a", "a", "b", "b"], [1, 0, 1, 0])
    with pytest.raises(PairError, match=message):
        compute(SimpleNamespace(predictions=logits, label_ids=labels))  # type: ignore[arg-type]
