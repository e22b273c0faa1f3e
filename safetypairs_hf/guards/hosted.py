"""Guards behind a service that has a client of its own, which settles TLS, proxies, keys and retries.

An entry says how the client is made, what it is asked about an image, how the answer is read, and what its errors say.
What all share is here: requests in flight, and what a failure means.
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
    """What went wrong with a request, as a client's error has it.

    `status` is that of HTTP, 0 where no answer came; `late`: it was waited for too long; `unreachable`: nothing listens
    there; `broken`: what came is no whole answer, and the client does not ask again by itself.
    """

    said: str
    status: int = 0
    late: bool = False
    unreachable: bool = False
    broken: bool = False


@dataclass(frozen=True)
class HostedGuard(Guard):
    """A guard behind a service, asked through the client that the service's owner keeps.

    It abstains with "not_covered", and with "content_filter", "rate_limited", "timed_out" or "server_error" where there
    is no answer after all retries.

    Args:
        url: the address of the service; "" uses the client's default.
        max_side: the longest side in pixels; larger images are downscaled to it. 0 sends every file unchanged.
        timeout: seconds that the client waits for an answer.
        retries: how often a request is repeated after a rate limit, a 5xx status, a lost connection or a timeout.
        concurrency: the number of requests in flight.
    """

    url: str = field(default="", compare=False)
    max_side: int = 0
    timeout: float = field(default=120.0, compare=False)
    retries: int = field(default=5, compare=False)
    concurrency: int = field(default=16, compare=False)
    costly: ClassVar[bool] = True
    # What messages call the service, and the module and the extra of this package that its client is in.
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
        """What is asked there, for the message that says that it does not exist, such as "model 'name'"."""
        return "such address"

    @property
    def key_from(self) -> str:
        """Where its key comes from, for messages."""
        return "its key"

    def covers(self, slug: str) -> bool:
        """Whether it judges a category; it abstains with "not_covered" from the others, and sends none of them."""
        return True

    @abstractmethod
    def connect(self, module: Any) -> Any:
        """Return a client, which several threads use at once; `module` is `package`."""

    @abstractmethod
    def ask(self, client: Any, image: Picture, slug: str) -> Verdict:
        """Ask about an image; raises whatever the client does."""

    @abstractmethod
    def fault(self, module: Any, error: Exception) -> Fault | None:
        """Return what an error says; None where it is none of the client's own, so that the answer was none."""

    def judge(
        self, images: Sequence[Picture], categories: Sequence[str], regions: Sequence[Box | None]
    ) -> list[Verdict]:
        """Judge images; regions are not used. Raises as `judge_singly` does."""
        found = dict(self.judge_singly(zip(images, categories, strict=True)))
        return [found[place] for place in range(len(images))]

    def judge_singly(self, asked: Iterable[tuple[Picture, str]]) -> Singly:
        """See `Guard.judge_singly`.

        Raises:
            SafetyPairsError: nothing can work: the client or the key is missing, the key is refused, nobody is there,
                none of four requests or more was answered, or none for a while (see `Outage`).
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
        """Raise SafetyPairsError where the client or the key is missing; nothing is sent."""
        self.connect(self.module).close()

    @property
    def module(self) -> Any:
        """The module of its client.

        Raises:
            SafetyPairsError: it is not installed.
        """
        try:
            return importlib.import_module(self.package)
        except ImportError as error:
            raise SafetyPairsError(
                f"{self.service} is asked by the package {self.package}; pip install 'safetypairs-hf[{self.extra}]'"
            ) from error

    def key(self, variable: str) -> str:
        """Return the key in an environment variable.

        Raises:
            SafetyPairsError: there is none, or more than a key.
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
            except Exception as error:  # a client may raise anything on an answer that is none
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
            f"{cut(printable(outage.said), 160)}; mend that (or its settings), then run the same command again"
        )


@dataclass(frozen=True)
class HostedChat(HostedGuard):
    """A hosted chat model that is asked for a Yes (unsafe) or No to our policy text, at fidelity "common".

    `raw` is what it wrote. Abstains also with "refused", and with the reasons of `verdicts.read`.

    Args (see `HostedGuard` for the others):
        model: the name that the service has for the model.
        max_tokens: the most tokens that the model may write, reasoning included.
        least_mass: if the model writes no verdict, the least probability of both words together at the first token;
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
        """Ask about an image; `problem` is "refused" or "content_filter" where it was not answered."""


def kept(text: str) -> str:
    """Return what is kept of an answer that is none."""
    return whole(cut(text, LONGEST_KEPT))


def _in_threads(work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[tuple[int, Result]]:
    """Yield the place of each item and what `work` returns for it, in the order of the answers, `most` at a time.

    An error of one ends all, and so does an interrupt: neither waits for what is at work.
    """
    todo: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
    came: SimpleQueue[tuple[int, Result | None, BaseException | None]] = SimpleQueue()

    def worker() -> None:
        while (job := todo.get()) is not None:
            try:
                came.put((job[0], work(job[1]), None))
            except BaseException as error:  # raised where it is waited for
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
