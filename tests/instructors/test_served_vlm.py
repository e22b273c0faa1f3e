from __future__ import annotations

import json
import pickle
import socket
import threading
from typing import Any

import numpy as np
import pytest
from chat_api import ChatAPI, Reaction, chat_api, completion

from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Answer, Candidate, Instruction, Origin, Reject
from safetypairs_hf.instructors.served_vlm import ServerInstructor
from safetypairs_hf.models.chat_server import ChatServer

QUICK: dict[str, Any] = {"retries": 3}


def candidates(count: int) -> list[Candidate]:
    """Each with an image of its own grey, so that an answer can tell which image it saw."""
    made = []
    for number in range(count):
        picture = encode(np.full((20, 40, 3), number, np.uint8))
        made.append(Candidate(f"{number:016x}", "violence", Origin("d", str(number), "CC0-1.0"), picture))
    return made


def instruction(number: int = 0) -> str:
    return json.dumps({"critical_feature": f"square {number}", "instruction": "Remove the square.", "region": None})


def number_in(body: dict[str, Any]) -> int:
    """Which candidate a request is about, from the pixels that it carries."""
    import base64

    from safetypairs_hf.core.records import Picture

    url = body["messages"][-1]["content"][0]["image_url"]["url"]
    kind, data = url.split(",")
    assert kind == "data:image/png;base64"
    return int(Picture(base64.b64decode(data)).pixels[0, 0, 0])


def ask(api: ChatAPI, count: int = 4, model: str = "small-vlm", **settings: Any) -> list[Answer]:
    server = ChatServer(model, api.url, **{**QUICK, **settings})
    return ServerInstructor(server).write(candidates(count))


def features(answers: list[Answer]) -> list[str]:
    return [
        answer.outcome.critical_feature if isinstance(answer.outcome, Instruction) else answer.outcome.reason
        for answer in answers
    ]


def test_answers_come_in_the_order_of_the_images() -> None:
    last = threading.Event()

    def react(body: dict[str, Any], times: int) -> Reaction:
        number = number_in(body)
        if number == 7:
            last.set()
        elif number == 0:
            last.wait()  # the first to be asked is the last to be answered
        return Reaction(completion(instruction(number)))

    with chat_api(react) as api:
        answers = ask(api, 8, concurrency=4)
    assert features(answers) == [f"square {number}" for number in range(8)]
    assert {(answer.prompt_tokens, answer.answer_tokens) for answer in answers} == {(700, 42)}
    assert answers[3].raw == instruction(3)
    assert 2 <= api.most_at_once <= 4


def test_what_is_asked() -> None:
    with chat_api(lambda body, times: Reaction(completion(instruction()))) as api:
        ask(api, 1)
        (first,) = api.requests
        ask(api, 1, limit_field="max_completion_tokens", seed=3)
    assert first["response_format"]["json_schema"]["schema"]["required"][0] == "critical_feature"
    assert first["temperature"] == 0.0 and first["max_tokens"] == 512 and first["model"] == "small-vlm"
    assert "a weapon aimed at a person" in first["messages"][0]["content"][1]["text"]
    assert api.requests[1]["max_completion_tokens"] == 512 and "max_tokens" not in api.requests[1]
    assert api.requests[1]["seed"] == (first["seed"] + 3) % 2**31


@pytest.mark.parametrize(("max_side", "sees"), [(0, (84, 56)), (30, (84, 56)), (400, (392, 196))])
def test_pixels_are_of_the_image_as_the_model_sees_it(max_side: int, sees: tuple[int, int]) -> None:
    """Images of 40 x 20 pixels and of 800 x 400, half of which is shown to Qwen2.5-VL as 400 x 200."""
    size = (800, 400) if max_side == 400 else (40, 20)
    width, height = sees
    region = [width // 4, height // 4, width // 2, height // 2]
    said = {"critical_feature": "a square", "instruction": "Remove the square.", "region": region}
    picture = encode(np.zeros((*size[::-1], 3), np.uint8))
    candidate = Candidate("0" * 16, "violence", Origin("d", "0", "CC0-1.0"), picture)
    with chat_api(lambda body, times: Reaction(completion(json.dumps(said)))) as api:
        server = ChatServer("small-vlm", api.url, max_side=max_side, **QUICK)
        (found,) = ServerInstructor(server, coordinates="pixels").write([candidate])
    (asked,) = api.requests
    assert f"{width} pixels wide and {height} pixels high" in asked["messages"][0]["content"][1]["text"]
    sides = asked["response_format"]["json_schema"]["schema"]["properties"]["region"]["anyOf"][0]["properties"]
    assert sides["x1"] == {"type": "integer", "minimum": 0}
    assert isinstance(found.outcome, Instruction)
    assert found.outcome.region == (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2)


def test_the_coordinates_are_those_of_the_served_models_family() -> None:
    for model, convention in (
        ("small-vlm", "shares"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "pixels"),
        ("org/Qwen3-VL-8B", "thousandths"),
    ):
        assert describe(ServerInstructor(ChatServer(model, "http://a/v1")))["read_from_model"] == {
            "coordinates": convention
        }


@pytest.mark.parametrize(
    "first",
    [
        Reaction("slow down", 429, {"Retry-After": "0.02"}),
        Reaction("oops", 500),
        Reaction("loading", 503, {"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
        Reaction(completion(instruction()), drop=40),
        Reaction(completion(instruction()), drop=0),
    ],
    ids=["rate-limit", "500", "503", "cut", "drop"],
)
def test_what_passes_is_tried_again(first: Reaction) -> None:
    with chat_api(lambda body, times: first if times == 0 else Reaction(completion(instruction()))) as api:
        answers = ask(api, 2)
    assert features(answers) == ["square 0", "square 0"]
    assert len(api.requests) == 4


def test_an_answer_that_is_late_is_asked_for_again() -> None:
    over = threading.Event()

    def react(body: dict[str, Any], times: int) -> Reaction:
        if times == 0:
            over.wait()
        return Reaction(completion(instruction()))

    with chat_api(react) as api:
        answers = ask(api, 2, timeout=0.5, retries=50)  # on a slow machine later ones may be late too
        over.set()
    assert features(answers) == ["square 0", "square 0"]
    assert len(api.requests) >= 4


def test_a_server_that_is_always_late_is_one_line() -> None:
    over = threading.Event()

    def react(body: dict[str, Any], times: int) -> Reaction:
        over.wait()
        return Reaction(completion(instruction()))

    with chat_api(react) as api:
        with pytest.raises(SafetyPairsError, match=r"answered none of 4 .* no whole answer within 0.3 s") as caught:
            ask(api, 4, timeout=0.3, retries=1)
        over.set()
    assert "\n" not in str(caught.value)


def test_a_rate_limit_says_how_long_to_wait() -> None:
    import time

    limited = Reaction("slow down", 429, {"Retry-After": "0.4"})
    with chat_api(lambda body, times: limited if times == 0 else Reaction(completion(instruction()))) as api:
        began = time.monotonic()
        ask(api, 1)
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    ("reaction", "reason"),
    [
        (Reaction(completion("I'm sorry, I can't help with that.")), "refused"),
        (Reaction(completion(None, refusal="I cannot look at this.")), "refused"),
        (Reaction(completion("", finish="content_filter")), "refused"),
        (Reaction(completion(instruction()[:30], finish="length")), "not_json"),
        (Reaction(completion(None)), "server_error"),
        (Reaction("<html>Bad gateway</html>"), "server_error"),
        (Reaction("[1, 2]"), "server_error"),
        (Reaction({"choices": []}), "server_error"),
        (Reaction({"error": "image too large"}, 400), "server_error"),
        (Reaction("internal", 500), "server_error"),
        (Reaction(completion([{"type": "text", "text": instruction(9)}])), "square 9"),  # type: ignore[arg-type]
    ],
)
def test_one_image_that_fails_does_not_stop_the_rest(reaction: Reaction, reason: str) -> None:
    def react(body: dict[str, Any], times: int) -> Reaction:
        return reaction if number_in(body) == 1 else Reaction(completion(instruction(number_in(body))))

    with chat_api(react) as api:
        answers = ask(api, 3)
    assert features(answers) == ["square 0", reason, "square 2"]
    assert answers[1].raw, "the raw answer is kept"
    if isinstance(answers[1].outcome, Reject):
        assert answers[1].outcome.stage == "instruct" and "\n" not in answers[1].outcome.detail


@pytest.mark.parametrize(
    ("reaction", "words"),
    [
        (Reaction("<html>Welcome</html>"), "answered none of 4 requests; the last said: 200: <html>Welcome</html>"),
        (Reaction("boom", 500), "answered none of 4 requests; the last said: 500: boom"),
        (Reaction(completion("x", model="other-vlm")), "answers as 'other-vlm', not as 'small-vlm'"),
        (Reaction("go away", 403), r"refuses a request without a key \(403\): go away"),
    ],
)
def test_a_server_that_cannot_work_is_one_line(reaction: Reaction, words: str) -> None:
    with chat_api(lambda body, times: reaction) as api, pytest.raises(SafetyPairsError, match=words) as caught:
        ask(api, 4, retries=1)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_few_images_that_fail_are_rejects_while_the_server_lives() -> None:
    with chat_api(lambda body, times: Reaction("too large", 413)) as api:
        assert features(ask(api, 3)) == ["server_error"] * 3


def test_no_such_model_says_what_there_is() -> None:
    with chat_api(lambda body, times: Reaction("")) as api:
        with pytest.raises(SafetyPairsError, match=r"has no model 'large-vlm' .*; it has small-vlm"):
            ask(api, 1, model="large-vlm")
        with pytest.raises(SafetyPairsError, match="give its url up to and with /v1"):
            ServerInstructor(ChatServer("small-vlm", api.url + "/v1", **QUICK)).write(candidates(1))


def test_a_dated_variant_is_the_model() -> None:
    with chat_api(lambda body, times: Reaction(completion(instruction(), model="Small-VLM-2026-01-01"))) as api:
        assert features(ask(api, 1)) == ["square 0"]


def test_no_server_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(SafetyPairsError, match=f"no server at {url} .*; start it, or give its url"):
        ServerInstructor(ChatServer("small-vlm", url, retries=1)).write(candidates(9))
    with pytest.raises(SafetyPairsError, match="url = 'localhost:8000/v1': expected the base of a server"):
        ChatServer("small-vlm", "localhost:8000/v1")


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with chat_api(lambda body, times: Reaction(completion(instruction())), key="sesame-7") as api:
        server = ChatServer("small-vlm", api.url, api_key_env="SAFETYPAIRS_TEST_KEY", **QUICK)
        instructor = ServerInstructor(server)
        monkeypatch.delenv("SAFETYPAIRS_TEST_KEY", raising=False)
        with pytest.raises(SafetyPairsError, match="SAFETYPAIRS_TEST_KEY is not set"):
            instructor.write(candidates(1))
        monkeypatch.setenv("SAFETYPAIRS_TEST_KEY", "wrong")
        with pytest.raises(SafetyPairsError, match=r"refuses the key in SAFETYPAIRS_TEST_KEY \(401\)"):
            instructor.write(candidates(1))
        monkeypatch.setenv("SAFETYPAIRS_TEST_KEY", "sesame-7")
        assert features(instructor.write(candidates(1))) == ["square 0"]
    assert b"sesame" not in pickle.dumps(instructor)
    assert "sesame" not in json.dumps(describe(instructor)) and "sesame" not in json.dumps(api.requests)


def test_a_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFETYPAIRS_TEST_KEY", "sesame-7")
    with chat_api(lambda body, times: Reaction(completion(instruction()))) as other:
        away = Reaction("", 307, {"Location": f"{other.url}/chat/completions"})
        with (
            chat_api(lambda body, times: away) as api,
            pytest.raises(SafetyPairsError, match="answered none of 4 requests; the last said: 307"),
        ):
            ask(api, 4, api_key_env="SAFETYPAIRS_TEST_KEY")
    assert other.requests == []


def test_what_cannot_change_an_answer_is_not_in_the_recipe() -> None:
    one = ServerInstructor(ChatServer("m", "http://a/v1", timeout=1, retries=1, concurrency=1))
    assert one == ServerInstructor(ChatServer("m", "http://b/v1"))
    assert one != ServerInstructor(ChatServer("m", "http://a/v1", seed=1))
    assert "http" not in json.dumps(describe(one))
    assert one.name == "server-vlm:m" and pickle.loads(pickle.dumps(one)) == one and one.holds_model is False


def test_no_candidates_ask_nothing() -> None:
    assert ServerInstructor(ChatServer("m", "http://127.0.0.1:9/v1")).write([]) == []
