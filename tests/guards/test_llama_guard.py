from __future__ import annotations

import pytest
from small_guards import judge, pictures, shares, small

from safetypairs_hf.errors import RecipeError
from safetypairs_hf.guards.llama_guard import LlamaGuard
from safetypairs_hf.taxonomy import SLUGS


def test_what_it_does_not_cover() -> None:
    images = pictures(1) * 9
    found = judge(small("llama-guard-3-vision"), images, SLUGS)
    assert [slug for slug, verdict in zip(SLUGS, found, strict=True) if verdict.note] == ["disasters"]
    assert found[-1] == (None, "not_covered", "")
    assert len(set(shares(found[:-1]))) == 1, "its own policy is one for all of them"
    common = judge(small("llama-guard-3-vision", fidelity="common"), images, SLUGS)
    assert all(verdict.note == "" for verdict in common) and len(set(shares(common))) == 9


def test_the_line_breaks_before_its_verdict() -> None:
    """The template here leaves them to the model, so they are written before the verdict; another has them itself."""
    guard = small("llama-guard-3-vision")
    image = pictures(1)
    plain = shares(judge(guard, image))
    assert guard.words_before(guard._inputs(guard._chat, [(image[0], "hate")])) == "\n\n"
    guard._chat.processor.chat_template += "{% if add_generation_prompt %}{{ '\\n\\n' }}{% endif %}"
    assert guard.words_before(guard._inputs(guard._chat, [(image[0], "hate")])) == ""
    assert shares(judge(guard, image)) == pytest.approx(plain, rel=1e-4)


def test_what_the_user_says_beside_the_image() -> None:
    plain, said = small("llama-guard-3-vision"), small("llama-guard-3-vision", said="What is this?")
    assert (plain.asked("hate"), said.asked("hate")) == ("", "What is this?")
    assert shares(judge(plain, pictures(1))) != shares(judge(said, pictures(1)))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(RecipeError, match="hazards = 'shieldgemma-2': expected 'llama-guard-4'"):
        LlamaGuard(hazards="shieldgemma-2")
    with pytest.raises(RecipeError, match="has its trained prompt in its chat template; leave out prompt"):
        LlamaGuard(prompt="prompt.txt")
    assert LlamaGuard().fidelity == "trained"
