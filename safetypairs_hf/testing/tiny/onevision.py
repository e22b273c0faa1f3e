"""A small LLaVA-OneVision, the class of LlavaGuard: the real classes at random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny.chat_tokenizer import chat_tokenizer
from safetypairs_hf.testing.tiny.seeded import seeded

_SIDE, _PATCH = 32, 8
_SPECIALS: Final = ("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<image>", "<video>")
_TEMPLATE: Final = (
    "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder: Path, seed: int = 0) -> Path:
    """Save a LlavaOnevisionForConditionalGeneration with random weights, and its processor without its video part."""
    from transformers import LlavaOnevisionForConditionalGeneration

    processor = _processor()
    with seeded(seed):
        model = LlavaOnevisionForConditionalGeneration(_config(processor.tokenizer)).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    from transformers import LlavaOnevisionProcessor
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    from safetypairs_hf.models.processors import images_only

    images = LlavaOnevisionImageProcessorPil(
        size={"height": _SIDE, "width": _SIDE}, image_grid_pinpoints=[[_SIDE, _SIDE], [_SIDE, 2 * _SIDE]]
    )
    tokenizer = chat_tokenizer(_SPECIALS, {"image_token": "<image>", "video_token": "<video>"})
    return images_only(LlavaOnevisionProcessor)(
        images,
        tokenizer,
        num_image_tokens=(_SIDE // _PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=_TEMPLATE,
        vision_aspect_ratio="anyres_max_9",
    )


def _config(tokenizer: Any) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    number = tokenizer.convert_tokens_to_ids
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=number("<|endoftext|>"),
        eos_token_id=number("<|im_end|>"),
        bos_token_id=None,
        initializer_range=0.2,
    )
    vision = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=_SIDE,
        patch_size=_PATCH,
        vision_use_head=False,
    )
    return LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=number("<image>"),
        video_token_index=number("<video>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_grid_pinpoints=[[_SIDE, _SIDE], [_SIDE, 2 * _SIDE]],
        tie_word_embeddings=False,
        # Ten times the usual, so that images differ in the third digit and not in the ninth.
        initializer_range=0.2,
    )
