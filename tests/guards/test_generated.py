from __future__ import annotations

from small_guards import folder_of, judge, pictures, shares, small

from safetypairs_hf.guards.chat_vlm import ChatVLM, GeneratedYesNo, write
from safetypairs_hf.guards.verdicts import question


def test_what_is_written_and_whether_it_ended() -> None:
    """The small model says Yes for ever to a judge, and ends its answer to an instructor."""
    from safetypairs_hf.testing.tiny.chat_vlm import ANSWER

    guard = ChatVLM(str(folder_of("chat-vlm")))
    images = pictures(2)
    inputs = guard.loaded.inputs(images, [question("hate"), question("hate")])
    assert write(guard.loaded, inputs, 3) == [("YesYesYes", False), ("NoNoNo", False)]
    inputs = guard.loaded.inputs(images[:1], ["critical_feature"])
    assert write(guard.loaded, inputs, 40) == [(ANSWER, True)]


def test_it_writes_as_much_as_it_may_and_reads_the_first_word() -> None:
    images = pictures(2)
    found = judge(small("generated"), images)
    assert found == [(1.0, "", "Yes"), (0.0, "", "No")]
    longer = judge(small("generated", max_tokens="2"), images)
    assert longer == [(None, "cut_off", "YesYes"), (None, "cut_off", "NoNo")]
    guard = GeneratedYesNo(str(folder_of("generated")))
    assert (guard.name, guard.family, guard.max_tokens) == ("generated:generated", "chat-vlm", 64)


def test_a_guard_that_writes_at_trained() -> None:
    """Random weights write no verdict: an abstention that keeps the text, where one forward pass gives a number."""
    found = judge(small("qwenguard", max_tokens="4"), pictures(1))[0]
    assert found.p_unsafe is None and found.note in ("cut_off", "other_language", "no_verdict") and found.raw
    assert 0 < shares(judge(small("qwenguard"), pictures(1)))[0] < 1
