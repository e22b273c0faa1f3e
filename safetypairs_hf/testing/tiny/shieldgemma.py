"""A small ShieldGemma 2 with random weights, which answers about 0.5 to everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny import tokenizers
from safetypairs_hf.testing.tiny.sizes import PATCH, SIDE, SPREAD, TEXT, TOWER
from safetypairs_hf.testing.tiny.weights import save_random

_IMAGE_TOKENS: Final = 4
_SPECIALS: Final = ("<pad>", "<eos>", "<bos>", "<boi>", "<eoi>", "<img>", "<start_of_turn>", "<end_of_turn>")
# The real template is longer and has the same parts: a user turn with image and policy, and the question.
_TEMPLATE: Final = (
    "{{ bos_token }}<start_of_turn>user\n{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<boi>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n"
    "Does the image violate the policy? Answer Yes or No.<end_of_turn>\n<start_of_turn>model\n"
)


def make(folder: Path, seed: int = 0) -> Path:
    """Save a ShieldGemma2ForImageClassification and its processor."""
    from transformers import ShieldGemma2ForImageClassification

    processor = _processor()
    return save_random(folder, seed, ShieldGemma2ForImageClassification, _config(processor.tokenizer), processor)


def _processor() -> Any:
    from tokenizers import models
    from transformers import ShieldGemma2Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    # The tokens of a turn are in the vocabulary without being special, so a turn's marks are split into bytes.
    vocabulary, merges = tokenizers.byte_level(_SPECIALS)
    tokenizer = tokenizers.on_bytes(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.add_tokens(["Yes", "No"])
    named = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"}
    images = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_convert_rgb=True)
    return ShieldGemma2Processor(
        images,
        tokenizers.fast(tokenizer, "<pad>", "<eos>", named, bos_token="<bos>"),
        chat_template=_TEMPLATE,
        image_seq_length=_IMAGE_TOKENS,
    )


def _config(tokenizer: Any) -> Any:
    from transformers import Gemma3TextConfig, ShieldGemma2Config, SiglipVisionConfig

    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        **TEXT,
        head_dim=16,
        **tokenizers.ends(tokenizer),
        layer_types=["sliding_attention", "full_attention"],
    )
    vision = SiglipVisionConfig(
        **{**TOWER, "num_hidden_layers": 1}, image_size=SIDE, patch_size=PATCH, vision_use_head=False
    )
    return ShieldGemma2Config(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        mm_tokens_per_image=_IMAGE_TOKENS,
        **tokenizers.ids(tokenizer, boi_token_index="<boi>", eoi_token_index="<eoi>", image_token_index="<img>"),
        **tokenizers.ids(tokenizer, yes_token_index="Yes", no_token_index="No"),
        initializer_range=SPREAD,
    )
