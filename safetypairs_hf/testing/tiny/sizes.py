"""Sizes that the small models share."""

from __future__ import annotations

from typing import Final

SIDE: Final = 32  # pixels of an image
PATCH: Final = 8
TOWER: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT: Final = {**TOWER, "num_key_value_heads": 1}
# The vision tower of the Qwen models.
VISION: Final = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "patch_size": PATCH,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 32,
}
# Standard deviation of the random weights: ten times the usual one, so that the answers to two images differ in the
# third digit instead of the ninth.
SPREAD: Final = 0.2
