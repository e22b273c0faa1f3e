from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest
from chat_api import Reaction
from moderation_api import moderated, moderation_api
from small_guards import judge, pictures

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.moderation import Moderation, ModerationServer
from safetypairs_hf.taxonomy.nine import SLUGS


def ask(reaction: Reaction, categories: Any = "violence", count: int = 1, **settings: Any) -> list[Verdict]:
    with moderation_api(lambda body, times: reaction) as api:
        server = ModerationServer(url=api.url, api_key_env="", retries=1, **settings)
        return judge(Moderation(server), pictures(count), categories)


def test_the_highest_score_that_answers_to_the_category() -> None:
    found = ask(Reaction(moderated(violence=0.2, violence__graphic=0.7, sexual=0.9)))
    assert found == [Verdict(0.7, "", "violence:0.2 violence/graphic:0.7")]


def test_what_it_does_not_cover_is_not_sent() -> None:
    with moderation_api(lambda body, times: Reaction(moderated(self_harm__intent=0.5))) as api:
        guard = make_guard("omni-moderation", {"url": api.url, "api_key_env": "", "concurrency": "1"})
        images = pictures(9)
        found = judge(guard, images, SLUGS)
        sent = [body["input"][0]["image_url"]["url"] for body in api.requests]
    notes = {slug: verdict.note for slug, verdict in zip(SLUGS, found, strict=True)}
    covered = ["violence", "sexual", "nudity", "self_harm", "animal_cruelty"]
    assert [slug for slug, note in notes.items() if note == ""] == covered
    assert {note for slug, note in notes.items() if slug not in covered} == {"not_covered"}
    assert found[SLUGS.index("self_harm")].p_unsafe == 0.5 and found[1].p_unsafe == 0.001
    expected = [images[SLUGS.index(slug)].data for slug in covered]
    assert [base64.b64decode(url.removeprefix("data:image/png;base64,")) for url in sent] == expected
    assert api.requests[0]["model"] == "omni-moderation-latest" and set(api.requests[0]) == {"model", "input"}


def test_a_score_that_did_not_look_at_the_image_says_nothing() -> None:
    body = moderated(violence=0.9)
    body["results"][0]["category_applied_input_types"]["violence"] = []
    assert ask(Reaction(body)) == [Verdict(0.001, "", "violence/graphic:0.001")]
    body["results"][0]["category_applied_input_types"]["violence/graphic"] = []
    assert ask(Reaction(body))[0][:2] == (None, "no_verdict")
    del body["results"][0]["category_applied_input_types"]
    assert ask(Reaction(body))[0].p_unsafe == 0.9


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (moderated(violence=1.5), "broken_output"),
        (moderated(violence=float("nan")), "broken_output"),
        ({"results": [{"flagged": True}]}, "server_error"),
        ({"results": [{"category_scores": {"violence": "high", "violence/graphic": 0.1}}]}, "no_verdict"),
    ],
)
def test_answers_that_cannot_be_read(body: dict[str, Any], note: str) -> None:
    assert ask(Reaction(body))[0][:2] == (None, note)


@pytest.mark.parametrize(
    "reaction",
    [
        Reaction({"error": {"message": "slow down"}}, 429, {"Retry-After": "0"}),
        Reaction("gateway", 502),
        Reaction(moderated(), drop=20),
    ],
)
def test_what_passes_is_tried_again(reaction: Reaction) -> None:
    with moderation_api(lambda body, times: Reaction(moderated(violence=0.4)) if times else reaction) as api:
        server = ModerationServer(url=api.url, api_key_env="", retries=2)
        assert judge(Moderation(server), pictures(1))[0].p_unsafe == 0.4
    assert len(api.requests) == 2


def test_one_image_that_it_refuses() -> None:
    with moderation_api(
        lambda body, times: Reaction("too large", 413) if len(str(body)) > 500 else Reaction(moderated())
    ) as api:
        server = ModerationServer(url=api.url, api_key_env="", retries=0)
        images = pictures(6)
        found = judge(Moderation(server), images)
    large = [len(image.data) > 300 for image in images]
    assert [verdict.note for verdict in found] == ["server_error" if each else "" for each in large]
    assert sum(large) in range(1, 6) and "413: too large" in {verdict.raw for verdict in found}


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        (Reaction({"error": {"message": "Incorrect API key provided"}}, 401), "refuses a request without a key"),
        (Reaction(moderated("text-moderation-007")), "answers as 'text-moderation-007', not as 'omni-moderation-lat"),
        (Reaction("<html>", 200), "answered none of 4 requests"),
    ],
)
def test_what_is_wrong_for_all(reaction: Reaction, message: str) -> None:
    with pytest.raises(SafetyPairsError, match=message):
        ask(reaction, count=4)


def test_no_key_no_server_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SafetyPairsError, match="the environment variable OPENAI_API_KEY is not set"):
        judge(Moderation(), pictures(1))
    with pytest.raises(SafetyPairsError, match="no server at http://127"):
        judge(Moderation(ModerationServer(url="http://127.0.0.1:9/v1", api_key_env="", retries=0)), pictures(1))
    guard = Moderation()
    assert (guard.name, guard.revision) == ("moderation:omni-moderation-latest", "omni-moderation-latest")
    assert pickle.loads(pickle.dumps(guard)) == guard and judge(guard, pictures(1), "hate")[0].note == "not_covered"
