"""A small CLIP and a small SigLIP, which embed images and texts in one space, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, TOWER
from safetypairs_hf.testing.tiny.weights import save_random

_IMAGES = {**TOWER, "image_size": SIDE, "patch_size": PATCH}


def clip(folder: Path, seed: int = 0) -> Path:
    """Save a CLIPModel and its processor."""
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = tokenizers.clip()
    config = CLIPConfig(
        text_config={**TOWER, **_text(tokenizer), "max_position_embeddings": 77},
        vision_config=_IMAGES,
        projection_dim=32,
    )
    images = CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    return save_random(folder, seed, CLIPModel, config, CLIPProcessor(images, tokenizer))


def siglip(folder: Path, seed: int = 0) -> Path:
    """Save a SiglipModel and its processor."""
    from transformers import SiglipConfig, SiglipModel, SiglipProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = tokenizers.chat(("<pad>", "</s>"), {})
    tokenizer.model_max_length, tokenizer.padding_side = 64, "right"
    text = {**TOWER, **_text(tokenizer), "max_position_embeddings": 64}
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    config = SiglipConfig(text_config=text, vision_config=_IMAGES)
    return save_random(folder, seed, SiglipModel, config, SiglipProcessor(images, tokenizer))


def _text(tokenizer: Any) -> dict[str, Any]:
    return {**tokenizers.ends(tokenizer), "vocab_size": len(tokenizer)}
