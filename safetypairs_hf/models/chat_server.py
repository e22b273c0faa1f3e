"""Any server that speaks OpenAI's chat completions over HTTP: vLLM, SGLang, llama.cpp, a hosted one."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, cut, printable
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.models.wire import Response, get, post, waiting

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Picture

# Worth another try: too early, rate limits, and what is wrong at the server's end.
_PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
_LONGEST_WAIT = 60.0
LONGEST_ANSWER = 1 << 20  # characters; a model writes no more, and reading it takes time
LONGEST_KEPT = 4000  # characters that are kept of an answer that cannot be used
# Where so many requests fail and none is answered, it is the server or the settings, and not these images.
_TELLING = 4


class Token(NamedTuple):
    """One position of the answer: its text, and what could have stood there, (text, log probability) each."""

    text: str
    top: tuple[tuple[str, float], ...]


class Reply(NamedTuple):
    """What came back for one request.

    `problem`: "" where `text` is an answer; "refused" where the server says so; "server_error" where it gave no answer
    to this request (`raw` has what it said). `tokens` is empty where it gives no log probabilities. Counts of tokens
    are the server's own `usage`, 0 where it has none.
    """

    text: str = ""
    problem: str = ""
    raw: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True)
class ChatServer:
    """Where a model is served. What cannot change an answer is left out of a recipe's hash.

    Args:
        model: the name under which the server has it.
        url: the base, such as "http://localhost:8000/v1".
        api_key_env: the environment variable that holds the key; "" sends none. The key itself is stored nowhere.
        seed: sent with every request; not every server keeps to it.
        limit_field: how the server calls the most tokens that it may answer with; newer hosted models want
            "max_completion_tokens".
        timeout: seconds for one request, from sending to the last byte.
        retries: how often a request is sent again after a rate limit, a 5xx, a drop or a timeout.
        concurrency: requests in flight.
        first_wait: seconds before the first retry; doubled each time, unless the server says Retry-After.
    """

    model: str
    url: str = field(default="http://localhost:8000/v1", compare=False)
    api_key_env: str = ""
    seed: int = 0
    limit_field: str = "max_tokens"
    timeout: float = field(default=120.0, compare=False)
    retries: int = field(default=5, compare=False)
    concurrency: int = field(default=8, compare=False)
    first_wait: float = field(default=0.5, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise RecipeError(f"url = {self.url!r}: expected the base of a server, such as 'http://localhost:8000/v1'")

    def ask(self, bodies: Sequence[Mapping[str, Any]]) -> list[Reply]:
        """One Reply a body, in order; model and seed are added to each. Raises as `ask_each` does."""
        replies = dict(self.ask_each(bodies))
        return [replies[place] for place in range(len(bodies))]

    def ask_each(self, bodies: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Reply]]:
        """The place of each body and its Reply, as they come; model and seed are added to each body.

        Raises:
            SafetyPairsError: nothing can work: no server there, key refused, no such model, or none of four
                requests or more was answered.
        """
        if not bodies:
            return
        headers, failed = self._headers(), []
        for place, reply in _as_they_come(lambda body: self._one(body, headers), bodies, self.concurrency):
            if reply.problem == "server_error":
                failed.append(reply)
            yield place, reply
        if len(failed) == len(bodies) and (len(bodies) >= _TELLING or not self._alive(headers)):
            raise SafetyPairsError(
                f"{self.url} answered none of {len(bodies)} requests; the last said: {_line(failed[-1].raw)}; check "
                "that the server runs and is fast enough (timeout, concurrency), then run the same command again"
            )

    def _headers(self) -> dict[str, str]:
        if not self.api_key_env:
            return {}
        key = os.environ.get(self.api_key_env)
        if not key:
            raise SafetyPairsError(
                f"the environment variable {self.api_key_env} is not set; put the key of {self.url} there"
            )
        if not (key.isascii() and key.isprintable()):
            raise SafetyPairsError(
                f"the environment variable {self.api_key_env} holds more than a key: letters that are not ASCII, or a "
                "line break; put the key alone there"
            )
        return {"Authorization": f"Bearer {key}"}

    def _one(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        url, sent = f"{self.url.rstrip('/')}/chat/completions", {"model": self.model, "seed": self.seed, **body}
        for attempt in range(self.retries + 1):
            response = post(url, sent, headers, self.timeout)
            if response.status and response.status not in _PASSING:
                break
            if attempt < self.retries:
                time.sleep(min(waiting(response) or self.first_wait * 2**attempt, _LONGEST_WAIT))
        return self._reply(response)

    def _reply(self, response: Response) -> Reply:
        if response.unreachable:
            raise SafetyPairsError(f"no server at {self.url} ({response.text}); start it, or give its url")
        if response.status in (401, 403):
            where = f"the key in {self.api_key_env}" if self.api_key_env else "a request without a key"
            raise SafetyPairsError(f"{self.url} refuses {where} ({response.status}): {_line(response.text)}")
        if response.status == 404:
            raise SafetyPairsError(f"{self.url} has no model {self.model!r} ({_line(response.text)}){self._models()}")
        found = response.json()
        if response.status != 200 or _message(found) is None:
            return Reply(problem="server_error", raw=_kept(f"{response.status or 'no answer'}: {response.text}"))
        named = found.get("model")
        if named and not _same_model(str(named), self.model):
            raise SafetyPairsError(
                f"{self.url} answers as {printable(named)!r}, not as {self.model!r}; give the name of the model that "
                "it serves"
            )
        return _read(found, response.text)

    def _alive(self, headers: Mapping[str, str]) -> bool:
        return get(f"{self.url.rstrip('/')}/models", headers, self.timeout).status == 200

    def _models(self) -> str:
        """What the server has, for an error's end."""
        found = get(f"{self.url.rstrip('/')}/models", self._headers(), self.timeout).json().get("data")
        listed = found if isinstance(found, list) else []
        names = [str(each["id"]) for each in listed if isinstance(each, dict) and "id" in each]
        return f"; it has {printable(', '.join(names))}" if names else "; give its url up to and with /v1"


def _as_they_come(
    ask: Callable[[Mapping[str, Any]], Reply], bodies: Sequence[Mapping[str, Any]], threads: int
) -> Iterator[tuple[int, Reply]]:
    """The place of each body and what `ask` returns for it, in the order of the answers.

    An error of one ends all, and so does an interrupt: neither waits for requests in flight, whose threads end with the
    process.
    """
    left = deque(enumerate(bodies))
    came: SimpleQueue[tuple[int, Reply | BaseException]] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                place, body = left.popleft()
            except IndexError:
                return
            try:
                came.put((place, ask(body)))
            except BaseException as error:
                left.clear()  # what is wrong for one is wrong for the rest
                came.put((place, error))

    for _ in range(min(threads, len(bodies))):
        threading.Thread(target=work, name="ask", daemon=True).start()
    try:
        for _ in bodies:
            place, reply = came.get()
            if isinstance(reply, BaseException):
                raise reply
            yield place, reply
    finally:
        left.clear()


def image_url(picture: Picture) -> str:
    """An image as a data URL; the encoded file is sent as it is."""
    kind = "jpeg" if picture.data[:2] == b"\xff\xd8" else "webp" if picture.data[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture.data).decode()}"


def user_message(picture: Picture, text: str) -> dict[str, Any]:
    """A user's turn with one image and a text, the image first."""
    image = {"type": "image_url", "image_url": {"url": image_url(picture)}}
    return {"role": "user", "content": [image, {"type": "text", "text": text}]}


def _message(found: Mapping[str, Any]) -> dict[str, Any] | None:
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    return message if isinstance(message, dict) else None


def _read(found: dict[str, Any], raw: str) -> Reply:
    message, choice = _message(found) or {}, found["choices"][0]
    usage = found.get("usage")
    asked, spent = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    content = message.get("content")
    if isinstance(content, list):  # some servers answer in parts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        said = _kept(str(message.get("refusal") or raw))
        return Reply(problem="refused", raw=said, prompt_tokens=asked, answer_tokens=spent)
    if not isinstance(content, str):
        return Reply("", "server_error", _kept(f"an answer without text: {raw}"), asked, spent)
    if len(content) > LONGEST_ANSWER:
        return Reply("", "server_error", _kept(f"an answer of {len(content)} characters: {content}"), asked, spent)
    content = whole(content)
    return Reply(content, "", content, asked, spent, _tokens(choice.get("logprobs")))


def _kept(raw: str) -> str:
    """What is kept of an answer that is none."""
    return whole(cut(raw, LONGEST_KEPT))


def _count(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and 0 <= count < 1 << 31 else 0


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    """The positions of the answer; none where they are not as the API has them."""
    try:
        return tuple(
            Token(
                whole(str(place["token"])),
                tuple((whole(str(each["token"])), float(each["logprob"])) for each in place["top_logprobs"]),
            )
            for place in logprobs["content"]
        )
    except Exception:  # whatever else stands there
        return ()


def _same_model(named: str, asked: str) -> bool:
    """A server may answer with a dated variant, or with a path that ends in the name."""
    named, asked = named.lower(), asked.lower()
    return named.startswith(asked) or named.rsplit("/", 1)[-1] == asked.rsplit("/", 1)[-1]


def _line(text: str) -> str:
    return cut(printable(" ".join(text[:LONGEST_KEPT].split())), 160)
