"""Guards behind a service that has its own Python client, which handles TLS, proxies, keys and retries.

A subclass defines how the client is made, how it is asked about an image, and how its answers and errors are read. This
module has the shared part: concurrent requests, and the consequences of a failure.
"""

from __future__ import annotations

import importlib
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, ClassVar, NamedTuple, TypeVar

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError, cut, in_a_line, printable
from safetypairs_hf.core.foreign_text import whole
from safetypairs_hf.core.pictures import downscaled
from safetypairs_hf.core.records import Box, Picture, Verdict
from safetypairs_hf.core.settings import to_give
from safetypairs_hf.guards import verdicts
from safetypairs_hf.guards.base import Guard, Singly
from safetypairs_hf.guards.served_answers import counted, verdict_of
from safetypairs_hf.models.chat_server import Reply
from safetypairs_hf.models.openai_server import LONGEST_KEPT
from safetypairs_hf.models.outage import TELLING, Outage, problem_of

Item = TypeVar("Item")
Result = TypeVar("Result")


class Fault(NamedTuple):
    """What a client's error says about a failed request.

    `status`: the HTTP status, 0 if no answer came. `late`: the request timed out. `unreachable`: nothing listens at the
    address. `broken`: the answer is incomplete, and the client does not repeat the request by itself.
    """

    said: str
    status: int = 0
    late: bool = False
    unreachable: bool = False
    broken: bool = False


@dataclass(frozen=True)
class HostedGuard(Guard):
    """A guard behind a service, asked through the official client of the service.

    It abstains with "not_covered", and with "content_filter", "rate_limited", "timed_out" or "server_error" if there is
    no answer after all retries.

    Args:
        url: The address of the service; "" uses the client's default.
        max_side: The longest side in pixels; larger images are downscaled to it. 0 sends every file unchanged.
        timeout: Seconds that the client waits for an answer.
        retries: How often a request is repeated after a rate limit, a 5xx status, a lost connection or a timeout.
        concurrency: The number of requests in flight.
    """

    url: str = field(default="", compare=False)
    max_side: int = 0
    timeout: float = field(default=120.0, compare=False)
    retries: int = field(default=5, compare=False)
    concurrency: int = field(default=16, compare=False)
    costly: ClassVar[bool] = True
    # The name of the service in messages, the module of its client, and the extra of this package that installs it.
    service: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str]

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise RecipeError(f"url = {self.url!r}: expected an address such as 'https://...', or nothing")
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0 or self.max_side < 0:
            raise RecipeError(
                f"concurrency = {self.concurrency}, retries = {self.retries}, timeout = {self.timeout:g}, max_side = "
                f"{self.max_side}: expected at least 1, 0, above 0, and 0"
            )

    @property
    def subject(self) -> str:
        """The object of the requests, such as "model 'name'", for the message that it does not exist."""
        return "such address"

    @property
    def key_from(self) -> str:
        """Where its key comes from, for messages."""
        return "its key"

    def covers(self, slug: str) -> bool:
        """Return whether it judges a category. It abstains from others with "not_covered", and never sends them."""
        return True

    @abstractmethod
    def connect(self, module: Any) -> Any:
        """Return a client, which several threads use at once; `module` is the module `package`."""

    @abstractmethod
    def ask(self, client: Any, image: Picture, slug: str) -> Verdict:
        """Ask about an image; raises the errors of the client."""

    @abstractmethod
    def fault(self, module: Any, error: Exception) -> Fault | None:
        """Return what an error of the client says; None for any other error, which means an unreadable answer."""

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Raises the errors of `judge_singly`."""
        found = dict(self.judge_singly(zip(images, categories, strict=True)))
        return [found[place] for place in range(len(images))]

    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        """See `Guard.judge_singly`.

        Raises:
            SafetyPairsError: No request can succeed: the client or the key is missing, the key is refused, the service
                is unreachable, none of at least four requests was answered, or none for a while (see `Outage`).
        """
        sent: list[int] = []
        left: list[int] = []
        clients: list[Any] = []
        outage = Outage(self.concurrency)

        def questions() -> Iterator[tuple[Picture, str]]:
            for place, (image, category) in enumerate(asked):
                slug = self.taxonomy.find(category).slug
                (sent if self.covers(slug) else left).append(place)
                if self.covers(slug):
                    if not clients:
                        clients.append(self.connect(self.module))
                    yield image, slug

        def one(question: tuple[Picture, str]) -> Verdict:
            return self._one(clients[0], *question)

        for number, verdict in _in_threads(one, questions(), self.concurrency):
            while left:
                yield left.pop(), Verdict(None, "not_covered")
            if outage.count(verdict.note, verdict.raw):
                raise self._down(outage)
            yield sent[number], verdict
        while left:
            yield left.pop(), Verdict(None, "not_covered")
        for client in clients:
            client.close()
        if outage.total and outage.asked >= TELLING:
            raise self._down(outage)

    def check_model(self) -> None:
        """Raise SafetyPairsError if the client or the key is missing; nothing is sent."""
        self.connect(self.module).close()

    @property
    def module(self) -> Any:
        """Return the module of its client.

        Raises:
            SafetyPairsError: It is not installed.
        """
        try:
            return importlib.import_module(self.package)
        except ImportError as error:
            raise SafetyPairsError(
                f"{self.service} needs the package {self.package}; pip install 'safetypairs-hf[{self.extra}]'"
            ) from error

    def key(self, variable: str) -> str:
        """Return the key in an environment variable.

        Raises:
            SafetyPairsError: The variable is not set, or holds more than a key.
        """
        key = os.environ.get(variable, "")
        if not key or not (key.isascii() and key.isprintable()):
            fault = "holds more than a key" if key else "is not set"
            raise SafetyPairsError(
                f"the environment variable {variable} {fault}; put the key for {self.service} alone there, or name "
                "another variable by api_key_env"
            )
        return key

    def _one(self, client: Any, image: Picture, slug: str) -> Verdict:
        image = downscaled(image, self.max_side)
        for left in reversed(range(self.retries + 1)):
            try:
                return self.ask(client, image, slug)
            except SafetyPairsError:
                raise
            except Exception as error:  # a client may raise anything on an unreadable answer
                fault = self.fault(self.module, error) or Fault(in_a_line(error), broken=True)
            if not (fault.broken and left):
                break
        return self._failed(fault)

    def _failed(self, fault: Fault) -> Verdict:
        said = " ".join(fault.said.split())
        line = cut(printable(said), 160)
        where = f"{self.service} at {self.url}" if self.url else self.service
        if fault.status in (401, 403):
            raise SafetyPairsError(f"{where} refuses {self.key_from} ({fault.status}): {line}")
        if fault.status == 404:
            raise SafetyPairsError(f"{where} has no {self.subject} (404): {line}")
        if fault.unreachable:
            raise SafetyPairsError(f"{where} is not reached: {line}; check the network, the proxy and url")
        if fault.late:
            return Verdict(None, "timed_out", kept(f"no answer: {said}"))
        said = f"{fault.status}: {said}" if fault.status else f"no answer: {said}"
        return Verdict(None, problem_of(fault.status), kept(said))

    def _down(self, outage: Outage) -> SafetyPairsError:
        return SafetyPairsError(
            f"{self.service} answered none of {outage.in_a_row} requests; the last said: "
            f"{cut(printable(outage.said), 160)}; correct that (or the settings), then run the same command again"
        )


@dataclass(frozen=True)
class HostedChat(HostedGuard):
    """A hosted chat model that is asked for a Yes (unsafe) or No to our policy text, at fidelity "common".

    `raw` is the text of the answer. It also abstains with "refused", and with the reasons of `verdicts.read`.

    Args (see `HostedGuard` for the others):
        model: The name that the service has for the model.
        max_tokens: The most tokens that the model may write, reasoning included.
        least_mass: If the model writes no verdict, the least probability of both words together at the first token;
            below it the guard abstains with "no_verdict".
    """

    model: str = ""
    max_tokens: int = 64
    least_mass: float = verdicts.LEAST_MASS
    fidelity: ClassVar[str] = "common"
    expects: ClassVar[str] = verdicts.YES_OR_NO

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            raise RecipeError(
                f"guard {self.extra!r} needs model, the name of a model of {self.service}; {to_give('model')}"
            )
        if self.max_tokens < 1:
            raise RecipeError(f"max_tokens = {self.max_tokens}: expected 1 or more")

    @property
    def name(self) -> str:
        return f"{self.extra}:{self.model}"

    @property
    def revision(self) -> str:
        return self.model

    @property
    def subject(self) -> str:
        return f"model {self.model!r}"

    @property
    def most_tokens(self) -> int:
        return self.max_tokens

    def asked(self, slug: str) -> str:
        return verdicts.question(slug, self.taxonomy)

    def ask(self, client: Any, image: Picture, slug: str) -> Verdict:
        reply = self.reply(client, image, self.asked(slug))
        return counted(verdict_of(reply, verdicts.YES_NO, self.least_mass), reply)

    @abstractmethod
    def reply(self, client: Any, image: Picture, text: str) -> Reply:
        """Ask about an image; `problem` of the reply is "refused" or "content_filter" if it was not answered."""


def kept(text: str) -> str:
    """Return the part of an unreadable answer that is kept."""
    return whole(cut(text, LONGEST_KEPT))


def _in_threads(work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[tuple[int, Result]]:
    """Yield the index of each item and the result of `work`, as they are finished, with `most` items at a time.

    An error or an interrupt ends all work at once, without waiting for running calls.
    """
    todo: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
    came: SimpleQueue[tuple[int, Result | None, BaseException | None]] = SimpleQueue()

    def worker() -> None:
        while (job := todo.get()) is not None:
            try:
                came.put((job[0], work(job[1]), None))
            except BaseException as error:  # raised again in the waiting thread
                came.put((job[0], None, error))

    numbered, in_flight, threads = enumerate(items), 0, 0
    try:
        while True:
            while in_flight < most and (job := next(numbered, None)) is not None:
                todo.put(job)
                in_flight += 1
                if threads < in_flight:
                    threading.Thread(target=worker, name="ask", daemon=True).start()
                    threads += 1
            if not in_flight:
                return
            place, result, error = came.get()
            in_flight -= 1
            if error is not None:
                raise error
            yield place, result  # type: ignore[misc]
    finally:
        for _ in range(threads):
            todo.put(None)
