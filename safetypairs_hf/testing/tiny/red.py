"""A CLIP vision tower whose weights are set by hand so that it measures how red each patch of an image is.

Red is min(R - G, R - B) of a patch's mean colour, with colours in [0, 1]. Two further dimensions with opposite values
of size LARGE keep the layer norms almost constant: the norms subtract a mean of zero and scale every patch equally.
"""

from __future__ import annotations

from typing import Any, Final

SIDE: Final = 32  # pixels of an image
PATCH: Final = 4
LARGE: Final = 10.0
THRESHOLD: Final = 0.6  # (230, 20, 20) is 0.82
SAME: Final = 0
RED: Final = 1
_WIDTH: Final = 32
_R_G, _R_B, _ANCHOR, _LEAST, _OVER = 0, 2, 4, 6, 8  # each has its negative in the next dimension
# This makes gelu(_STEEP * x) / _STEEP equal to max(x, 0) within 0.01.
_STEEP: Final = 20.0


def tower_config(layers: int) -> Any:
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        projection_dim=_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
        hidden_act="gelu",
    )


def set_tower(tower: Any) -> None:
    """Set a CLIPVisionModel of zeros to output R - G and R - B of each patch. Its layers change nothing."""
    import torch
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    mean, std = torch.tensor(OPENAI_CLIP_MEAN), torch.tensor(OPENAI_CLIP_STD)
    embeddings = tower.embeddings
    shifts = embeddings.position_embedding.weight
    for dimension, other in ((_R_G, 1), (_R_B, 2)):
        for sign, place in ((1, dimension), (-1, dimension + 1)):
            # The processor subtracts the mean and divides by the deviation; this reverts both.
            for colour, weight in ((0, sign), (other, -sign)):
                embeddings.patch_embedding.weight[place, colour] = weight * std[colour] / PATCH**2
            shifts[1:, place] = sign * (mean[0] - mean[other])
    shifts[:, _ANCHOR], shifts[:, _ANCHOR + 1] = LARGE, -LARGE
    norms = [tower.pre_layrnorm, tower.post_layernorm]
    norms += [norm for layer in tower.encoder.layers for norm in (layer.layer_norm1, layer.layer_norm2)]
    for norm in norms:
        norm.weight.fill_((2 * LARGE**2 / _WIDTH) ** 0.5)


def set_projector(projector: Any) -> None:
    """Set a LLaVA projector of zeros to output, for each patch, LARGE in SAME and its redness in RED."""
    first, second = projector.linear_1, projector.linear_2
    # min(a, b) = a - max(a - b, 0); a + 2 is positive, so gelu leaves it unchanged.
    first.weight[0, _R_G], first.bias[0] = _STEEP, 2 * _STEEP
    first.weight[1, _R_G], first.weight[1, _R_B] = _STEEP, -_STEEP
    second.weight[RED, 0], second.weight[RED, 1], second.bias[RED] = 1 / _STEEP, -1 / _STEEP, -2.0
    second.bias[SAME] = LARGE


def set_layers(tower: Any) -> int:
    """Set two layers to output how far each patch's redness exceeds THRESHOLD; return the dimension of the output."""
    least, over = (layer.mlp for layer in tower.encoder.layers)
    least.fc1.weight[0, _R_G], least.fc1.bias[0] = _STEEP, 2 * _STEEP
    least.fc1.weight[1, _R_G], least.fc1.weight[1, _R_B] = _STEEP, -_STEEP
    over.fc1.weight[0, _LEAST], over.fc1.bias[0] = _STEEP, -_STEEP * THRESHOLD
    for sign in (1, -1):
        place = (1 - sign) // 2
        least.fc2.weight[_LEAST + place, 0], least.fc2.weight[_LEAST + place, 1] = sign / _STEEP, -sign / _STEEP
        least.fc2.bias[_LEAST + place] = -2.0 * sign
        over.fc2.weight[_OVER + place, 0] = sign / _STEEP
    return _OVER
