from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_guards import asked, folder_of, judge, pictures, shares, small

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.guards.trained import LlamaGuard
from safetypairs_hf.taxonomy.nine import SLUGS


def test_what_it_does_not_cover() -> None:
    images = pictures(1) * 9
    found = judge(small("llama-guard-3-vision"), images, SLUGS)
    assert [slug for slug, verdict in zip(SLUGS, found, strict=True) if verdict.note] == ["disasters"]
    assert found[-1] == (None, "not_covered", "")
    assert len(set(shares(found[:-1]))) == 1, "its own policy is one for all of them"
    common = judge(small("llama-guard-3-vision", fidelity="common"), images, SLUGS)
    assert all(verdict.note == "" for verdict in common) and len(set(shares(common))) == 9


def test_the_line_breaks_before_its_verdict(tmp_path: Path) -> None:
    """The template here leaves them to the model, so they are written before the verdict; another has them itself."""
    guard, image = small("llama-guard-3-vision"), pictures(1)
    assert guard.words_before(asked(guard, image, "hate")) == "\n\n"
    shutil.copytree(folder_of("llama-guard-3-vision"), tmp_path / "other")
    with (tmp_path / "other" / "chat_template.jinja").open("a") as template:
        template.write("{% if add_generation_prompt %}{{ '\\n\\n' }}{% endif %}")
    other = small("llama-guard-3-vision", model=str(tmp_path / "other"))
    assert other.words_before(asked(other, image, "hate")) == ""
    assert shares(judge(other, image)) == pytest.approx(shares(judge(guard, image)), rel=1e-4)


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
