"""A pool of Ray actors for one job: what an actor receives, how units are assigned, how dead actors are replaced."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from safetypairs_hf.building.engines.base import Job, Made, Sent
from safetypairs_hf.building.engines.cpu_work import CpuProcesses
from safetypairs_hf.building.finishing import AtOnce
from safetypairs_hf.building.recipe import LoadedRecipe, versions
from safetypairs_hf.building.tempo import Meter
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import RECIPE, RunFolder

QUEUED = 3  # units of an actor at a time: one being read, one judged or edited, one written
TRIES = 3  # actors that may die on one unit, or before they start
PATIENCE = 600.0  # seconds to wait for a free CPU or GPU
MEMORY = "out of memory?"
BUSY = f"no CPU or GPU of the Ray cluster was free for {PATIENCE / 60:.0f} minutes; see which jobs use them: ray status"


class Order(NamedTuple):
    """A job for an actor, with the environment that must equal that of the sender for equal bytes.

    `beside` is the number of processes next to the models of an actor; 1 means none.
    """

    sent: Sent
    beside: int
    folder: str
    threads: str | None
    versions: dict[str, str]


def order(loaded: LoadedRecipe, run: RunFolder, job: Job, beside: int = 1) -> Order:
    threads = os.environ.get("OMP_NUM_THREADS")
    return Order(Sent.pack(loaded, run, job), beside, str(Path.cwd()), threads, versions(loaded.recipe))


class Worker:
    """An actor. It can hold several units: while a model works on one, others are read or finished."""

    def start(self, order: Order) -> None:
        """Start a job. This is not in the constructor, whose errors are reported as the death of an actor."""
        if Path(order.folder).is_dir():
            os.chdir(order.folder)  # a recipe's paths are relative to the user's folder
        os.environ.pop("OMP_NUM_THREADS", None)  # Ray sets it, but sums depend on the number of threads
        if order.threads is not None:
            os.environ["OMP_NUM_THREADS"] = order.threads
        self._opened = order.sent.open()
        self._busy = threading.Lock()
        finishing = self._opened.recipe.finishing
        self._cpu = AtOnce(finishing) if order.beside == 1 else CpuProcesses(finishing, order.sent.path, order.beside)
        if not self._opened.run.has(RECIPE):
            raise RunError(_not_shared(self._opened.run))
        for name, version in versions(self._opened.recipe).items():
            if version != order.versions[name]:
                raise RunError(
                    f"{socket.gethostname()} has {name} {version}, but the build was started with "
                    f"{order.versions[name]}; every node of the Ray cluster needs the same"
                )

    def make(self, number: int) -> Made:
        return self._opened.make(number, self._busy, self._cpu)


@dataclass(eq=False)
class _Hand:
    """An actor of a pool: whether it has started, and its unfinished units."""

    actor: Any
    ready: bool = False
    units: list[int] = field(default_factory=list)


class Pool:
    """Actors for one job. Units are given only to actors that have started, so none waits for one that never does."""

    def __init__(self, ray: Any, needs: dict[str, int], order: Order, run: RunFolder, meter: Meter) -> None:
        self._ray = ray
        self._meter = meter
        self._run = run
        self._kind = ray.remote(Worker).options(**needs, max_restarts=0, max_concurrency=QUEUED)
        self._order = ray.put(order)
        self._hands: list[_Hand] = []
        self._asked: dict[Any, tuple[_Hand, int | None]] = {}  # by call: its actor and its unit, or None for the start
        self._waiting: deque[int] = deque()
        self._died: Counter[int | None] = Counter()

    def hire(self, size: int, kept: Sequence[Any] = ()) -> None:
        """Take these actors, and start new ones up to `size`."""
        for actor in (*kept, *(self._kind.remote() for _ in range(size - len(kept)))):
            hand = _Hand(actor)
            self._hands.append(hand)
            self._asked[actor.start.remote(self._order)] = hand, None

    def work(self, units: Sequence[int]) -> Iterator[int]:
        """Yield each unit when it is finished.

        Raises:
            RunError: Actors died repeatedly, or none got a place for a long time. Errors raised in an actor are raised
                as
                they are.
        """
        self._waiting.extend(units)
        since = time.monotonic()
        while self._waiting or any(hand.units for hand in self._hands):
            self._give()
            heard, _ = self._ray.wait(list(self._asked), timeout=1)  # short, so that an interrupt is noticed
            for call in heard:
                unit = self._hear(call) if call in self._asked else None
                if unit is not None:
                    yield unit
            if heard or any(hand.ready for hand in self._hands):
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise RunError(BUSY)

    def leave(self) -> list[Any]:
        """Return the actors that another job can use. They no longer belong to this pool."""
        ready = [hand for hand in self._hands if hand.ready]
        self._hands = [hand for hand in self._hands if not hand.ready]
        return [hand.actor for hand in ready]

    def close(self) -> None:
        """End all actors. A part is complete or missing, so none need be waited for."""
        for hand in self._hands:
            self._ray.kill(hand.actor)

    def _give(self) -> None:
        """Give a unit to each actor without one; second units only when every actor has one."""
        for queued in range(QUEUED):
            for hand in self._hands:
                kept_back = sum(not other.units for other in self._hands) if queued else 0
                if hand.ready and len(hand.units) == queued and len(self._waiting) > kept_back:
                    unit = self._waiting.popleft()
                    hand.units.append(unit)
                    self._asked[hand.actor.make.remote(unit)] = hand, unit

    def _hear(self, call: Any) -> int | None:
        """Handle the result of a call. Return the finished unit, if it was one."""
        hand, unit = self._asked[call]
        try:
            made = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise_cause(error)
        except self._ray.exceptions.RayError as error:
            self._replace(hand, error)
            return None
        del self._asked[call]
        if unit is None:
            hand.ready = True
            self._died[None] = 0
            return None
        if made.names and not self._run.has(made.names[-1]):
            raise RunError(_not_shared(self._run))
        self._meter.add(made.images, made.busy / len(self._hands))
        hand.units.remove(unit)
        return unit

    def _replace(self, hand: _Hand, error: Exception) -> None:
        """Replace an actor that died. Its units go to any free actor."""
        at: Sequence[int | None] = hand.units or [None]
        for unit in at:
            self._died[unit] += 1
            if self._died[unit] >= TRIES:
                where, why = ("before it had started", reason(error)) if unit is None else (f"at unit {unit}", MEMORY)
                raise RunError(
                    f"an actor of Ray died {where}, {TRIES} times ({why}); run the same command again, it resumes; "
                    f"or with fewer workers than {len(self._hands)}"
                ) from error
        self._waiting.extendleft(reversed(hand.units))
        self._asked = {call: asked for call, asked in self._asked.items() if asked[0] is not hand}
        self._hands.remove(hand)
        self._ray.kill(hand.actor)
        self.hire(1)


def raise_cause(error: Any) -> NoReturn:
    """Raise the error of another process as if it had been raised here."""
    if isinstance(error.cause, Exception):
        raise error.cause from error
    raise error


def reason(error: Exception) -> str:
    """Return the last line of a long message, which for a traceback is the exception."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def _not_shared(run: RunFolder) -> str:
    return f"{run.url} is not the same folder on every node of the Ray cluster; name one on NFS, or a URL"
