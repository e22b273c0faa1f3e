"""A small ShieldGemma 2: the real classes at random weights, so it answers about 0.5 to everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.testing.tiny.seeded import seeded
from safetypairs_hf.testing.tiny.tokenizers import byte_level

_SIDE, _PATCH, _TOKENS = 32, 8, 4
_SPECIALS: Final = ("<pad>", "<eos>", "<bos>", "<boi>", "<eoi>", "<img>", "<start_of_turn>", "<end_of_turn>")
# Its own is longer; the parts are these: a turn of the user with image and policy, and the question.
_TEMPLATE: Final = (
    "{{ bos_token }}<start_of_turn>user\n{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<boi>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n"
    "Does the image violate the policy? Answer Yes or No.<end_of_turn>\n<start_of_turn>model\n"
)


def make(folder: Path, seed: int = 0) -> Path:
    """Save a ShieldGemma2ForImageClassification with random weights, and its processor."""
    from transformers import ShieldGemma2ForImageClassification

    processor = _processor()
    with seeded(seed):
        model = ShieldGemma2ForImageClassification(_config(processor.tokenizer)).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, ShieldGemma2Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    vocabulary, merges = byte_level(_SPECIALS)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(["Yes", "No"])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        padding_side="left",
        extra_special_tokens={"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<img>"},
    )
    images = Gemma3ImageProcessorPil(size={"height": _SIDE, "width": _SIDE}, do_convert_rgb=True)
    return ShieldGemma2Processor(images, wrapped, chat_template=_TEMPLATE, image_seq_length=_TOKENS)


def _config(tokenizer: Any) -> Any:
    from transformers import Gemma3TextConfig, ShieldGemma2Config, SiglipVisionConfig

    number = tokenizer.convert_tokens_to_ids
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        pad_token_id=number("<pad>"),
        eos_token_id=number("<eos>"),
        bos_token_id=number("<bos>"),
        layer_types=["sliding_attention", "full_attention"],
    )
    vision = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=_SIDE,
        patch_size=_PATCH,
        vision_use_head=False,
    )
    return ShieldGemma2Config(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        mm_tokens_per_image=_TOKENS,
        boi_token_index=number("<boi>"),
        eoi_token_index=number("<eoi>"),
        image_token_index=number("<img>"),
        yes_token_index=number("Yes"),
        no_token_index=number("No"),
        # Ten times the usual, so that images differ in the third digit and not in the ninth.
        initializer_range=0.2,
    )
