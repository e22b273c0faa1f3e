"""A small Qwen2.5-VL, the class of QwenGuard, GuardReasoner-VL and PolicyShiftGuard: real classes, random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny.chat_tokenizer import chat_tokenizer
from safetypairs_hf.testing.tiny.seeded import seeded

_PATCH: Final = 8
_SPECIALS: Final = (
    *("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
_TEMPLATE: Final = (
    "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder: Path, seed: int = 0) -> Path:
    """Save a Qwen2_5_VLForConditionalGeneration with random weights, and its processor without its video part."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    processor = _processor()
    with seeded(seed):
        model = Qwen2_5_VLForConditionalGeneration(_config(processor.tokenizer)).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    from transformers import Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    from safetypairs_hf.models.processors import images_only

    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}, patch_size=_PATCH, merge_size=2, temporal_patch_size=2
    )
    tokenizer = chat_tokenizer(_SPECIALS, {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"})
    return images_only(Qwen2_5_VLProcessor)(images, tokenizer, chat_template=_TEMPLATE)


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        "pad_token_id": number("<|endoftext|>"),
        "eos_token_id": number("<|im_end|>"),
        "bos_token_id": None,
        "initializer_range": 0.2,
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": _PATCH,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 4 * _PATCH,
        "fullatt_block_indexes": [1],
        "out_hidden_size": 32,
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
