"""Send requests to servers with OpenAI's API: the client, deadlines, retries, and the meaning of failures.

The `openai` client makes the requests, and its environment variables set TLS and proxies. This module adds a deadline
for a whole answer, a limit of its size, sending while further requests are prepared, and the meaning of failures.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, cut, in_a_line, printable
from safetypairs_hf.core.foreign_text import ForeignTextError, parse_json, whole
from safetypairs_hf.models.outage import TELLING, Outage, problem_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Item = TypeVar("Item")
Result = TypeVar("Result")

LONGEST_KEPT: Final = 4000  # characters that are kept of an unusable answer
LARGEST: Final = 16 * 2**20  # bytes of an answer over HTTP
# The names of a service's own content filter in errors of hosted services.
_FILTERS: Final = (
    "content_filter",
    "ResponsibleAIPolicyViolation",
    "content_policy_violation",
    "moderation_blocked",
    "data_inspection_failed",
)


class Answered(Protocol):
    """The outcome of a request: `problem` is "" if there is an answer; otherwise `raw` is what the server sent."""

    @property
    def problem(self) -> str: ...

    @property
    def raw(self) -> str: ...


Reply = TypeVar("Reply", bound=Answered)


class NobodyError(SafetyPairsError):
    """No server listens at the address."""


class Serves(NamedTuple):
    """The reply to GET /models: all names, whether our model is among them, and the server's name of its weights.

    `root` is "" if the server does not say.
    """

    names: tuple[str, ...]
    root: str
    ours: bool = False


@dataclass(frozen=True)
class OpenAIServer(Generic[Reply], ABC):
    """A server of a model. Settings that cannot change an answer are left out of a recipe's hash.

    A subclass defines the request (`_post`) and the meaning of an answer (`_read`).

    Args:
        model: The name that the server has for the model; for Azure, the name of the deployment.
        url: The base URL, such as "http://localhost:8000/v1"; for Azure, the endpoint, such as
            "https://NAME.openai.azure.com".
        api_key_env: The environment variable that holds the key; "" sends no key. The key itself is never stored.
        api_version: The API version of an Azure deployment, such as "2024-10-21"; "" for every other server.
        extra_body: Further fields of every request, such as {"top_k": 1}.
        timeout: Seconds for one request, from sending to the last byte.
        retries: How often a request is repeated after a rate limit, a 5xx status, a lost connection or a timeout.
        concurrency: The number of requests in flight.
    """

    _largest: ClassVar[int] = LARGEST

    model: str
    url: str = field(default="http://localhost:8000/v1", compare=False)
    api_key_env: str = ""
    api_version: str = ""
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    timeout: float = field(default=120.0, compare=False)
    retries: int = field(default=5, compare=False)
    concurrency: int = field(default=16, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise RecipeError(f"url = {self.url!r}: expected the base of a server, such as 'http://localhost:8000/v1'")
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0:
            raise RecipeError(
                f"concurrency = {self.concurrency}, retries = {self.retries}, timeout = {self.timeout:g}: expected at "
                "least 1, 0, and above 0"
            )

    @abstractmethod
    async def _post(self, client: AsyncOpenAI, body: Mapping[str, Any]) -> str:
        """Send a request and return the body of the answer."""

    @abstractmethod
    def _read(self, text: str) -> Reply:
        """Read the body of an answer with status 200."""

    @abstractmethod
    def _failure(self, problem: str, raw: str) -> Reply:
        """Return the Reply for a request without an answer."""

    def ask(self, bodies: Sequence[Mapping[str, Any]]) -> list[Reply]:
        """Return a Reply for each body, in order. Raises the errors of `ask_each`."""
        replies = dict(self.ask_each(bodies))
        return [replies[place] for place in range(len(bodies))]

    def ask_each(self, bodies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Reply]]:
        """Yield the position of each body and its Reply, as they arrive; the model is added to each body.

        A body is taken only when a request can be sent, so `bodies` may be endless.

        Raises:
            SafetyPairsError: No request can succeed: there is no server, the key is refused, there is no such model,
                log probabilities are refused, none of at least four requests was answered, or none for a while (see
                `Outage`), or the last one was not and the server is gone.
        """
        outage = Outage(self.in_flight)
        for place, reply in _as_they_come(self._connected, self._one, bodies, self.in_flight):
            if outage.count(reply.problem, reply.raw):
                raise self._dead(outage.in_a_row, outage.said)
            yield place, reply
        if (outage.total and outage.asked >= TELLING) or (outage.in_a_row and not self._alive()):
            raise self._dead(outage.in_a_row, outage.said)

    @property
    def in_flight(self) -> int:
        """Return the largest number of requests in flight."""
        return self.concurrency

    def serves(self) -> Serves:
        """Ask the server for its models by GET /models; names and root are empty if it does not say.

        Raises:
            SafetyPairsError: There is no server, or it refuses the key.
        """
        openai = _openai()

        async def listed(client: AsyncOpenAI) -> str:
            try:
                return (await client.with_options(max_retries=0).models.with_raw_response.list()).text
            except openai.APIStatusError as error:
                if error.status_code in (401, 403):
                    raise self._no_access(error.response) from error
                return ""
            except openai.APIConnectionError as error:
                if _unreachable(error):
                    raise self._nobody(error) from error
                return ""

        found = read_object(_in_a_loop(self._client, listed)).get("data")
        listing = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        ours = next((each for each in listing if _same_model(str(each.get("id")), self.model)), {})
        names = tuple(str(each["id"]) for each in listing if "id" in each)
        return Serves(names, str(ours.get("root") or ""), bool(ours))

    def check_model(self) -> None:
        """Check that the server runs, accepts the key, and has the model (if it lists its models).

        Raises:
            SafetyPairsError: One of these checks fails.
        """
        names, _, ours = self.serves()
        # Azure lists models and no deployments; a proxy may list patterns.
        if names and not ours and not self.api_version and not any("*" in name for name in names):
            raise SafetyPairsError(
                f"{self.url} has no model {self.model!r}; it has {printable(', '.join(names))}; give one of these names"
            )

    def check_name(self, found: Mapping[str, Any]) -> None:
        """Raise SafetyPairsError if another model answered. Azure's deployments answer under other names."""
        named = found.get("model")
        asked = self.model.removesuffix("-latest")
        if named and not self.api_version and not _same_model(str(named), asked):
            raise SafetyPairsError(
                f"{self.url} answers as {printable(named)!r}, not as {self.model!r}; give the name of the model that "
                "it serves"
            )

    def _connected(self) -> Any:
        """Return the client for `_one`, as an asynchronous context."""
        return self._client()

    def _client(self) -> AsyncOpenAI:
        openai = _openai()
        key = self._key()
        given: dict[str, Any] = {
            "timeout": self.timeout,
            "max_retries": self.retries,
            "http_client": _whole_answers()(self.timeout, bool(key), self._largest),
            "api_key": key or "none",
        }
        if self.api_version:
            inside = "/openai" in self.url
            where = {"base_url": self.url} if inside else {"azure_endpoint": self.url}
            made: AsyncOpenAI = openai.AsyncAzureOpenAI(**where, api_version=self.api_version, **given)
        else:
            made = openai.AsyncOpenAI(base_url=self.url, **given)
        return made

    def _key(self) -> str:
        if not self.api_key_env:
            return ""
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
        return key

    async def _one(self, client: Any, body: Mapping[str, Any]) -> Reply:
        import openai

        try:
            return self._read(await self._post(client, body))
        except openai.APIStatusError as error:
            return self._failed(error.response, body)
        except openai.APIConnectionError as error:
            if _unreachable(error):
                raise self._nobody(error) from error
            late = isinstance(error, openai.APITimeoutError)
            why = str(error.__cause__) if late else in_a_line(error.__cause__ or error)
            return self._failure("timed_out" if late else "server_error", kept(f"no answer: {why}"))

    def _failed(self, response: Any, body: Mapping[str, Any]) -> Reply:
        """Return the Reply for a response with another status than 200."""
        status, text = response.status_code, response.text
        if status in (401, 403) and not _filtered(text):
            raise self._no_access(response)
        if status == 404:
            names = self.serves().names
            has = f"; it has {printable(', '.join(names))}" if names else "; give its url up to and with /v1"
            raise SafetyPairsError(f"{self.url} has no model {self.model!r} ({quoted(text)}){has}")
        filtered = status in (400, 403) and _filtered(text)
        return self._failure("content_filter" if filtered else problem_of(status), kept(f"{status}: {text}"))

    def _no_access(self, response: Any) -> SafetyPairsError:
        where = f"the key in {self.api_key_env}" if self.api_key_env else "a request without a key"
        return SafetyPairsError(f"{self.url} refuses {where} ({response.status_code}): {quoted(response.text)}")

    def _nobody(self, error: Exception) -> NobodyError:
        return NobodyError(
            f"no server at {self.url} ({in_a_line(error.__cause__ or error)}); start it, or give its url"
        )

    def _dead(self, count: int, said: str) -> SafetyPairsError:
        return SafetyPairsError(
            f"{self.url} answered none of {count} requests; the last said: {quoted(said)}; check that the server "
            "runs and is fast enough (timeout, concurrency), then run the same command again"
        )

    def _alive(self) -> bool:
        try:
            self.serves()
        except SafetyPairsError:
            return False
        return True


def _openai() -> Any:
    try:
        import openai
    except ImportError as error:
        raise SafetyPairsError("a server needs the package openai; pip install 'safetypairs-hf[server]'") from error
    return openai


@cache
def _whole_answers() -> Any:
    """Return the class of an HTTP client that reads whole answers, within limits of time and size, without redirects.

    The client's own timeouts restart with each byte, and a key must not be sent to the target of a redirect.
    """
    import httpx2  # a dependency of openai
    import openai

    class WholeAnswers(openai.DefaultAsyncHttpxClient):
        def __init__(self, seconds: float, keyed: bool, largest: int) -> None:
            super().__init__(timeout=seconds, follow_redirects=False)
            self._seconds, self._keyed, self._largest = seconds, keyed, largest

        async def send(self, request: Any, **options: Any) -> Any:
            if not self._keyed:  # the openai client always sends one
                request.headers.pop("Authorization", None)
            try:
                async with asyncio.timeout(self._seconds):
                    response = await super().send(request, **options | {"stream": True})
                    try:
                        return await self._whole(response)
                    finally:
                        await response.aclose()
            except TimeoutError:
                late = f"no whole answer within {self._seconds:g} s"
                raise httpx2.ReadTimeout(late, request=request) from None

        async def _whole(self, response: Any) -> Any:
            parts, size = [], 0
            async for chunk in response.aiter_bytes():
                parts.append(chunk)
                size += len(chunk)
                if size > self._largest:
                    raise httpx2.ReadError(f"the answer is larger than {self._largest} bytes", request=response.request)
            decoded = ("content-encoding", "content-length", "transfer-encoding")
            heads = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in decoded]
            return type(response)(
                response.status_code, headers=heads, content=b"".join(parts), request=response.request
            )

    return WholeAnswers


class _Loop:
    """An event loop in a thread, with a client, during a `with` block; leaving it does not wait for open requests."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    def __enter__(self) -> _Loop:
        threading.Thread(target=lambda: asyncio.run(self._main()), name="ask", daemon=True).start()
        self._loop, self._over = self._ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)

    def start(self, made: Callable[[AsyncOpenAI], Awaitable[Result]]) -> Future[Result]:
        async def awaited() -> Result:
            return await made(self.client)

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop)

    async def _main(self) -> None:
        over = asyncio.Event()
        self._ready.set_result((asyncio.get_running_loop(), over))
        async with self.client:
            await over.wait()


def _in_a_loop(client: Callable[[], AsyncOpenAI], call: Callable[[AsyncOpenAI], Awaitable[Result]]) -> Result:
    with _Loop(client()) as loop:
        return loop.start(call).result()


def _as_they_come(
    client: Callable[[], AsyncOpenAI],
    ask: Callable[[AsyncOpenAI, Item], Awaitable[Result]],
    items: Iterable[Item],
    most: int,
) -> Iterator[tuple[int, Result]]:
    """Yield the position of each item and the result of `ask`, in the order of the answers, with `most` in flight.

    An error of one request ends all, and so does an interrupt; neither waits for requests in flight.
    """
    numbered = enumerate(items)
    first = next(numbered, None)
    if first is None:
        return
    came: SimpleQueue[tuple[int, Future[Result]]] = SimpleQueue()
    with _Loop(client()) as loop:
        in_flight = 0

        def start(numbered_item: tuple[int, Item]) -> None:
            place, item = numbered_item
            future = loop.start(lambda connected: ask(connected, item))
            future.add_done_callback(lambda done: came.put((place, done)))

        for item in itertools.islice(itertools.chain([first], numbered), most):
            start(item)
            in_flight += 1
        while in_flight:
            place, done = came.get()
            result = done.result()
            in_flight -= 1
            if (item_after := next(numbered, None)) is not None:
                start(item_after)
                in_flight += 1
            yield place, result


def _unreachable(error: Exception) -> bool:
    """Return whether no server listens at the address, or the address is invalid."""
    return type(error.__cause__).__name__ in ("ConnectError", "UnsupportedProtocol", "InvalidURL")


def _filtered(text: str) -> bool:
    """Return whether an error says that a filter of the service blocked the request."""
    return any(name in text for name in _FILTERS)


def read_object(text: str) -> dict[str, Any]:
    """Return a body as a JSON object; empty if it is not one."""
    try:
        value = parse_json(text, strict=False)
    except ForeignTextError:
        return {}
    return value if isinstance(value, dict) else {}


def kept(raw: str) -> str:
    """Return the part of an unusable answer that is kept."""
    return whole(cut(raw, LONGEST_KEPT))


def _same_model(named: str, asked: str) -> bool:
    """Return whether two names mean one model; servers answer with dated variants or with paths that end in it."""
    named, asked = named.lower(), asked.lower()
    return named.startswith(asked) or named.rsplit("/", 1)[-1] == asked.rsplit("/", 1)[-1]


def quoted(text: str) -> str:
    """Return the beginning of a server's text, on one line."""
    return cut(printable(" ".join(text[:LONGEST_KEPT].split())), 160)
