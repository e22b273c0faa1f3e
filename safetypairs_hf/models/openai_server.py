"""What all servers that speak OpenAI's API have in common: the client, deadlines, retries, and what a failure means.

The `openai` client does the talking, and its environment settles TLS and proxies. What is ours: a deadline for a whole
answer and a limit of its size, requests in flight while others are made ready, and what a failure means.
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

LONGEST_KEPT: Final = 4000  # characters that are kept of an answer that cannot be used
LARGEST: Final = 16 * 2**20  # bytes of an answer over HTTP
# How hosted services call a filter of their own in the error that stands for an answer.
_FILTERS: Final = (
    "content_filter",
    "ResponsibleAIPolicyViolation",
    "content_policy_violation",
    "moderation_blocked",
    "data_inspection_failed",
)


class Answered(Protocol):
    """What became of a request: `problem` is "" where there is an answer; `raw` is what came where there is none."""

    @property
    def problem(self) -> str: ...

    @property
    def raw(self) -> str: ...


Reply = TypeVar("Reply", bound=Answered)


class NobodyError(SafetyPairsError):
    """Nothing listens where a server should be."""


class Serves(NamedTuple):
    """What GET /models says: all names, whether ours is there, and what the server calls the weights behind it.

    `root` is "" where it does not say.
    """

    names: tuple[str, ...]
    root: str
    ours: bool = False


@dataclass(frozen=True)
class OpenAIServer(Generic[Reply], ABC):
    """Where a model is served. What cannot change an answer is left out of a recipe's hash.

    A subclass says what is posted (`_post`) and what an answer means (`_read`).

    Args:
        model: the name that the server has for the model; for Azure, the name of the deployment.
        url: the base URL, such as "http://localhost:8000/v1"; for Azure, the endpoint, such as
            "https://NAME.openai.azure.com".
        api_key_env: the environment variable that holds the key; "" sends no key. The key itself is never stored.
        api_version: the API version of an Azure deployment, such as "2024-10-21"; "" for every other server.
        extra_body: further fields of every request, such as {"top_k": 1}.
        timeout: seconds for one request, from sending to the last byte.
        retries: how often a request is repeated after a rate limit, a 5xx status, a lost connection or a timeout.
        concurrency: the number of requests in flight.
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
        """Send a request; return the body of the answer."""

    @abstractmethod
    def _read(self, text: str) -> Reply:
        """Read the body of an answer with status 200."""

    @abstractmethod
    def _failure(self, problem: str, raw: str) -> Reply:
        """What a request without an answer comes to."""

    def ask(self, bodies: Sequence[Mapping[str, Any]]) -> list[Reply]:
        """One Reply a body, in order. Raises as `ask_each` does."""
        replies = dict(self.ask_each(bodies))
        return [replies[place] for place in range(len(bodies))]

    def ask_each(self, bodies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, Reply]]:
        """The place of each body and its Reply, as they come; the model is added to each body.

        A body is taken when a request may be sent, so they may be without end.

        Raises:
            SafetyPairsError: nothing can work: no server there, key refused, no such model, log probabilities refused,
                none of four requests or more was answered, or none for a while (see `Outage`), or the last was not and
                the server is gone.
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
        """The most requests that are under way at once."""
        return self.concurrency

    def serves(self) -> Serves:
        """Ask what the server has, by GET /models; names and root are empty where it does not say.

        Raises:
            SafetyPairsError: there is no server, or it refuses the key.
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
        """Ask whether the server is there, takes the key, and has the model, where it says what it has.

        Raises:
            SafetyPairsError: it is not so.
        """
        names, _, ours = self.serves()
        # Azure lists models and no deployments; a proxy may list patterns.
        if names and not ours and not self.api_version and not any("*" in name for name in names):
            raise SafetyPairsError(
                f"{self.url} has no model {self.model!r}; it has {printable(', '.join(names))}; give one of these names"
            )

    def check_name(self, found: Mapping[str, Any]) -> None:
        """Raise SafetyPairsError where an answer is of another model. Azure's deployments answer by other names."""
        named = found.get("model")
        asked = self.model.removesuffix("-latest")
        if named and not self.api_version and not _same_model(str(named), asked):
            raise SafetyPairsError(
                f"{self.url} answers as {printable(named)!r}, not as {self.model!r}; give the name of the model that "
                "it serves"
            )

    def _connected(self) -> Any:
        """What `_one` sends by, as an asynchronous context."""
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
        """What an answer with another status than 200 comes to."""
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
        raise SafetyPairsError(
            "servers are asked by the package openai; pip install 'safetypairs-hf[server]'"
        ) from error
    return openai


@cache
def _whole_answers() -> Any:
    """A client of HTTP that gives whole answers, each within one deadline and a limit of bytes; it follows no redirect.

    Its own timeouts begin anew with each byte, and a key must not go where a redirect points.
    """
    import httpx2  # which openai stands on
    import openai

    class WholeAnswers(openai.DefaultAsyncHttpxClient):
        def __init__(self, seconds: float, keyed: bool, largest: int) -> None:
            super().__init__(timeout=seconds, follow_redirects=False)
            self._seconds, self._keyed, self._largest = seconds, keyed, largest

        async def send(self, request: Any, **options: Any) -> Any:
            if not self._keyed:  # the client of openai sends one always
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
    """An event loop in a thread, with a client, until the end of the block, which waits for no request in flight."""

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
    """The place of each item and what `ask` returns for it, in the order of the answers, `most` of them in flight.

    An error of one ends all, and so does an interrupt: neither waits for requests in flight.
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
    """Whether nothing listens there, or the address is none."""
    return type(error.__cause__).__name__ in ("ConnectError", "UnsupportedProtocol", "InvalidURL")


def _filtered(text: str) -> bool:
    """Whether an error says that a filter of the service kept the request back."""
    return any(name in text for name in _FILTERS)


def read_object(text: str) -> dict[str, Any]:
    """A body as a JSON object; empty where it is none."""
    try:
        value = parse_json(text, strict=False)
    except ForeignTextError:
        return {}
    return value if isinstance(value, dict) else {}


def kept(raw: str) -> str:
    """What is kept of an answer that is none."""
    return whole(cut(raw, LONGEST_KEPT))


def _same_model(named: str, asked: str) -> bool:
    """A server may answer with a dated variant, or with a path that ends in the name."""
    named, asked = named.lower(), asked.lower()
    return named.startswith(asked) or named.rsplit("/", 1)[-1] == asked.rsplit("/", 1)[-1]


def quoted(text: str) -> str:
    """The beginning of what a server said, on one line."""
    return cut(printable(" ".join(text[:LONGEST_KEPT].split())), 160)
