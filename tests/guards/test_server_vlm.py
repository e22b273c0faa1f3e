from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from chat_api import Reaction, chat_api, completion, with_logprobs

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.verdicts import question
from safetypairs_hf.models.chat_server import ChatServer

SURE = [("Yes", math.log(0.6)), ("No", math.log(0.2)), (" YES", math.log(0.1))]


def judge(reaction: Reaction, count: int = 2, **settings: Any) -> list[Verdict]:
    def react(body: dict[str, Any], times: int) -> Reaction:
        text = body["messages"][0]["content"][1]["text"]
        return reaction if text == question("hate") else Reaction(completion("No"))

    with chat_api(react) as api:
        server = ChatServer("small-vlm", api.url, retries=1)
        images = [encode(np.full((16, 16, 3), number, np.uint8)) for number in range(count)]
        return ChatVLM(server=server, **settings).judge(images, ["hate", "violence"][:count], [None] * count)


def test_log_probabilities_of_the_first_word() -> None:
    found = judge(Reaction(with_logprobs([SURE])))
    assert found[0].p_unsafe == pytest.approx(0.7 / 0.9) and found[1] == Verdict(0.0, "", "No")
    assert found[0].raw == "Yes"


def test_a_line_break_before_the_word_is_passed_over() -> None:
    found = judge(Reaction(with_logprobs([[("\n", -0.01)], SURE])))
    assert found[0].p_unsafe == pytest.approx(0.7 / 0.9)


@pytest.mark.parametrize(
    ("reaction", "verdict"),
    [
        (Reaction(completion("Yes.")), Verdict(1.0, "", "Yes.")),
        (Reaction(completion("Maybe")), Verdict(None, "no_verdict", "Maybe")),
        (Reaction(completion("")), Verdict(None, "no_verdict", "")),
        (Reaction(completion(None, refusal="No.")), Verdict(None, "refused", "No.")),
        (Reaction("too large", 413), Verdict(None, "server_error", "413: too large")),
    ],
)
def test_without_log_probabilities(reaction: Reaction, verdict: Verdict) -> None:
    assert judge(reaction) == [verdict, Verdict(0.0, "", "No")]


def test_little_mass_is_no_verdict() -> None:
    unsure = [("I", math.log(0.95)), ("Yes", math.log(0.03))]
    assert judge(Reaction(with_logprobs([unsure])))[0][:2] == (None, "no_verdict")
    assert judge(Reaction(with_logprobs([unsure])), least_mass=0.02)[0].p_unsafe == 1.0


def test_what_is_asked() -> None:
    with chat_api(lambda body, times: Reaction(completion("No"))) as api:
        image = encode(np.zeros((16, 16, 3), np.uint8))
        server = ChatServer("small-vlm", api.url)
        ChatVLM(server=server).judge([image], ["hate"], [None])
        ChatVLM(server=server, top_logprobs=0).judge([image], ["hate"], [None])
    first, second = api.requests
    assert (first["logprobs"], first["top_logprobs"], first["temperature"], first["max_tokens"]) == (True, 20, 0.0, 32)
    assert "logprobs" not in second


def test_a_server_that_is_down_is_one_line() -> None:
    guard = ChatVLM(server=ChatServer("m", "http://127.0.0.1:9/v1", retries=0))
    with pytest.raises(SafetyPairsError, match="no server at http://127"):
        guard.judge([encode(np.zeros((16, 16, 3), np.uint8))], ["hate"], [None])
    assert guard.name == "chat-vlm:m" and pickle.loads(pickle.dumps(guard)) == guard
