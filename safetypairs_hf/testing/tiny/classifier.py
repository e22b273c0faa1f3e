"""A small image classifier: a CLIPForImageClassification with two labels, "red" and "other"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import red
from safetypairs_hf.testing.tiny.weights import save, seeded

LABELS: Final = ("red", "other")
# How far the patches of an image must exceed red.THRESHOLD, in sum, to be "red".
_ENOUGH: Final = 0.05


def make(folder: Path, seed: int = 0) -> Path:
    """Save a classifier with random weights."""
    with seeded(seed):
        model = _model()
    return save(folder, model, _processor())


def sees_red(folder: Path) -> Path:
    """Save a classifier that answers "red" if one red thing covers a sixteenth of the image or more.

    Its weights are set by hand.
    """
    import torch

    model = _model()
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
        red.set_tower(model.vision_model)
        over = red.set_layers(model.vision_model)
        patches = (red.SIDE // red.PATCH) ** 2
        for place, sign in enumerate((1.0, -1.0)):
            model.classifier.weight[place, over] = sign * 120.0 * patches  # the model takes the mean over patches
            model.classifier.bias[place] = -sign * 120.0 * _ENOUGH
    return save(folder, model, _processor())


def _model() -> Any:
    from transformers import CLIPConfig, CLIPForImageClassification

    names = dict(enumerate(LABELS))
    config = CLIPConfig(
        vision_config=red.tower_config(layers=2),
        id2label=names,
        label2id={label: number for number, label in names.items()},
    )
    return CLIPForImageClassification(config)


def _processor() -> Any:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"height": red.SIDE, "width": red.SIDE}, do_center_crop=False)
