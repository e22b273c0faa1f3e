"""The embedding distance, by real vision models at small random weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from safetypairs_hf.building.preservation import Perceptual
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Pixels
from safetypairs_hf.models.embedding import EmbeddingDistance

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SEEN = {"image_size": 32, "patch_size": 8}


def save(folder: Path, kind: str) -> str:
    import torch
    import transformers as tf

    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "dinov2":
            model = tf.Dinov2Model(tf.Dinov2Config(**SMALL, **SEEN, mlp_ratio=1))
        else:
            words = {**SMALL, "vocab_size": 8, "max_position_embeddings": 8}
            model = tf.CLIPModel(tf.CLIPConfig(text_config=words, vision_config={**SMALL, **SEEN}, projection_dim=8))
    model.save_pretrained(folder)
    sides = {"height": 32, "width": 32}
    tf.CLIPImageProcessorPil(size=sides, do_center_crop=False).save_pretrained(folder)
    return str(folder)


def picture(seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (40, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["dinov2", "clip"])
def test_distance_is_none_for_equal_images_and_grows(tmp_path: Path, kind: str) -> None:
    measure = EmbeddingDistance(save(tmp_path, kind), device="cpu")
    before = picture(1)
    near = before.copy()
    near[:8, :8] = 0
    assert measure.distance(before, before) == pytest.approx(0, abs=1e-6)
    distances = [measure.distance(before, near), measure.distance(before, np.zeros_like(before))]
    assert 1e-6 < distances[0] < distances[1] <= 2
    assert measure.distance(near, before) == pytest.approx(distances[0], abs=1e-9)
    measure.release()
    assert pickle.loads(pickle.dumps(measure)).distance(before, near) == distances[0]
    _, found = Perceptual(measures=(measure,)).measure(before, near, None)
    assert found is not None
    assert dict(found.distances)["embedding"] == distances[0]


def test_what_is_no_vision_model(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="no revision is pinned"):
        EmbeddingDistance("lab/none")
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(SafetyPairsError, match="is no vision model with an image processor: "):
        EmbeddingDistance(str(tmp_path)).distance(picture(1), picture(2))
