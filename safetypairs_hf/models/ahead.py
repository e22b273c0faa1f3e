"""Batches for a model, made ready beside it: threads prepare the next ones while it is at one."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from safetypairs_hf.models.memory import give_back, in_batches, out_of_memory

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")

# So many batches are being prepared at once, or are ready.
THREADS: Final = min(8, os.cpu_count() or 1)


class Done(NamedTuple, Generic[Result]):
    """What came of a group of items, in their order, and the seconds that the model was at them."""

    results: list[Result]
    seconds: float


class _Batch(NamedTuple, Generic[Item]):
    items: Sequence[Item]
    last: bool  # of its group


@dataclass
class Ahead(Generic[Item, Prepared, Result]):
    """Groups of items through a model, batch by batch.

    A batch is of one group, and of items that follow each other and have one `key`: batches depend on a group alone.
    One that does not fit into memory is halved, and those after it are no larger than its half.

    Args:
        size: the most items of a batch.
        begin: loads the model; called in the caller's thread, before anything is prepared.
        prepare: of a batch, in any thread, several at once. It leaves a GPU alone, as a thread has its own current one.
        work: of what `prepare` gave, in the caller's thread; one Result an item.
    """

    size: int
    begin: Callable[[], Any]
    prepare: Callable[[Sequence[Item]], Prepared]
    work: Callable[[Prepared], Sequence[Result]]
    key: Callable[[Item], Hashable] = lambda item: None

    def run(self, groups: Iterable[Sequence[Item]]) -> Generator[Done[Result], None, None]:
        """One Done a group, in order. Groups are taken early, in another thread, so they may be slow to come.

        Raises:
            SafetyPairsError: not even one item fits into memory; and whatever `begin` and `work` raise.
        """
        batches = self._begun(self._cut(groups))
        taker, pool = ThreadPoolExecutor(1, "take"), ThreadPoolExecutor(THREADS, "prepare")

        def take() -> tuple[_Batch[Item], Future[Prepared] | None] | None:
            batch = next(batches, None)
            if batch is None:
                return None
            return batch, pool.submit(self.prepare, batch.items) if batch.items else None

        try:
            coming = deque(taker.submit(take) for _ in range(THREADS))
            results: list[Result] = []
            seconds = 0.0
            while (taken := coming.popleft().result()) is not None:
                coming.append(taker.submit(take))
                batch, prepared = taken
                if prepared is not None:
                    found, spent = self._answers(batch.items, prepared)
                    results += found
                    seconds += spent
                if batch.last:
                    yield Done(results, seconds)
                    results, seconds = [], 0.0
        finally:
            taker.shutdown(cancel_futures=True)
            pool.shutdown(cancel_futures=True)

    def _begun(self, batches: Iterator[_Batch[Item]]) -> Iterator[_Batch[Item]]:
        """The same batches, with the model loaded; it is not where there is nothing for it."""
        early = []
        for batch in batches:
            early.append(batch)
            if batch.items:
                self.begin()
                break
        return itertools.chain(early, batches)

    def _cut(self, groups: Iterable[Sequence[Item]]) -> Iterator[_Batch[Item]]:
        for group in groups:
            start, end = 0, 0
            while True:
                while end < len(group) and end - start < self.size and self.key(group[end]) == self.key(group[start]):
                    end += 1
                yield _Batch(group[start:end], end == len(group))
                if end == len(group):
                    break
                start = end

    def _answers(self, items: Sequence[Item], prepared: Future[Prepared]) -> tuple[Sequence[Result], float]:
        try:
            ready = prepared.result()
            begin = time.perf_counter()
            return self.work(ready), time.perf_counter() - begin
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Out of the handler, where the error's traceback would keep the tensors alive.
        begin, self.size = time.perf_counter(), max(len(items) // 2, 1)
        give_back()
        halves = in_batches(items, self.size, lambda part: self.work(self.prepare(part)))
        return [result for result, _ in halves], time.perf_counter() - begin
