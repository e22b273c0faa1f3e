"""Tokenizers with a few hundred tokens for small models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

_TEXT = (
    "Paint the red square green. Replace the gun with an umbrella. Make the light in the picture slightly warmer.",
    "Is this image unsafe under the policy? Answer Yes or No. user assistant system critical_feature instruction",
)
# A chat without images, whose messages are strings or lists of parts.
_TEXT_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for part in message['content'] %}{{ part.get('text', '') }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chatml(image: str) -> str:
    """Return the chat template of the Qwen models and LLaVA-OneVision; `image` is the text for an image."""
    return (
        "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{% for part in turn['content'] %}"
        "{% if part['type'] == 'image' %}" + image + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def on_bytes(model: Any) -> Any:
    """Return a tokenizer around a BPE model that works on bytes."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def trained(specials: tuple[str, ...], texts: Iterable[str] = _TEXT, size: int = 400) -> Any:
    """Train a byte-level BPE of `size` tokens on `texts`; the tokens `specials` come first and are special."""
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = on_bytes(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(specials: tuple[str, ...]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return the vocabulary and the merges of a `trained` BPE of 400 tokens."""
    found = json.loads(trained(specials).to_str())["model"]
    return found["vocab"], [tuple(merge) for merge in found["merges"]]


def fast(tokenizer: Any, pad: str, eos: str, named: dict[str, str], **roles: str) -> Any:
    """Wrap a tokenizer in the class of transformers, with padding on the left.

    Args:
        tokenizer: A tokenizer of the package tokenizers.
        pad: The padding token.
        eos: The token that ends a turn.
        named: The special tokens that a processor looks up by name, such as `{"image_token": "<image>"}`.
        roles: Other tokens by the names of transformers, such as `bos_token`.
    """
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        eos_token=eos,
        padding_side="left",
        extra_special_tokens=named,
        **roles,
    )


def chat(specials: tuple[str, ...], named: dict[str, str], words: Sequence[str] = (), **roles: str) -> Any:
    """Return a byte-level BPE in which Yes and No are one token each, as in real tokenizers.

    Args:
        specials: Its special tokens; the first one pads and the second one ends a turn.
        named: See `fast`.
        words: Further words that are one token each.
        roles: See `fast`.
    """
    tokenizer = trained(specials)
    tokenizer.add_tokens(["Yes", "No", *words])
    return fast(tokenizer, specials[0], specials[1], named, **roles)


def ends(tokenizer: Any) -> dict[str, int | None]:
    """Return the ids of the tokens that begin, end and pad a text, under the names of a model's configuration."""
    return {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}


def ids(tokenizer: Any, **tokens: str) -> dict[str, int]:
    """Return the id of each token, under its name in a model's configuration."""
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}


def clip() -> Any:
    from transformers import CLIPTokenizer

    vocab, merges = byte_level(("<|startoftext|>", "<|endoftext|>"))
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def qwen2() -> Any:
    from transformers import Qwen2Tokenizer

    vocab, merges = byte_level(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    made = Qwen2Tokenizer(vocab=vocab, merges=merges, pad_token="<|endoftext|>")
    made.chat_template = _TEXT_CHAT
    return made


def t5() -> Any:
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    pieces += [(chr(code), -2.0) for code in range(33, 127)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0)
