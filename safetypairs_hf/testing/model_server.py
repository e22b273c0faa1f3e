"""A small chat model behind OpenAI's chat completions on loopback, with the additions of vLLM.

It runs any `models.chat.Chat` in this process, one request at a time, with greedy decoding. It supports log
probabilities with alternatives, `continue_final_message`, `chat_template_kwargs`, and `structured_outputs` with
`choice`. It replaces a server of models, so that a local guard can be compared with the same guard behind a server.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from safetypairs_hf.models.chat import Chat


class ModelServer:
    """Answers requests with a chat model.

    Args:
        chat: The model.
        name: The name under which it is served.
        logprobs: Whether it returns log probabilities. If not, it refuses requests for them.
        most: The most tokens of an answer.
    """

    def __init__(self, chat: Chat, name: str = "small", *, logprobs: bool = True, most: int = 64) -> None:
        self.chat, self.name, self.logprobs, self.most = chat, name, logprobs, most
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def models(self) -> dict[str, Any]:
        """Return the answer to GET /models, with the `root` that vLLM adds."""
        return {"object": "list", "data": [{"id": self.name, "object": "model", "root": f"org/{self.name}"}]}

    def answer(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer to a request."""
        with self._lock:
            self.requests.append(dict(body))
            if body.get("logprobs") and not self.logprobs:
                return 400, {"error": {"message": "logprobs are not supported by this server", "type": "BadRequest"}}
            inputs = self._inputs(body)
            limit = min(int(body.get("max_tokens") or self.most), self.most)
            words = body.get("structured_outputs", {}).get("choice")
            ids, tables = self._written(inputs, limit, words)
        return 200, self._completion(body, ids, tables)

    def _inputs(self, body: Mapping[str, Any]) -> Any:
        turns = [_turn(message) for message in body["messages"]]
        begun = body.get("continue_final_message") and turns.pop()["content"][0]["text"]
        inputs = self.chat.prepared([turns], **body.get("chat_template_kwargs", {}))
        return self.chat.moved(inputs), self._ids(begun or "")

    def _ids(self, text: str) -> list[int]:
        return list(self.chat.processor.tokenizer.encode(text, add_special_tokens=False)) if text else []

    def _written(self, given: Any, limit: int, words: list[str] | None) -> tuple[list[int], list[Any]]:
        """Return the ids of the answer, with the end token if it was generated, and the log probabilities of each."""
        import torch

        inputs, begun = given
        allowed = [self._ids(word) for word in words or ()]
        ids: list[int] = []
        tables: list[Any] = []
        while len(ids) < limit and self._end not in ids:
            with torch.inference_mode():
                fed = _grown(inputs, begun + ids)
                table = self.chat.model(**fed, logits_to_keep=1, use_cache=False).logits[0, -1].double().log_softmax(-1)
            tables.append(table)
            left = [word for word in allowed if word[: len(ids)] == ids and len(word) > len(ids)]
            if allowed and not left:
                ids.append(self._end)
                break
            choice = max({word[len(ids)] for word in left}, key=lambda each: float(table[each])) if left else None
            ids.append(int(table.argmax()) if choice is None else choice)
        return ids, tables

    @property
    def _end(self) -> int:
        return int(self.chat.processor.tokenizer.eos_token_id)

    def _completion(self, body: Mapping[str, Any], ids: list[int], tables: list[Any]) -> dict[str, Any]:
        tokenizer = self.chat.processor.tokenizer
        text = tokenizer.decode(ids, skip_special_tokens=True)
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop" if self._end in ids else "length",
            "message": {"role": "assistant", "content": text},
        }
        if body.get("logprobs"):
            most = int(body.get("top_logprobs") or 0)
            places = [self._place(token, table, most) for token, table in zip(ids, tables, strict=True)]
            choice["logprobs"] = {
                "content": [place for place, token in zip(places, ids, strict=True) if token != self._end]
            }
        usage = {"prompt_tokens": 0, "completion_tokens": len(ids), "total_tokens": len(ids)}
        return {"id": "1", "object": "chat.completion", "created": 0, "model": self.name, "choices": [choice]} | {
            "usage": usage
        }

    def _place(self, token: int, table: Any, most: int) -> dict[str, Any]:
        top = table.topk(min(most, len(table)))
        likeliest = [
            {**self._token(number), "logprob": value}
            for number, value in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]
        return {**self._token(token), "logprob": float(table[token]), "top_logprobs": likeliest}

    def _token(self, number: int) -> dict[str, Any]:
        text = self.chat.processor.tokenizer.decode([number])
        return {"token": text, "bytes": list(text.encode())}


@contextmanager
def model_server(server: ModelServer) -> Iterator[str]:
    """Serve until the end of the block. Yields the base URL of the API, `http://127.0.0.1:PORT/v1`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, server.models())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(*server.answer(body))

        def log_message(self, *_: Any) -> None:
            pass

        def _send(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/v1"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message in the form of chat templates, with its images decoded."""
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content]
    return {"role": message["role"], "content": parts}


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    from PIL import Image

    if part["type"] != "image_url":
        return dict(part)
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")}


def _grown(inputs: Any, ids: list[int]) -> dict[str, Any]:
    """Return the prompt with tokens appended. Every tensor with one value per token repeats its last value."""
    import torch

    made = dict(inputs)
    shape = inputs["input_ids"].shape
    for name, tensor in inputs.items():
        if ids and hasattr(tensor, "dim") and tensor.dim() >= 2 and tensor.shape[:2] == shape:
            more = tensor[:, -1:].repeat_interleave(len(ids), dim=1)
            if name == "input_ids":
                more = torch.tensor([ids], dtype=tensor.dtype)
            made[name] = torch.cat([tensor, more], dim=1)
    return made
