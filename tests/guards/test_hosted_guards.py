"""Guards behind hosted services: each client against a stub of its service's HTTP on loopback."""

from __future__ import annotations

import io
import math
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from chat_api import Reaction
from hosted_api import CLIENTS, CONTRACTS, SETTINGS, VARIABLES, HostedAPI, hosted_api, set_keys
from PIL import Image
from small_guards import judge, pictures

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.taxonomy.nine import SLUGS

# P(unsafe) of a stub's plain answer under violence.
PLAIN = {"anthropic": 1.0, "gemini": 1.0, "azure-content-safety": 4 / 6, "bedrock-guardrails": 2 / 3}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    set_keys(monkeypatch)


def guard_at(service: str, url: str, *, check: bool = True, **settings: str) -> Any:
    if check:
        pytest.importorskip(CLIENTS[service])
    given = {"url": url, "retries": "0", **SETTINGS[service], **settings}
    return make_guard(service, given)


def ask(
    service: str,
    react: Callable[[HostedAPI, dict[str, Any], int], Reaction],
    categories: Any = "violence",
    count: int = 1,
    **settings: str,
) -> tuple[list[Verdict], HostedAPI]:
    with hosted_api(service, lambda body, times: react(api, body, times)) as api:
        return judge(guard_at(service, api.url, **settings), pictures(count), categories), api


def answers(service: str, *given: Any, **fields: Any) -> Callable[..., Reaction]:
    return lambda api, body, times: Reaction(CONTRACTS[service].answer(*given, **fields))


@pytest.mark.parametrize("service", CLIENTS)
def test_the_images_are_sent_as_they_are_and_so_many_at_once(service: str) -> None:
    """Two requests meet at a barrier; a third would come while they wait, if it were allowed to."""
    both = threading.Barrier(2, timeout=20)

    def react(api: HostedAPI, body: dict[str, Any], times: int) -> Reaction:
        both.wait()
        return Reaction(CONTRACTS[service].answer())

    found, api = ask(service, react, count=6, concurrency="2")
    assert [verdict.p_unsafe for verdict in found] == [PLAIN[service]] * 6 and {verdict.note for verdict in found} == {
        ""
    }
    assert sorted(api.images) == sorted(image.data for image in pictures(6)) and api.most_at_once == 2


@pytest.mark.parametrize("service", CLIENTS)
def test_what_fails_is_tried_again_and_then_recorded_as_what_it_is(service: str) -> None:
    """One image each: a rate limit and a drop that pass, a rate limit, a 5xx and a refused image that stay."""
    order = [image.data for image in pictures(5)]
    limit = CONTRACTS[service].limit

    def react(api: HostedAPI, body: dict[str, Any], times: int) -> Reaction:
        which = order.index(api.contract.image(body))
        if which < 2 and times:
            return Reaction(CONTRACTS[service].answer())
        if which == 1:
            return Reaction(CONTRACTS[service].answer(), drop=20)
        if which == 4:
            return api.failing(400, "InvalidImage", "the image is too small")
        return api.failing(*((503, "Unavailable") if which == 3 else (429, limit)), "slow down")

    found, api = ask(service, react, count=5, retries="1", concurrency="5")
    assert [verdict.note for verdict in found] == ["", "", "rate_limited", "server_error", "server_error"]
    assert found[0].p_unsafe == found[1].p_unsafe == PLAIN[service]
    assert "slow down" in found[2].raw and "503" in found[3].raw and "the image is too small" in found[4].raw
    assert [api.images.count(image) for image in order] == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("service", CLIENTS)
def test_what_ends_a_run(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = CONTRACTS[service]

    def denied(api: HostedAPI, body: dict[str, Any], times: int) -> Reaction:
        return api.failing(*contract.denied, "the key is wrong")

    with pytest.raises(SafetyPairsError, match=r"refuses the (key in [A-Z_]+|credentials of AWS) \(40[13]\): .*wrong"):
        ask(service, denied)
    with pytest.raises(SafetyPairsError, match=r"has no .* \(404\): .*gone"):
        ask(service, lambda api, body, times: api.failing(404, "ResourceNotFoundException", "gone"))
    with pytest.raises(SafetyPairsError, match=r"answered none of 4 requests; the last said: .*broken"):
        ask(service, lambda api, body, times: api.failing(500, "InternalError", "broken"), count=4, concurrency="1")
    with pytest.raises(SafetyPairsError, match="answered none of 4 requests"):
        ask(service, lambda api, body, times: Reaction("<html>"), count=4)
    with pytest.raises(SafetyPairsError, match=r"is not reached: .*; check the network, the proxy and url"):
        judge(guard_at(service, "http://127.0.0.1:9"), pictures(1))
    for name in VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    with pytest.raises(SafetyPairsError, match=r"is not set; put the key for|needs credentials "):
        judge(guard_at(service, "http://127.0.0.1:9"), pictures(1))
    monkeypatch.setitem(sys.modules, CLIENTS[service], None)
    with pytest.raises(SafetyPairsError, match=r"needs the package .*; pip install 'safetypairs-hf\[[a-z]+\]'"):
        judge(guard_at(service, "http://127.0.0.1:9", check=False), pictures(1))


@pytest.mark.parametrize("service", CLIENTS)
def test_an_answer_that_takes_too_long(service: str) -> None:
    over = threading.Event()

    def react(api: HostedAPI, body: dict[str, Any], times: int) -> Reaction:
        over.wait(20)
        return Reaction(CONTRACTS[service].answer())

    with hosted_api(service, lambda body, times: react(api, body, times)) as api:
        found = judge(guard_at(service, api.url, timeout="0.3"), pictures(1))
        over.set()
    assert found[0][:2] == (None, "timed_out") and found[0].raw.startswith("no answer: ")


@pytest.mark.parametrize(
    ("service", "given", "expected"),
    [
        ("anthropic", {"text": "**No**, it does not."}, (0.0, "")),
        ("anthropic", {"text": "I can't help", "stop": "refusal"}, (None, "refused")),
        ("anthropic", {"text": "", "stop": "refusal"}, (None, "refused")),
        ("anthropic", {"text": "I'm sorry, I can't help with that."}, (None, "refused")),
        ("anthropic", {"text": "The image shows", "stop": "max_tokens"}, (None, "cut_off")),
        ("anthropic", {"content": [{"type": "thinking", "thinking": "No?", "signature": ""}]}, (None, "no_verdict")),
        ("gemini", {"text": "No"}, (0.0, "")),
        ("gemini", {"stop": "SAFETY", "content": None}, (None, "content_filter")),
        ("gemini", {"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}}, (None, "content_filter")),
        ("gemini", {"text": "", "stop": "MAX_TOKENS"}, (None, "cut_off")),
        ("gemini", {"text": "", "stop": "OTHER"}, (None, "server_error")),
        ("azure-content-safety", {"Violence": 0, "Sexual": 6}, (0.0, "")),
        ("azure-content-safety", {"Violence": 6}, (1.0, "")),
        ("azure-content-safety", {"Violence": None}, (None, "no_verdict")),
        ("azure-content-safety", {"Violence": 9}, (None, "broken_output")),
        ("bedrock-guardrails", {"VIOLENCE": "NONE", "SEXUAL": "HIGH"}, (0.0, "")),
        ("bedrock-guardrails", {"VIOLENCE": "LOW"}, (1 / 3, "")),
        ("bedrock-guardrails", {"SEXUAL": "LOW"}, (None, "no_verdict")),
        ("bedrock-guardrails", {"VIOLENCE": "SURE"}, (None, "broken_output")),
    ],
)
def test_what_is_read_in_an_answer(service: str, given: dict[str, Any], expected: tuple[float | None, str]) -> None:
    verdict = ask(service, answers(service, **given))[0][0]
    assert verdict[:2] == expected and (verdict.raw or given.get("text") == "" or "content" in given)


def test_gemini_weighs_the_token_that_holds_the_verdict() -> None:
    tops = [[("**", -0.1)], [("Yes", math.log(0.6)), ("No", math.log(0.2)), (" yes", math.log(0.1))], [("**", 0.0)]]
    found, api = ask("gemini", answers("gemini", "**Yes**", tops=tops), thinking_budget="0")
    assert found[0].p_unsafe == pytest.approx(0.7 / 0.9) and found[0].raw == "**Yes**"
    sent = api.requests[0]
    assert sent["generationConfig"] | {"seed": 0} == {
        "temperature": 0.0,
        "seed": 0,
        "maxOutputTokens": 64,
        "responseLogprobs": True,
        "logprobs": 20,
        "thinkingConfig": {"thinking_budget": 0},
    }
    assert {each["threshold"] for each in sent["safetySettings"]} == {"OFF"} and len(sent["safetySettings"]) == 4
    assert "An image should not show" in sent["contents"][0]["parts"][1]["text"]

    def refuses(api: HostedAPI, body: dict[str, Any], times: int) -> Reaction:
        if body["generationConfig"].get("responseLogprobs"):
            return api.failing(400, "INVALID_ARGUMENT", "Logprobs is not enabled for this model")
        return Reaction(CONTRACTS["gemini"].answer("No"))

    with pytest.raises(SafetyPairsError, match=r"refuses log probabilities of a-model .*; set top_logprobs to what it"):
        ask("gemini", refuses)
    assert ask("gemini", refuses, top_logprobs="0")[0][0].p_unsafe == 0.0


def test_claude_is_asked_for_what_the_settings_say() -> None:
    _, api = ask("anthropic", answers("anthropic"), extra_body='{"temperature": 0}', max_tokens="9")
    sent = api.requests[0]
    assert (sent["temperature"], sent["max_tokens"], sent["model"]) == (0, 9, "a-model")
    assert set(ask("anthropic", answers("anthropic"))[1].requests[0]) == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("service", "left"),
    [
        ("azure-content-safety", ["criminal_planning", "disasters"]),
        ("bedrock-guardrails", ["self_harm", "disasters"]),
    ],
)
def test_what_they_do_not_cover_is_not_sent(service: str, left: list[str]) -> None:
    filters = {"azure-content-safety": {}, "bedrock-guardrails": dict.fromkeys(("HATE", "SEXUAL", "VIOLENCE"), "LOW")}
    given = filters[service] | ({"MISCONDUCT": "LOW"} if filters[service] else {})
    found, api = ask(service, answers(service, **given), list(SLUGS), count=9)
    assert [slug for slug, verdict in zip(SLUGS, found, strict=True) if verdict.note == "not_covered"] == left
    assert len(api.images) == 7
    nothing, api = ask(service, answers(service), left, count=2)
    assert [verdict.note for verdict in nothing] == ["not_covered"] * 2 and not api.images


def test_images_that_are_downscaled_or_of_another_format() -> None:
    _, api = ask("azure-content-safety", answers("azure-content-safety"), max_side="16")
    assert max(Image.open(io.BytesIO(api.images[0])).size) == 16
    buffer = io.BytesIO()
    Image.fromarray(pictures(1)[0].pixels).save(buffer, "WEBP", lossless=True)
    with hosted_api(
        "bedrock-guardrails", lambda body, times: Reaction(CONTRACTS["bedrock-guardrails"].answer())
    ) as api:
        assert judge(guard_at("bedrock-guardrails", api.url), [Picture(buffer.getvalue())])[0].p_unsafe == 2 / 3
    assert Image.open(io.BytesIO(api.images[0])).format == "PNG"


@pytest.mark.parametrize(
    ("service", "settings", "message"),
    [
        ("anthropic", {}, "needs model, the name of a model of Anthropic; give"),
        ("gemini", {"model": "m", "top_logprobs": "21"}, "top_logprobs = 21: expected 0 to 20"),
        ("gemini", {"model": "m", "max_tokens": "0"}, "max_tokens = 0: expected 1 or more"),
        ("azure-content-safety", {}, "needs url, the endpoint of your resource"),
        ("azure-content-safety", {"url": "x.azure.com"}, "url = 'x.azure.com': expected an address such as"),
        ("bedrock-guardrails", {}, "needs guardrail, the id of a guardrail of yours"),
        ("bedrock-guardrails", {"guardrail": "g", "concurrency": "0"}, "concurrency = 0, .*: expected at least 1"),
    ],
)
def test_settings_that_cannot_be(service: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make_guard(service, settings)


@pytest.mark.parametrize("service", CLIENTS)
def test_a_guard_names_what_its_answers_depend_on(service: str) -> None:
    guard = make_guard(service, {"url": "https://one.example", **SETTINGS[service]})
    same = make_guard(service, {"url": "https://other.example", "retries": "1", **SETTINGS[service]})
    assert guard.identity() == same.identity() and pickle.loads(pickle.dumps(guard)) == guard
    assert guard.costly and guard.revision and guard.identity()["fidelity"] in ("common", "trained")
