"""A real server on loopback that speaks OpenAI's POST /v1/moderations, and misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chat_api import ChatAPI, Reaction

from safetypairs_hf.taxonomy.crosswalk import guard

CODES = tuple(guard("omni-moderation").labels)


def moderated(model: str = "omni-moderation-2024-09-26", **scores: float) -> dict[str, Any]:
    """A whole answer as the API has it: thirteen scores, 0.001 but for `scores` (`/` written as two underscores)."""
    named = {key.replace("__", "/").replace("_", "-"): value for key, value in scores.items()}
    images = guard("omni-moderation").images
    result = {
        "flagged": False,
        "categories": dict.fromkeys(CODES, False),
        "category_scores": dict.fromkeys(CODES, 0.001) | named,
        "category_applied_input_types": {code: ["image"] if code in images else [] for code in CODES},
    }
    return {"id": "modr-1", "model": model, "results": [result]}


@contextmanager
def moderation_api(react: Callable[[dict[str, Any], int], Reaction], **settings: Any) -> Iterator[ChatAPI]:
    api = ChatAPI(react, models=("omni-moderation-latest",), **settings)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(Reaction({"object": "list", "data": [{"id": name} for name in api.models]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            there = self.path == "/v1/moderations"
            self.send(api.answer(body, dict(self.headers)) if there else Reaction({"detail": "Not Found"}, 404))

        def send(self, found: Reaction) -> None:
            data = (found.body if isinstance(found.body, str) else json.dumps(found.body)).encode()
            try:
                self.send_response(found.status)
                for name, value in {**found.headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data if found.drop is None else data[: found.drop])
            except OSError:  # the client has gone: it was told to wait no longer
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
