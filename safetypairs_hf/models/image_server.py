"""Edit images on a server with OpenAI's POST /images/edits: vLLM-Omni, SGLang Diffusion, Dynamo, a LiteLLM proxy.

The server may have several replicas. Each request goes to the least busy one. If it fails there, it is repeated on
another replica while one is left. A replica that cannot be reached is skipped while another can.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

from safetypairs_hf.core.pictures import media_type
from safetypairs_hf.models.openai_server import NobodyError, OpenAIServer, kept, read_object
from safetypairs_hf.models.outage import FAILURES

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LARGEST_IMAGE: Final = 128 * 2**20  # bytes of an answer over HTTP: an image of 16 megapixels as PNG in base64


class ImageReply(NamedTuple):
    """The reply to one request: the encoded image, or the reason why there is none.

    `problem` is "" if `data` is an image. "content_filter": a filter of the service blocked the request or the answer.
    "rate_limited", "timed_out", "server_error": there is no answer to this request after all retries. `raw` is what the
    server sent instead of an image.
    """

    data: bytes = b""
    problem: str = ""
    raw: str = ""


@dataclass(frozen=True)
class ImageServer(OpenAIServer[ImageReply]):
    """A server of a model that edits images. Settings that cannot change an answer are left out of a recipe's hash.

    A body has `image` (an encoded file) and `prompt`; its other keys are sent as fields of the form.

    Args:
        replicas: The base URLs of further servers that have the same model.
        timeout: Seconds for one request, from sending to the last byte.
        concurrency: Requests in flight at each replica. Servers hardly batch edits, so more than a few only wait.
    """

    _largest: ClassVar[int] = LARGEST_IMAGE

    timeout: float = field(default=600.0, compare=False)
    concurrency: int = field(default=2, compare=False)
    replicas: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replicas:
            self.each()  # checks the urls

    @property
    def in_flight(self) -> int:
        return self.concurrency * (1 + len(self.replicas))

    def each(self) -> tuple[ImageServer, ...]:
        """Return every replica as a server of its own."""
        return tuple(replace(self, url=url, replicas=()) for url in (self.url, *self.replicas))

    def check_model(self) -> None:
        """Ask every replica as `OpenAIServer.check_model` does."""
        for server in self.each():
            OpenAIServer.check_model(server)

    def _connected(self) -> Any:
        return _Replicas(self)

    def _alive(self) -> bool:
        return any(OpenAIServer._alive(server) for server in self.each())

    async def _one(self, client: Any, body: Mapping[str, Any]) -> ImageReply:
        return await client.one(body) if isinstance(client, _Replicas) else await super()._one(client, body)

    async def _post(self, client: AsyncOpenAI, body: Mapping[str, Any]) -> str:
        sent = {**self.extra_body, **body}
        file, prompt = sent.pop("image"), sent.pop("prompt")
        kind = media_type(file)
        image = (kind.replace("/", "."), file, kind)
        edit = client.images.with_raw_response.edit
        return (await edit(model=self.model, image=image, prompt=prompt, n=1, extra_body=sent)).text

    def _read(self, text: str) -> ImageReply:
        found = read_object(text).get("data")
        first = found[0] if isinstance(found, list) and found else None
        encoded = first.get("b64_json") if isinstance(first, dict) else None
        if not isinstance(encoded, str):
            return self._failure("server_error", kept(f"200, without an image in b64_json: {text}"))
        try:
            return ImageReply(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            return self._failure("server_error", kept(f"200, with b64_json that is no base64: {text}"))

    def _failure(self, problem: str, raw: str) -> ImageReply:
        return ImageReply(problem=problem, raw=raw)


class _Replica:
    """A replica with its client, its requests in flight, and whether it could not be reached."""

    def __init__(self, server: ImageServer) -> None:
        self.server, self.client = server, server._client()
        self.busy = 0
        self.gone = False

    async def one(self, body: Mapping[str, Any], retrying: bool) -> ImageReply:
        client = self.client if retrying else self.client.with_options(max_retries=0)
        self.busy += 1
        try:
            return await self.server._one(client, body)
        finally:
            self.busy -= 1


class _Replicas:
    """The clients of all replicas, for as long as requests are sent."""

    def __init__(self, server: ImageServer) -> None:
        self._all = [_Replica(each) for each in server.each()]
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for each in self._all:
            await self._open.enter_async_context(each.client)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    async def one(self, body: Mapping[str, Any]) -> ImageReply:
        """Send a request to one replica after another until one answers; the last one left is asked again."""
        left = [each for each in self._all if not each.gone] or list(self._all)
        reply, nobody = None, None
        while left:
            chosen = min(left, key=lambda each: each.busy)
            left.remove(chosen)
            try:
                reply = await chosen.one(body, retrying=not left)
            except NobodyError as error:
                chosen.gone, nobody = True, error
                continue
            chosen.gone = False
            if reply.problem not in FAILURES:
                return reply
        if reply is None:
            assert nobody is not None
            raise nobody
        return reply
