"""A tokenizer of some hundred words for small chat models, with the special tokens that their processors look for."""

from __future__ import annotations

from typing import Any

from safetypairs_hf.testing.tiny.tokenizers import byte_level


def chat_tokenizer(specials: tuple[str, ...], named: dict[str, str], **roles: str) -> Any:
    """A byte-level BPE in which Yes and No are one token each, as in any real one.

    `specials`: its special tokens, of which the first pads and the second ends. `named`: those that a processor asks
    for by name, such as `{"image_token": "<image>"}`. `roles`: others of transformers' own, such as `bos_token`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = byte_level(specials)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(specials))
    tokenizer.add_tokens(["Yes", "No"])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=specials[0],
        eos_token=specials[1],
        padding_side="left",
        extra_special_tokens=named,
        **roles,
    )
