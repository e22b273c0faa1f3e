"""Small Qwen3-VL models with random weights, the class of SingGuard and SafeAtlas-Guard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import qwen_vl, tokenizers
from safetypairs_hf.testing.tiny.sizes import SPREAD, TEXT, VISION
from safetypairs_hf.testing.tiny.weights import save_random

_IMAGE: Final = "<|vision_start|><|image_pad|><|vision_end|>"
# The real template of SingGuard is longer and takes the same keywords: a policy, and a way of thinking.
_WITH_POLICY: Final = (
    "<|im_start|>system\nJudge by these rules ({{ thinking_type | default('fast-slow') }}).\n{{ policy }}<|im_end|>\n"
)


def make(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a Qwen3VLForConditionalGeneration and its processor, which has no video part. See `tokenizers.chat`."""
    return _save(folder, seed, words, tokenizers.chatml(_IMAGE))


def sing_guard(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save the same with a chat template that takes `policy` and `thinking_type`."""
    return _save(folder, seed, words, _WITH_POLICY + tokenizers.chatml(_IMAGE))


def _save(folder: Path, seed: int, words: Sequence[str], template: str) -> Path:
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

    from safetypairs_hf.models.processors import images_only

    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    tokenizer = tokenizers.chat(qwen_vl.SPECIALS, named, words)
    processor = images_only(Qwen3VLProcessor)(qwen_vl.images(), tokenizer, chat_template=template)
    return save_random(folder, seed, Qwen3VLForConditionalGeneration, _config(tokenizer), processor)


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen3VLConfig

    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "head_dim": 16,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": SPREAD,
    }
    vision = {
        **VISION,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
        "initializer_range": SPREAD,
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        **tokenizers.ids(tokenizer, image_token_id="<|image_pad|>", video_token_id="<|video_pad|>"),
        **tokenizers.ids(tokenizer, vision_start_token_id="<|vision_start|>", vision_end_token_id="<|vision_end|>"),
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
