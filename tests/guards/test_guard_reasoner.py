from __future__ import annotations

import pytest
from small_guards import BOUND, asked, by_hand, judge, pictures, shares, small

from safetypairs_hf.guards.chat_vlm import Written

THOUGHT = "<think>A red square.</think>\n<result>\nRequest: "


def test_the_word_after_its_reasoning_is_weighed() -> None:
    """Rows of different lengths and one without a verdict in one pass, against each alone, token by token."""
    guard, images = small("guard-reasoner-vl"), pictures(3)
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
