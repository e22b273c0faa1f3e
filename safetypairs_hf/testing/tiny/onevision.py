"""A small LLaVA-OneVision, the class of LlavaGuard, with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, SPREAD, TEXT, TOWER
from safetypairs_hf.testing.tiny.weights import save_random

_SPECIALS: Final = ("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<image>", "<video>")
_GRIDS: Final = ((SIDE, SIDE), (SIDE, 2 * SIDE))


def make(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a LlavaOnevisionForConditionalGeneration and its processor, without a video part; see `tokenizers.chat`."""
    from transformers import LlavaOnevisionForConditionalGeneration

    processor = _processor(words)
    return save_random(folder, seed, LlavaOnevisionForConditionalGeneration, _config(processor.tokenizer), processor)


def _processor(words: Sequence[str]) -> Any:
    from transformers import LlavaOnevisionProcessor
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    from safetypairs_hf.models.processors import images_only

    images = LlavaOnevisionImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=[list(grid) for grid in _GRIDS]
    )
    return images_only(LlavaOnevisionProcessor)(
        images,
        tokenizers.chat(_SPECIALS, {"image_token": "<image>", "video_token": "<video>"}, words),
        num_image_tokens=(SIDE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=tokenizers.chatml("<image>\n"),
        vision_aspect_ratio="anyres_max_9",
    )


def _config(tokenizer: Any) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**TOWER, image_size=SIDE, patch_size=PATCH, vision_use_head=False),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer), **TEXT, **tokenizers.ends(tokenizer), initializer_range=SPREAD
        ),
        **tokenizers.ids(tokenizer, image_token_index="<image>", video_token_index="<video>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_grid_pinpoints=[list(grid) for grid in _GRIDS],
        tie_word_embeddings=False,
        initializer_range=SPREAD,
    )
