"""A small image classifier: the real CLIPForImageClassification with two labels, "red" and "other"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import red
from safetypairs_hf.testing.tiny.seeded import seeded

LABELS: Final = ("red", "other")
# Above this much of a patch's red over the threshold, summed over the image's patches, it says red.
_ENOUGH: Final = 0.05


def make(folder: Path, seed: int = 0) -> Path:
    """Save one with random weights."""
    with seeded(seed):
        return _saved(_model(), folder)


def sees_red(folder: Path) -> Path:
    """Save one whose weights are set by hand: "red" where a sixteenth of the image or more is one red thing."""
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
    return _saved(model, folder)


def _model() -> Any:
    from transformers import CLIPConfig, CLIPForImageClassification

    names = dict(enumerate(LABELS))
    config = CLIPConfig(
        vision_config=red.tower_config(layers=2),
        id2label=names,
        label2id={label: number for number, label in names.items()},
    )
    return CLIPForImageClassification(config)


def _saved(model: Any, folder: Path) -> Path:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model.eval().save_pretrained(folder)
    size = {"height": red.SIDE, "width": red.SIDE}
    CLIPImageProcessorPil(size=size, do_center_crop=False).save_pretrained(folder)
    return folder
