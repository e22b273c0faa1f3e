"""A small Qwen2.5-VL, the class of QwenGuard, GuardReasoner-VL and PolicyShiftGuard, with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import sizes, tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, SPREAD, TEXT
from safetypairs_hf.testing.tiny.weights import save_random

SPECIALS: Final = (
    *("<|endoftext|>", "<|im_end|>", "<|im_start|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
)
VISION: Final = {**sizes.VISION, "window_size": 4 * PATCH, "fullatt_block_indexes": [1]}


def make(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a Qwen2_5_VLForConditionalGeneration and its processor, without a video part; see `tokenizers.chat`."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    processor = _processor(words)
    return save_random(folder, seed, Qwen2_5_VLForConditionalGeneration, _config(processor.tokenizer), processor)


def images() -> Any:
    """Make the image processor that the small models of Qwen share."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        size={"shortest_edge": SIDE**2, "longest_edge": (2 * SIDE) ** 2},
        patch_size=PATCH,
        merge_size=2,
        temporal_patch_size=2,
    )


def text(tokenizer: Any) -> dict[str, Any]:
    """Return the configuration of the language model, which Qwen2.5-Omni shares."""
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        **tokenizers.ends(tokenizer),
        "initializer_range": SPREAD,
    }


def _processor(words: Sequence[str]) -> Any:
    from transformers import Qwen2_5_VLProcessor

    from safetypairs_hf.models.processors import images_only

    tokenizer = tokenizers.chat(SPECIALS, {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}, words)
    template = tokenizers.chatml("<|vision_start|><|image_pad|><|vision_end|>")
    return images_only(Qwen2_5_VLProcessor)(images(), tokenizer, chat_template=template)


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig

    return Qwen2_5_VLConfig(
        text_config=text(tokenizer),
        vision_config=dict(VISION),
        **tokenizers.ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"),
        **tokenizers.ids(tokenizer, vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"),
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
