"""Stubs of four hosted services on loopback, each by the contract of its HTTP, which misbehave on request."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

import pytest
from chat_api import Reaction
from serving import served

KEY = "a-key"
# The module of each service's client, and what its guard needs to know.
CLIENTS = {
    "anthropic": "anthropic",
    "gemini": "google.genai",
    "azure-content-safety": "azure.ai.contentsafety",
    "bedrock-guardrails": "boto3",
}
SETTINGS: dict[str, dict[str, str]] = {
    "anthropic": {"model": "a-model"},
    "gemini": {"model": "a-model"},
    "azure-content-safety": {},
    "bedrock-guardrails": {"guardrail": "a-guardrail", "region": "us-east-1"},
}
VARIABLES = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CONTENT_SAFETY_KEY", "AWS_ACCESS_KEY_ID")


def set_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the keys that the stubs take, and nothing else that the clients look at."""
    for name in VARIABLES:
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)


class Contract(NamedTuple):
    """How a service is asked and answers.

    Args:
        path: of its one endpoint, with the query.
        header: the name of the header that holds the key, and a pattern of its value.
        image: the encoded image in a body; an error where the body is not as the service wants it.
        answer: the body of an answer, from what a test says of it.
        error: the body and the headers of an error, from its status, its code and its message.
        denied: the status and the code where the key is wrong.
        limit: the code of a rate limit.
    """

    path: str
    header: tuple[str, str]
    image: Callable[[dict[str, Any]], bytes]
    answer: Callable[..., Any]
    error: Callable[[int, str, str], tuple[Any, dict[str, str]]]
    denied: tuple[int, str]
    limit: str


@dataclass
class HostedAPI:
    """`react(body, times)` answers a request; `times` counts the earlier ones with the same image."""

    contract: Contract
    react: Callable[[dict[str, Any], int], Reaction]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> Reaction:
        name, wanted = self.contract.header
        if not re.fullmatch(self.contract.path, path):
            return self.failing(404, "NotFound", f"no such path: {path}")
        if not re.fullmatch(wanted, headers.get(name, "")):
            return self.failing(*self.contract.denied, "the key is wrong")
        try:
            image = self.contract.image(body)
        except (LookupError, TypeError, ValueError) as error:
            return self.failing(400, "InvalidRequest", f"{type(error).__name__}: {error}")
        with self._lock:
            times = self.images.count(image)
            self.requests.append(body)
            self.images.append(image)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.react(body, times)
        finally:
            with self._lock:
                self._at_once -= 1

    def failing(self, status: int, code: str, message: str) -> Reaction:
        body, headers = self.contract.error(status, code, message)
        return Reaction(body, status, headers)


@contextmanager
def hosted_api(service: str, react: Callable[[dict[str, Any], int], Reaction]) -> Iterator[HostedAPI]:
    api = HostedAPI(CONTRACTS[service], react)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = api.answer(self.path, self.headers, body)
            data = (found.body if isinstance(found.body, str) else json.dumps(found.body)).encode()
            try:
                self.send_response(found.status)
                kind = {"Content-Type": "application/json", "Content-Length": str(len(data))}
                for name, value in {**kind, **found.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data if found.drop is None else data[: found.drop])
                self.close_connection = self.close_connection or found.drop is not None
            except OSError:  # the client has gone
                self.close_connection = True

    with served(Handler) as address:
        api.url = address
        yield api


def _anthropic_image(body: dict[str, Any]) -> bytes:
    picture, question = body["messages"][0]["content"]
    source = picture["source"]
    if (picture["type"], question["type"], source["type"]) != ("image", "text", "base64") or body["max_tokens"] < 1:
        raise ValueError("expected an image and a text")
    if source["media_type"] not in ("image/png", "image/jpeg", "image/webp", "image/gif") or not question["text"]:
        raise ValueError("expected a media type and a question")
    return base64.b64decode(source["data"], validate=True)


def _anthropic_answer(text: str = "Yes", stop: str = "end_turn", **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}] if text else []
    usage = {"input_tokens": 700, "output_tokens": 4}
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "a-model", "content": content}
    return made | {"stop_reason": stop, "stop_sequence": None, "usage": usage} | fields


def _gemini_image(body: dict[str, Any]) -> bytes:
    """Fields may be named with capitals or with underscores, as everywhere in the JSON of Google's services."""
    picture, question = body["contents"][0]["parts"]
    if not question["text"] or picture["inlineData"]["mime_type"] not in ("image/png", "image/jpeg", "image/webp"):
        raise ValueError("expected an image and a text")
    if body["generationConfig"].get("logprobs") and not body["generationConfig"]["responseLogprobs"]:
        raise ValueError("logprobs needs responseLogprobs")
    return base64.urlsafe_b64decode(picture["inlineData"]["data"])


def _gemini_answer(
    text: str = "Yes", stop: str = "STOP", tops: list[list[tuple[str, float]]] | None = None, **fields: Any
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": stop}
    if tops is not None:
        each = [[{"token": token, "logProbability": value} for token, value in top] for top in tops]
        candidate["logprobsResult"] = {
            "chosenCandidates": [top[0] for top in each],
            "topCandidates": [{"candidates": top} for top in each],
        }
    return {"candidates": [candidate], "modelVersion": "a-model", "usageMetadata": {"promptTokenCount": 700}} | fields


def _azure_image(body: dict[str, Any]) -> bytes:
    if set(body) - {"image", "categories", "outputType"}:
        raise ValueError("unknown fields")
    return base64.b64decode(body["image"]["content"], validate=True)


def _azure_answer(**severities: Any) -> dict[str, Any]:
    known = dict.fromkeys(("Hate", "SelfHarm", "Sexual", "Violence"), 0) | (severities or {"Violence": 4})
    return {"categoriesAnalysis": [{"category": name, "severity": value} for name, value in known.items()]}


def _bedrock_image(body: dict[str, Any]) -> bytes:
    picture = body["content"][0]["image"]
    if (body["source"], body["outputScope"]) != ("INPUT", "FULL") or picture["format"] not in ("png", "jpeg"):
        raise ValueError("expected an image of the input, and all of the assessment")
    return base64.b64decode(picture["source"]["bytes"], validate=True)


def _bedrock_answer(**confidences: Any) -> dict[str, Any]:
    filters = [
        {"type": name, "confidence": value, "filterStrength": "HIGH", "action": "NONE", "detected": value != "NONE"}
        for name, value in (confidences or {"VIOLENCE": "MEDIUM"}).items()
    ]
    usage = dict.fromkeys(("topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits"), 1)
    usage |= dict.fromkeys(("sensitiveInformationPolicyUnits", "sensitiveInformationPolicyFreeUnits"), 0)
    usage["contextualGroundingPolicyUnits"] = 0
    return {"usage": usage, "action": "NONE", "outputs": [], "assessments": [{"contentPolicy": {"filters": filters}}]}


CONTRACTS = {
    "anthropic": Contract(
        r"/v1/messages",
        ("Authorization", f"Bearer {KEY}"),
        _anthropic_image,
        _anthropic_answer,
        lambda status, code, said: (
            {"type": "error", "error": {"type": code, "message": said}},
            {"retry-after": "0"} if status in (429, 503) else {},
        ),
        (401, "authentication_error"),
        "rate_limit_error",
    ),
    "gemini": Contract(
        r"/v1(?:beta)?/models/a-model:generateContent",
        ("x-goog-api-key", KEY),
        _gemini_image,
        _gemini_answer,
        lambda status, code, said: ({"error": {"code": status, "message": said, "status": code}}, {}),
        (403, "PERMISSION_DENIED"),
        "RESOURCE_EXHAUSTED",
    ),
    "azure-content-safety": Contract(
        r"/contentsafety/image:analyze\?api-version=2023-10-01",
        ("Ocp-Apim-Subscription-Key", KEY),
        _azure_image,
        _azure_answer,
        lambda status, code, said: (
            {"error": {"code": code, "message": said}},
            {"retry-after": "0"} if status in (429, 503) else {},
        ),
        (401, "401"),
        "TooManyRequests",
    ),
    "bedrock-guardrails": Contract(
        r"/guardrail/a-guardrail/version/DRAFT/apply",
        ("Authorization", rf"AWS4-HMAC-SHA256 Credential={KEY}/\d+/us-east-1/bedrock/aws4_request, .*"),
        _bedrock_image,
        _bedrock_answer,
        lambda status, code, said: ({"message": said}, {"x-amzn-ErrorType": code}),
        (403, "UnrecognizedClientException"),
        "ThrottlingException",
    ),
}
