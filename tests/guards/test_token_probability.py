from __future__ import annotations

import pytest
from small_guards import asked, pictures, small

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.guards import token_probability


def test_what_both_begin_with_is_forced() -> None:
    tokenizer = small("llama-guard-3-vision").loaded.processor.tokenizer
    found = token_probability.find(tokenizer, "Request: ", "harmful", "unharmful")
    decoded = [tokenizer.decode(list(ids)) for ids in found]
    assert decoded[0] + decoded[1] == "Request: harmful" and decoded[0] + decoded[2] == "Request: unharmful"
    assert found.unsafe[0] != found.safe[0]


def test_words_that_the_tokenizer_cannot_tell_apart() -> None:
    tokenizer = small("llama-guard-3-vision").loaded.processor.tokenizer
    with pytest.raises(SafetyPairsError, match="cannot tell 'Yes' from 'Yes' after ''"):
        token_probability.find(tokenizer, "", "Yes", "Yes")


def test_tokens_after_prompts_of_unequal_length() -> None:
    """Shorter rows are padded further on the left, and whatever has a value a token stays in step."""
    guard = small("qwenguard")
    inputs = asked(guard, pictures(2), ("hate", "nudity"))
    length, pad = inputs["input_ids"].shape[1], guard.loaded.processor.tokenizer.pad_token_id
    grown = token_probability.followed(guard.loaded, inputs, [[5, 6, 7], [8]])
    assert grown["input_ids"].shape == grown["attention_mask"].shape == (2, length + 3)
    assert grown["input_ids"][0, -3:].tolist() == [5, 6, 7] and grown["input_ids"][1, -1] == 8
    assert grown["input_ids"][1, :2].tolist() == [pad, pad] and grown["attention_mask"][1, :2].tolist() == [0, 0]
    assert grown["input_ids"][1, 2:-1].tolist() == inputs["input_ids"][1].tolist()
    assert grown["attention_mask"][:, -1].tolist() == [1, 1]
    assert grown["pixel_values"] is inputs["pixel_values"]
