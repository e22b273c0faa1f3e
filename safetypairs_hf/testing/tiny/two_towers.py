"""A small CLIP and a small SigLIP, which put images and texts beside each other: real classes, random weights."""

from __future__ import annotations

from pathlib import Path

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.seeded import seeded

_SIDE, _PATCH = 32, 8
_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def clip(folder: Path, seed: int = 0) -> Path:
    """Save a CLIPModel with random weights, and its processor."""
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = tokenizers.clip()
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config={**_TOWER, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config={**_TOWER, "image_size": _SIDE, "patch_size": _PATCH},
        projection_dim=32,
    )
    images = CLIPImageProcessorPil(size={"height": _SIDE, "width": _SIDE}, do_center_crop=False)
    with seeded(seed):
        model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def siglip(folder: Path, seed: int = 0) -> Path:
    """Save a SiglipModel with random weights, and its processor."""
    from transformers import SiglipConfig, SiglipModel, SiglipProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    from safetypairs_hf.testing.tiny.chat_tokenizer import chat_tokenizer

    tokenizer = chat_tokenizer(("<pad>", "</s>"), {})
    tokenizer.model_max_length, tokenizer.padding_side = 64, "right"
    ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = SiglipConfig(
        text_config={**_TOWER, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 64},
        vision_config={**_TOWER, "image_size": _SIDE, "patch_size": _PATCH},
    )
    images = SiglipImageProcessorPil(size={"height": _SIDE, "width": _SIDE})
    with seeded(seed):
        model = SiglipModel(config).eval()
    model.save_pretrained(folder)
    SiglipProcessor(images, tokenizer).save_pretrained(folder)
    return folder
