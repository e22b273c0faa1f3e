"""Gemini models as guards, through Google's client, at the Gemini API or at Vertex AI."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, cut, printable
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.core.pictures import media_type
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.hosted import Fault, HostedChat, kept
from safetypairs_hf.models.chat_server import Reply, Token

# These filters would block the images that have to be judged.
_FILTERS: Final = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
# The finish reasons of an answer that a filter ended.
_FILTERED: Final = (
    *("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
)


@dataclass(frozen=True)
class Gemini(HostedChat):
    """A Gemini model: P(unsafe) = P(Yes) / (P(Yes) + P(No)) at the token that holds its answer.

    The adjustable filters of the service are turned off. If a filter that cannot be turned off blocks an image, the
    guard abstains with "content_filter". If the service returns no log probabilities, P(unsafe) is 1.0 or 0.0.

    Args (see `HostedChat` for the others):
        api_key_env: The environment variable that holds the key. "" leaves it to the client, which uses the credentials
            of Google Cloud if GOOGLE_GENAI_USE_VERTEXAI, GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION are set.
        top_logprobs: Alternatives to request for each token; 0 for a model without log probabilities.
        thinking_budget: The most tokens of reasoning. None leaves it to the service; 0 turns reasoning off, for models
            that allow it.
        seed: The seed sent with every request.
    """

    api_key_env: str = field(default="GEMINI_API_KEY", compare=False)
    top_logprobs: int = 20
    thinking_budget: int | None = None
    seed: int = 0
    family: str = "gemini"
    service: ClassVar[str] = "Gemini"
    package: ClassVar[str] = "google.genai"
    extra: ClassVar[str] = "gemini"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.top_logprobs <= 20:
            raise RecipeError(f"top_logprobs = {self.top_logprobs}: expected 0 to 20")

    @property
    def key_from(self) -> str:
        return f"the key in {self.api_key_env}" if self.api_key_env else "the credentials of Google Cloud"

    def connect(self, module: Any) -> Any:
        types = module.types
        again = types.HttpRetryOptions(attempts=self.retries + 1)
        options = types.HttpOptions(
            base_url=self.url or None, timeout=max(int(self.timeout * 1000), 1), retry_options=again
        )
        try:
            key = {"api_key": self.key(self.api_key_env)} if self.api_key_env else {}
            return module.Client(**key, http_options=options)
        except ValueError as error:  # neither a key nor the variables of Google Cloud are set
            raise SafetyPairsError(f"{self.service}: {error}; set api_key_env to the variable with a key") from error

    def reply(self, client: Any, image: Picture, text: str) -> Reply:
        types = self.module.types
        thinking = {} if self.thinking_budget is None else {"thinking_budget": self.thinking_budget}
        config = types.GenerateContentConfig(
            temperature=0.0,
            seed=self.seed,
            max_output_tokens=self.max_tokens,
            safety_settings=[
                types.SafetySetting(category=f"HARM_CATEGORY_{name}", threshold="OFF") for name in _FILTERS
            ],
            response_logprobs=True if self.top_logprobs else None,
            logprobs=self.top_logprobs or None,
            thinking_config=types.ThinkingConfig(**thinking) if thinking else None,
        )
        picture = types.Part.from_bytes(data=image.data, mime_type=media_type(image.data))
        try:
            answer = client.models.generate_content(model=self.model, contents=[picture, text], config=config)
        except self.module.errors.APIError as error:
            if self.top_logprobs and error.code == 400 and "logprobs" in str(error).lower():
                raise SafetyPairsError(
                    f"{self.service} refuses log probabilities of {self.model} ({cut(printable(str(error)), 160)}); "
                    "set top_logprobs to what it allows, or top_logprobs=0 for none: P(unsafe) is then 0 or 1"
                ) from error
            raise
        return _reply(answer)

    def fault(self, module: Any, error: Exception) -> Fault | None:
        if isinstance(error, module.errors.APIError):
            said = error.message or str(error)
            invalid_key = error.code == 400 and "API_KEY_INVALID" in str(error.details)
            return Fault(said, 401 if invalid_key else int(error.code or 0))
        names = [kind.__name__ for kind in type(error).__mro__]  # the client uses httpx or httpx2
        if "TimeoutException" in names and "ConnectTimeout" not in names:
            return Fault(str(error) or names[0], late=True)
        if "TransportError" in names:
            nobody = "ConnectError" in names or "ConnectTimeout" in names
            return Fault(str(error) or names[0], unreachable=nobody, broken=not nobody)
        return None


def _reply(answer: Any) -> Reply:
    blocked = getattr(answer.prompt_feedback, "block_reason", None)
    candidate = answer.candidates[0] if answer.candidates else None
    why = _named(candidate.finish_reason) if candidate else ""
    usage = answer.usage_metadata
    read = (usage and usage.prompt_token_count) or 0
    wrote = ((usage and usage.candidates_token_count) or 0) + ((usage and usage.thoughts_token_count) or 0)
    if blocked or why in _FILTERED:
        return Reply("", "content_filter", kept(answer.model_dump_json(exclude_none=True)), read, wrote)
    parts = (candidate.content.parts if candidate and candidate.content else None) or []
    text = whole("".join(part.text or "" for part in parts if not part.thought))
    if not text and why != "MAX_TOKENS":
        return Reply("", "server_error", kept(answer.model_dump_json(exclude_none=True)), read, wrote)
    tokens = _tokens(candidate.logprobs_result) if candidate and candidate.logprobs_result else ()
    return Reply(text, "", text, read, wrote, tokens, why != "MAX_TOKENS")


def _tokens(found: Any) -> tuple[Token, ...]:
    """Return the tokens of the answer with their alternatives. Tokens without alternatives at the end are left out."""
    places = zip(found.chosen_candidates or [], found.top_candidates or [], strict=False)
    return tuple(
        Token(
            whole(chosen.token or "").encode(),
            tuple((whole(each.token or ""), float(each.log_probability)) for each in top.candidates or []),
            float(chosen.log_probability),
        )
        for chosen, top in places
    )


def _named(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
