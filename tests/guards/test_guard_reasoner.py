from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from small_guards import BOUND, asked, by_hand, folder_of, judge, pictures, shares, small

from safetypairs_hf.guards.chat_vlm import Written

THOUGHT = "<think>A red square.</think>\n<result>\nRequest: "


@pytest.mark.parametrize("name", ["guard-reasoner-vl", "guard-reasoner-omni"])
def test_the_word_after_its_reasoning_is_weighed(name: str) -> None:
    """Rows of different lengths and one without a verdict in one pass, against each alone, token by token."""
    guard, images = small(name), pictures(3)
    inputs = asked(guard, images, "hate")
    written = [
        Written(f"{THOUGHT}harmful\n</result>", True),
        Written("<think>A red", False),
        Written("<result>Request: unharmful</result>", True),
    ]
    found = guard.weighed(inputs, written)
    for number, before in ((0, THOUGHT), (2, "<result>Request: ")):
        harmful, un = (by_hand(guard, images[number], "hate", before, word) for word in ("harmful", "unharmful"))
        assert found[number].p_unsafe == pytest.approx(harmful / (harmful + un), abs=BOUND, rel=1e-4)
        assert found[number].raw == written[number].text
    assert found[1] == (None, "cut_off", "<think>A red")


def test_random_weights_write_no_verdict_and_abstain() -> None:
    found = judge(small("guard-reasoner-vl"), pictures(2))
    assert {verdict.p_unsafe for verdict in found} == {None}
    assert {verdict.note for verdict in found} <= {"cut_off", "other_language", "no_verdict"} and found[0].raw


def test_common_does_not_reason() -> None:
    found = judge(small("guard-reasoner-vl", fidelity="common", max_tokens="0"), pictures(2))
    assert all(0 < share < 1 for share in shares(found)) and len(set(shares(found))) == 2


def test_its_instruction_is_the_system_message() -> None:
    guard = small("guard-reasoner-vl")
    system, user = guard.turns("image", "hate")
    assert system["role"] == "system" and system["content"][0]["text"].startswith("Think.")
    assert [part["type"] for part in user["content"]] == ["text", "image", "text"]


def test_the_part_of_a_whole_omni_model_that_writes(tmp_path: Path) -> None:
    """The config of a whole model names another class; its thinker is loaded, with the same weights."""
    import torch
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    thinker = small("guard-reasoner-omni").loaded.model
    parts = {"thinker_config": thinker.config.to_dict(), "enable_audio_output": False}
    whole = Qwen2_5OmniForConditionalGeneration(Qwen2_5OmniConfig(**parts))
    whole.thinker.load_state_dict(thinker.state_dict())
    for file in folder_of("guard-reasoner-omni").iterdir():
        shutil.copy(file, tmp_path)
    whole.save_pretrained(tmp_path)
    guard = small("guard-reasoner-omni", model=str(tmp_path))
    loaded = guard.loaded.model
    assert type(loaded).__name__ == type(thinker).__name__ == "Qwen2_5OmniThinkerForConditionalGeneration"
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [type(whole).__name__]
    pairs = zip(loaded.state_dict().values(), thinker.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
