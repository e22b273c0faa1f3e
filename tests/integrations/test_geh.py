"""The geh adapter in a real geh run: pairs are kept, and what geh dropped is an abstention."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("guard_eval_harness")

from answers import PAIRS, digest, publish_squares
from guard_eval_harness.config.loading import load_config
from guard_eval_harness.execution.runner import run_benchmark
from guard_eval_harness.models.base import ModelAdapter
from guard_eval_harness.registry import ensure_builtin_registrations, model_registry
from guard_eval_harness.schemas import AdapterCapabilities, NormalizedPrediction
from PIL import Image

import safetypairs_hf as sp
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.integrations.geh import rows_of_run, score_run


class ByDigest(ModelAdapter):
    """A guard of geh's protocol that scores an image by its pixels, and answers nothing of one in eight."""

    allow_partial_predictions = True

    @property
    def capabilities(self) -> AdapterCapabilities:
        return AdapterCapabilities(
            adapter_name="by-digest",
            probability_scores=True,
            batching=True,
            concurrency=False,
            cost_estimation=False,
            token_accounting=False,
            supported_input_modalities=("text", "image"),
        )

    def predict_batch(self, samples: Sequence[Any], *, threshold: float) -> list[NormalizedPrediction]:
        found = []
        for sample in samples:
            number = digest(Image.open(sample.messages[0].image_refs[0].uri))
            if number % 8:
                score = number / 255
                found.append(
                    NormalizedPrediction(
                        sample_id=sample.id, unsafe_score=score, unsafe_label=score >= threshold, threshold=threshold
                    )
                )
        return found


def run(folder: Path, data: str, **options: Any) -> Path:
    ensure_builtin_registrations()
    if "by-digest" not in model_registry:
        model_registry.register("by-digest")(ByDigest)
    kept = {"data": data, "media_cache_dir": str(folder / "media"), **options}
    config = {
        "run_name": "pairs",
        "model": {"adapter": "by-digest"},
        "datasets": [{"name": "safetypairs", "adapter": "safetypairs", "split": "test", "options": kept}],
        "execution": {"batch_size": 5},
        "output": {"run_dir": str(folder / "geh")},
    }
    return Path(run_benchmark(load_config(config, base_dir=folder)).run_dir)


def test_the_figures_are_those_of_score(tmp_path: Path) -> None:
    data = publish_squares(tmp_path)
    finished = run(tmp_path, f"{data}@1.0.0", ask=True)
    rows = []
    for row in sp.images(sp.load(data, version="1.0.0", split="test")):
        number = digest(row.pop("image"))
        score = number / 255 if number % 8 else None
        rows.append({**row, "score": score, "prediction": None if score is None else int(score >= 0.5)})
    expected = sp.score(rows, data=f"{data}@1.0.0", split="test")
    assert score_run(finished) == expected
    assert len(list(rows_of_run(finished))) == 2 * PAIRS
    assert expected.abstention_rate > 0
    file = finished / "datasets" / "safetypairs" / "predictions.jsonl"
    lines = file.read_text(encoding="utf-8").split("\n")
    noted = [line and json.dumps(json.loads(line) | {"note": "a\u2028b\u0085c"}, ensure_ascii=False) for line in lines]
    file.write_text("\n".join(noted), encoding="utf-8")
    assert score_run(finished) == expected
    summary = json.loads((finished / "summary.json").read_text())
    assert "pair_accuracy" not in json.dumps(summary)  # which is why `score_run` exists


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="holds no geh run"):
        score_run(tmp_path)
    (tmp_path / "resolved-config.json").write_text("[" * 100_000)
    with pytest.raises(SafetyPairsError, match=r"resolved-config\.json is nested more than 100 deep; name the run_dir"):
        score_run(tmp_path)
    (tmp_path / "resolved-config.json").unlink()
    with pytest.raises(SafetyPairsError, match="names no data"):
        run(tmp_path, "")
