"""A chat model on any server that speaks OpenAI's API: vLLM, SGLang, llama.cpp, NIM, a hosted one, one of Azure's."""

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

LONGEST_ANSWER: Final = 1 << 20  # characters; a model writes no more, and reading it takes time


class Token(NamedTuple):
    """One position of the answer.

    `data` is its text in UTF-8, perhaps with a part of a letter; `top` is what could have stood there, (text, log
    probability) each, the likeliest first; `chosen` is the log probability of the token itself.
    """

    data: bytes
    top: tuple[tuple[str, float], ...]
    chosen: float


class Reply(NamedTuple):
    """What came back for one request.

    `problem` is "" where `text` is an answer. "refused": the model says so in the field of its own; "content_filter": a
    filter of the service kept the request or the answer back; "rate_limited", "timed_out", "server_error": there is no
    answer to this request, after all retries (`raw` has what came). `ended` is False where the answer was cut off.
    `tokens` is empty where the server gives no log probabilities. Counts of tokens are the server's own `usage`, 0
    where it has none.
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
    """Where a chat model is served. What cannot change an answer is left out of a recipe's hash.

    Args:
        seed: the seed sent with every request; not every server honours it.
        limit_field: the request field that limits the tokens of an answer; newer hosted models require
            "max_completion_tokens".
        max_side: the longest side in pixels; larger images are downscaled to it. 0 sends every file unchanged.
    """

    seed: int = 0
    limit_field: str = "max_tokens"
    max_side: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_side < 0:
            raise RecipeError(f"max_side = {self.max_side}: expected at least 0")

    def image_part(self, picture: Picture) -> dict[str, Any]:
        """An image as a part of a message: the encoded file, unless `max_side` says otherwise."""
        return {"type": "image_url", "image_url": {"url": data_uri(downscaled(picture, self.max_side).data)}}

    def user_message(self, picture: Picture, text: str) -> dict[str, Any]:
        """A user's turn with one image and a text, the image first."""
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
                "or top_logprobs=0 to do without: P(unsafe) is 0 or 1 then"
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
    if isinstance(content, list):  # some servers answer in parts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if message.get("refusal") or choice.get("finish_reason") == "content_filter":
        problem = "refused" if message.get("refusal") else "content_filter"
        said = kept(str(message.get("refusal") or raw))
        return Reply(problem=problem, raw=said, prompt_tokens=asked, answer_tokens=spent)
    thought = message.get("reasoning_content") or message.get("reasoning")
    if content is None and isinstance(thought, str):  # it came to no answer, or to the end of its tokens
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
    """The positions of the answer; none where they are not as the API has them."""
    try:
        return tuple(
            Token(
                _bytes(place),
                tuple((whole(str(each["token"])), float(each["logprob"])) for each in place["top_logprobs"]),
                float(place["logprob"]),
            )
            for place in logprobs["content"]
        )
    except Exception:  # whatever else stands there
        return ()


def _bytes(place: Mapping[str, Any]) -> bytes:
    """The text of a token: `bytes` where the server has them, as a token may be a part of a letter."""
    found = place.get("bytes")
    return bytes(found) if isinstance(found, list) else whole(str(place["token"])).encode()
