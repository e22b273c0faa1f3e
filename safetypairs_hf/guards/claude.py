"""Claude models as guards, through Anthropic's client."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from safetypairs_hf.core.pictures import media_type
from safetypairs_hf.core.records import Picture
from safetypairs_hf.guards.hosted import Fault, HostedChat, kept
from safetypairs_hf.models.chat_server import Reply


@dataclass(frozen=True)
class Claude(HostedChat):
    """A Claude model that writes Yes or No: P(unsafe) is 1.0 or 0.0, because the service returns no log probabilities.

    Args (see `HostedChat` for the others):
        api_key_env: The environment variable that holds the key.
        extra_body: Further fields of every request, such as {"temperature": 0} for a model that accepts it.
    """

    api_key_env: str = field(default="ANTHROPIC_API_KEY", compare=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    family: str = "claude"
    service: ClassVar[str] = "Anthropic"
    package: ClassVar[str] = "anthropic"
    extra: ClassVar[str] = "anthropic"

    @property
    def key_from(self) -> str:
        return f"the key in {self.api_key_env}"

    def connect(self, module: Any) -> Any:
        return module.Anthropic(
            api_key=self.key(self.api_key_env),
            base_url=self.url or None,
            timeout=self.timeout,
            max_retries=self.retries,
        )

    def reply(self, client: Any, image: Picture, text: str) -> Reply:
        source = {
            "type": "base64",
            "media_type": media_type(image.data),
            "data": base64.b64encode(image.data).decode(),
        }
        said = [{"type": "image", "source": source}, {"type": "text", "text": text}]
        message = client.messages.create(
            model=self.model,
            max_tokens=self.max_tokens,
            messages=[{"role": "user", "content": said}],
            extra_body=dict(self.extra_body),
        )
        written = "".join(part.text for part in message.content if part.type == "text")
        read, wrote = message.usage.input_tokens, message.usage.output_tokens
        if message.stop_reason == "refusal":
            return Reply("", "refused", kept(written or message.to_json(indent=None)), read, wrote)
        return Reply(written, "", written, read, wrote, ended=message.stop_reason != "max_tokens")

    def fault(self, module: Any, error: Exception) -> Fault | None:
        if isinstance(error, module.APIStatusError):
            return Fault(error.response.text, error.status_code)
        if isinstance(error, module.APITimeoutError):
            return Fault(str(error), late=True)
        if isinstance(error, module.APIConnectionError):
            cause = error.__cause__ or error
            return Fault(str(cause), unreachable=type(cause).__name__ in ("ConnectError", "UnsupportedProtocol"))
        return None
