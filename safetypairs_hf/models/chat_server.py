"""Ask a chat model on any server with OpenAI's API: vLLM, SGLang, llama.cpp, NIM, a hosted service, Azure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.core.pictures import data_uri, downscaled
from safetypairs_hf.models.openai_server import OpenAIServer, kept, quoted, read_object

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from safetypairs_hf.core.records import Picture

LONGEST_ANSWER: Final = 1 << 20  # characters; no model writes more, and parsing takes time


class Token(NamedTuple):
    """One position of the answer.

    `data` is its text in UTF-8, and may hold an incomplete character. `top` has the alternatives as (text, log
    probability), the most likely first. `chosen` is the log probability of the token itself.
    """

    data: bytes
    top: tuple[tuple[str, float], ...]
    chosen: float


class Reply(NamedTuple):
    """The reply to one request.

    `problem` is "" if `text` is an answer. "refused": the model refuses in the field that the API has for it;
    "content_filter": a filter of the service blocked the request or the answer; "rate_limited", "timed_out",
    "server_error": no answer to this request after all retries (`raw` has the server's text). `ended` is False if the
    answer was cut off. `tokens` is empty if the server gives no log probabilities. Counts of tokens are the server's
    own `usage`, 0 if it sends none.
    """

    text: str = ""
    problem: str = ""
    raw: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    tokens: tuple[Token, ...] = ()
    ended: bool = True


@dataclass(frozen=True)
class ChatServer(OpenAIServer[Reply]):
    """A server of a chat model. Settings that cannot change an answer are left out of a recipe's hash.

    Args:
        seed: The seed sent with every request; not every server honours it.
        limit_field: The request field that limits the tokens of an answer; newer hosted models require
            "max_completion_tokens".
        max_side: The longest side in pixels; larger images are downscaled to it. 0 sends every file unchanged.
    """

    seed: int = 0
    limit_field: str = "max_tokens"
    max_side: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_side < 0:
            raise RecipeError(f"max_side = {self.max_side}: expected at least 0")

    def image_part(self, picture: Picture) -> dict[str, Any]:
        """Return an image as a part of a message: the encoded file, downscaled if `max_side` requires it."""
        return {"type": "image_url", "image_url": {"url": data_uri(downscaled(picture, self.max_side).data)}}

    def user_message(self, picture: Picture, text: str) -> dict[str, Any]:
        """Return a user turn with one image and a text, the image first."""
        return {"role": "user", "content": [self.image_part(picture), {"type": "text", "text": text}]}

    async def _post(self, client: AsyncOpenAI, body: Mapping[str, Any]) -> str:
        sent = {"seed": self.seed, **self.extra_body, **body}
        messages = sent.pop("messages")
        create = client.chat.completions.with_raw_response.create
        return (await create(model=self.model, messages=messages, extra_body=sent)).text

    def _read(self, text: str) -> Reply:
        found = read_object(text)
        if _message(found) is None:
            return Reply(problem="server_error", raw=kept(f"200: {text}"))
        self.check_name(found)
        return _read(found, text)

    def _failure(self, problem: str, raw: str) -> Reply:
        return Reply(problem=problem, raw=raw)

    def _failed(self, response: Any, body: Mapping[str, Any]) -> Reply:
        status, text = response.status_code, response.text
        if status in (400, 422) and "logprobs" in body and "logprobs" in text.lower():
            raise SafetyPairsError(
                f"{self.url} refuses log probabilities ({status}: {quoted(text)}); set top_logprobs to what it allows, "
                "or top_logprobs=0 for none: P(unsafe) is then 0 or 1"
            )
        return super()._failed(response, body)


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
    if isinstance(content, list):  # some servers split the answer into parts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        problem = "refused" if message.get("refusal") else "content_filter"
        said = kept(str(message.get("refusal") or raw))
        return Reply(problem=problem, raw=said, prompt_tokens=asked, answer_tokens=spent)
    thought = message.get("reasoning_content") or message.get("reasoning")
    if content is None and isinstance(thought, str):  # there is no answer, or the token limit cut it off
        return Reply("", "", kept(thought), asked, spent, (), False)
    if not isinstance(content, str):
        return Reply("", "server_error", kept(f"an answer without text: {raw}"), asked, spent)
    if len(content) > LONGEST_ANSWER:
        return Reply("", "server_error", kept(f"an answer of {len(content)} characters: {content}"), asked, spent)
    content, ended = whole(content), choice.get("finish_reason") != "length"
    return Reply(content, "", content, asked, spent, _tokens(choice.get("logprobs")), ended)


def _count(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and 0 <= count < 1 << 31 else 0


def _tokens(logprobs: Any) -> tuple[Token, ...]:
    """Return the tokens of the answer; none if they are not in the API's format."""
    try:
        return tuple(
            Token(
                _bytes(place),
                tuple((whole(str(each["token"])), float(each["logprob"])) for each in place["top_logprobs"]),
                float(place["logprob"]),
            )
            for place in logprobs["content"]
        )
    except Exception:  # anything else in that place
        return ()


def _bytes(place: Mapping[str, Any]) -> bytes:
    """Return the bytes of a token, from `bytes` if the server sends it: a token may be a part of a character."""
    found = place.get("bytes")
    return bytes(found) if isinstance(found, list) else whole(str(place["token"])).encode()
