"""The same answers give the same figures and intervals, whichever way they come: to the last bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from safetypairs_hf.integrations.shared import flat
from safetypairs_hf.integrations.torchmetrics_metric import PairConsistentAccuracy
from safetypairs_hf.integrations.trainer import make_compute_metrics
from safetypairs_hf.metric import compare_many, metric_path, score

evaluate = pytest.importorskip("evaluate")
transformers = pytest.importorskip("transformers")


def columns(hits: float) -> dict[str, list[Any]]:
    """60 pairs in groups of one to three; each image is judged right with the probability `hits`."""
    draw = random.Random(5)
    groups = [group for group in range(60) for _ in range(draw.randint(1, 3))][:60]
    rows = [
        {"pair_id": f"p{n}", "reference": r, "category": "xy"[n % 2], "group": f"g{groups[n]}", "score": right}
        for n in range(60)
        for r in (1, 0)
        for right in [0.5 + (0.25 if r else -0.25) * (1 if draw.random() < hits else -1)]
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("hits", [0.0, 0.7, 1.0])
def test_every_face_gives_the_same_intervals(hits: float, tmp_path: Any) -> None:
    given = columns(hits)
    expected = score(given)
    figures = flat(expected)
    assert figures["pair_accuracy_low"] < figures["pair_accuracy_high"]

    metric = PairConsistentAccuracy()
    for at in range(0, 120, 16):  # pairs fall into different batches
        part = {name: values[at : at + 16] for name, values in given.items()}
        metric.update(
            torch.tensor(part["score"], dtype=torch.float64),
            references=part["reference"],
            pair_ids=part["pair_id"],
            categories=part["category"],
            groups=part["group"],
        )
    assert {name: value.item() for name, value in metric.compute().items()} == figures
    assert metric.result().signature == expected.signature

    compute_metrics = make_compute_metrics(given["pair_id"], given["reference"], given["category"], given["group"])
    # The sigmoid of these logits gives the scores but for rounding, which the best threshold alone shows.
    odds = np.log(np.array(given["score"]) / (1 - np.array(given["score"])))
    of_trainer = compute_metrics(transformers.EvalPrediction(odds, np.array(given["reference"])))
    assert of_trainer == {
        name: value if name == "best_threshold" else figures[name] for name, value in of_trainer.items()
    }
    assert of_trainer.keys() == figures.keys()

    module = evaluate.load(metric_path(), cache_dir=str(tmp_path)).compute(
        references=given["reference"], **{name: given[name] for name in ("pair_id", "score", "category", "group")}
    )
    assert module == expected.to_dict()

    many = compare_many({"a": given, "b": columns(0.5)})
    assert many.guards["a"].to_dict() == {name: expected.to_dict()[name] for name in many.guards["a"].to_dict()}
