"""A real server on loopback that speaks OpenAI's API, chat completions by default, and misbehaves on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from serving import served


@dataclass
class Reaction:
    """The answer to one request: a status, headers and a body (a string is sent unchanged, anything else as JSON).

    `drop`: close the connection after this many bytes of the body.
    """

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drop: int | None = None


@dataclass
class ChatAPI:
    """`react(body, times)` answers a request to `path`; `times` counts the earlier requests with the same body."""

    react: Callable[[dict[str, Any], int], Reaction]
    models: tuple[str, ...] = ("small-vlm",)
    path: str = "/v1/chat/completions"
    key: str = ""
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Reaction:
        with self._lock:
            times = self.requests.count(body)
            self.requests.append(body)
            self.headers.append(headers)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.key and headers.get("Authorization") != f"Bearer {self.key}":
                return Reaction({"error": {"message": "Incorrect API key provided"}}, 401)
            if body["model"] not in self.models:
                return Reaction({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
            return self.react(body, times)
        finally:
            with self._lock:
                self._at_once -= 1


def completion(text: str | None, model: str = "small-vlm", finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole answer, as the API has it."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 700, "completion_tokens": 42, "total_tokens": 742}
    return {"id": "1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def with_logprobs(tops: list[list[tuple[str, float]]]) -> dict[str, Any]:
    """An answer whose positions have these likeliest tokens, (text, log probability), the chosen one first."""
    made = completion("".join(top[0][0] for top in tops))
    content = [
        {"token": top[0][0], "logprob": top[0][1], "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}
        for top in tops
    ]
    made["choices"][0]["logprobs"] = {"content": content}
    return made


@contextmanager
def chat_api(react: Callable[[dict[str, Any], int], Reaction], **settings: Any) -> Iterator[ChatAPI]:
    api = ChatAPI(react, **settings)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = Reaction({"object": "list", "data": [{"id": name} for name in api.models]})
            self.send(found if self.path == "/v1/models" else Reaction({"detail": "Not Found"}, 404))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != api.path:
                self.send(Reaction({"detail": "Not Found"}, 404))
            else:
                self.send(api.answer(body, {name.title(): value for name, value in self.headers.items()}))

        def send(self, found: Reaction) -> None:
            data = (found.body if isinstance(found.body, str) else json.dumps(found.body)).encode()
            try:
                self.send_response(found.status)
                for name, value in {**found.headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data if found.drop is None else data[: found.drop])
            except OSError:  # the client has gone: its timeout was shorter than the answer
                self.close_connection = True

    with served(Handler) as address:
        api.url = f"{address}/v1"
        yield api
