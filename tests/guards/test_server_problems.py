"""What hosted services do beside answering: filters, limits, deployments of Azure, reasoning apart from the answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from chat_api import Reaction, chat_api, completion, with_logprobs

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.guards.chat_vlm import ChatVLM
from safetypairs_hf.guards.served_answers import verdict_of
from safetypairs_hf.guards.verdicts import RATING, YES_NO
from safetypairs_hf.models.chat_server import ChatServer, Reply, Token

IMAGE = encode(np.zeros((16, 16, 3), np.uint8))
# As Azure refuses a prompt, in the body of a 400.
FILTERED = {
    "error": {
        "code": "content_filter",
        "message": "The response was filtered",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}


def ask(reaction: Reaction, **settings: Any) -> Any:
    """Three images, of which the middle one gets the reaction."""

    def react(body: dict[str, Any], times: int) -> Reaction:
        return reaction if "violence" in str(body).lower() else Reaction(completion("No"))

    with chat_api(react) as api:
        guard = ChatVLM(server=ChatServer("small-vlm", api.url, **{"retries": 0, **settings}))
        return guard.judge([IMAGE] * 3, ["disasters", "violence", "disasters"], [None] * 3)


@pytest.mark.parametrize(
    ("reaction", "note"),
    [
        (Reaction(FILTERED, 400), "content_filter"),
        (Reaction(completion("", finish="content_filter")), "content_filter"),
        (Reaction(completion(None, refusal="I won't.")), "refused"),
        (Reaction(completion("I'm sorry, I can't help with that.")), "refused"),
        (Reaction({"error": {"message": "slow down"}}, 429), "rate_limited"),
        (Reaction("gateway", 504), "timed_out"),
        (Reaction("oops", 500), "server_error"),
        (Reaction({"error": {"message": "image too large"}}, 400), "server_error"),
        (Reaction(completion("Well, let me", finish="length")), "cut_off"),
        (Reaction(completion(None, finish="length", reasoning_content="It is a plate, so")), "cut_off"),
    ],
)
def test_what_is_no_verdict_is_recorded_as_what_it_is(reaction: Reaction, note: str) -> None:
    found = ask(reaction)
    assert [each.note for each in found] == ["", note, ""] and found[1].p_unsafe is None and found[1].raw


def test_a_deployment_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFETYPAIRS_TEST_KEY", "sesame-7")
    path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    answer = Reaction(
        completion("Yes", model="gpt-4o-2024-11-20")
    )  # by the name of the model, and not of the deployment
    with chat_api(lambda body, times: answer, path=path, models=("mine",)) as api:
        for url in (api.url.removesuffix("/v1"), f"{api.url.removesuffix('/v1')}/openai/deployments/mine"):
            server = ChatServer("mine", url, "SAFETYPAIRS_TEST_KEY", "2024-10-21", retries=0)
            assert ChatVLM(server=server).judge([IMAGE], ["hate"], [None])[0].p_unsafe == 1.0
    assert [each["Api-Key"] for each in api.headers] == ["sesame-7"] * 2


def test_proxies_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    guard = ChatVLM(server=ChatServer("m", "http://models.example/v1", retries=0))
    with pytest.raises(SafetyPairsError, match=r"no server at http://models\.example/v1"):
        guard.judge([IMAGE], ["hate"], [None])


def token(text: str, *top: tuple[str, float]) -> Token:
    chances = top or ((text, 1.0),)
    return Token(text.encode(), tuple((each, math.log(share)) for each, share in chances), math.log(chances[0][1]))


def test_the_token_that_holds_the_verdict_wherever_it_is() -> None:
    """After reasoning that the server took out of the text; in a token with other signs; in several tokens."""
    tokens = (token("<think>"), token("Yes"), token("</think>"), token("**"), token("Yes", ("Yes", 0.6), ("No", 0.2)))
    found = verdict_of(Reply("**Yes", "", "**Yes", tokens=tokens), YES_NO, 0.1)
    assert found.p_unsafe == pytest.approx(0.75) and found.raw == "**Yes"
    tokens = (
        token('{"rating":'),
        token(' "Un', (' "Un', 0.5), (' "Safe', 0.3), (' "Sa', 0.1)),
        token('safe"', ('safe"', 0.8)),
    )
    found = verdict_of(Reply('{"rating": "Unsafe"', "", "", tokens=tokens, ended=False), RATING, 0.1)
    assert found.p_unsafe == pytest.approx(0.4 / 0.8)
    # Half of a letter in a token does not move the place.
    letter = "é".encode()
    half = (Token(letter[:1], (), 0.0), Token(letter[1:], (), 0.0), token("</think>"))
    half += (token("No", ("No", 0.9), ("Yes", 0.1)),)
    assert verdict_of(Reply("é</think>No", "", "", tokens=half), YES_NO, 0.1).p_unsafe == pytest.approx(0.1)
    # Tokens of another text say nothing about this one.
    assert verdict_of(Reply("No", "", "No", tokens=(token("what", ("Yes", 0.9)),)), YES_NO, 0.1).p_unsafe == 0.0


def test_no_verdict_written_and_one_in_the_alternatives() -> None:
    """As in this process, where nothing is written: both words are weighed at the first token."""
    unsure = with_logprobs([[("I", math.log(0.5)), ("Yes", math.log(0.3)), ("No", math.log(0.1))]])
    assert ask(Reaction(unsure))[1].p_unsafe == pytest.approx(0.75)
