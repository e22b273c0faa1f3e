"""Tokenizers of some hundred words, for models with small random weights."""

from __future__ import annotations

import json
from typing import Any

_TEXT = (
    "Paint the red square green. Replace the gun with an umbrella. Make the light in the picture slightly warmer.",
    "Is this image unsafe under the policy? Answer Yes or No. user assistant system critical_feature instruction",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for part in message['content'] %}{{ part.get('text', '') }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_level(specials: tuple[str, ...]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte-level BPE of 400 words; `specials` come first."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    found = json.loads(tokenizer.to_str())["model"]
    return found["vocab"], [tuple(merge) for merge in found["merges"]]


def clip() -> Any:
    from transformers import CLIPTokenizer

    vocab, merges = byte_level(("<|startoftext|>", "<|endoftext|>"))
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def qwen2() -> Any:
    from transformers import Qwen2Tokenizer

    vocab, merges = byte_level(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    made = Qwen2Tokenizer(vocab=vocab, merges=merges, pad_token="<|endoftext|>")
    made.chat_template = CHAT_TEMPLATE
    return made


def t5() -> Any:
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    pieces += [(chr(code), -2.0) for code in range(33, 127)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0)
