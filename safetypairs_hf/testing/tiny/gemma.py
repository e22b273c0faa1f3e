"""A small Gemma 3 with images, the class of Nemotron Content Safety, with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, SPREAD, TEXT, TOWER
from safetypairs_hf.testing.tiny.weights import save_random

_IMAGE_TOKENS: Final = 4
_SPECIALS: Final = ("<pad>", "<end_of_turn>", "<bos>", "<boi>", "<eoi>", "<img>", "<start_of_turn>")
# The real template is longer and takes the same keywords.
_TEMPLATE: Final = (
    "{{ bos_token }}<start_of_turn>user\nIs this safe under the policy? {{ custom_policy | default('') }}\n"
    "{% if enable_thinking | default(false) %}Think. {% endif %}{{ request_categories | default('/categories') }}\n"
    "{% for turn in messages %}{% for part in turn['content'] %}{% if part['type'] == 'image' %}<boi>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}<end_of_turn>\n"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def make(folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Save a Gemma3ForConditionalGeneration and its processor. See `tokenizers.chat`."""
    from transformers import Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    named = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"}
    tokenizer = tokenizers.chat(_SPECIALS, named, words, bos_token="<bos>")
    images = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_convert_rgb=True)
    processor = Gemma3Processor(images, tokenizer, chat_template=_TEMPLATE, image_seq_length=_IMAGE_TOKENS)
    return save_random(folder, seed, Gemma3ForConditionalGeneration, _config(tokenizer), processor)


def _config(tokenizer: Any) -> Any:
    from transformers import Gemma3Config, Gemma3TextConfig, SiglipVisionConfig

    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        **TEXT,
        head_dim=16,
        **tokenizers.ends(tokenizer),
        layer_types=["sliding_attention", "full_attention"],
        initializer_range=SPREAD,
    )
    vision = SiglipVisionConfig(
        **{**TOWER, "num_hidden_layers": 1}, image_size=SIDE, patch_size=PATCH, vision_use_head=False
    )
    return Gemma3Config(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        mm_tokens_per_image=_IMAGE_TOKENS,
        **tokenizers.ids(tokenizer, boi_token_index="<boi>", eoi_token_index="<eoi>", image_token_index="<img>"),
        initializer_range=SPREAD,
    )
