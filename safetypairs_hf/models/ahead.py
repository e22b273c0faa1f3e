"""Prepare batches in threads while the model works on an earlier one."""

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

# The number of batches that are in preparation or ready.
THREADS: Final = min(8, os.cpu_count() or 1)


class Done(NamedTuple, Generic[Result]):
    """The results of a group of items, in order, and the seconds of work of the model."""

    results: list[Result]
    seconds: float


class _Batch(NamedTuple, Generic[Item]):
    items: Sequence[Item]
    last: bool  # of its group


@dataclass
class Ahead(Generic[Item, Prepared, Result]):
    """Send groups of items through a model, batch by batch.

    A batch holds consecutive items of one group with the same `key`, so batches depend only on the group. A batch that
    does not fit into memory is halved, and later batches are no larger than that half.

    Args:
        size: The largest number of items in a batch.
        begin: Loads the model; called in the caller's thread, before anything is prepared.
        prepare: Prepares a batch, in several threads at once. It must not use a GPU, because each thread has its own
            current device.
        work: Takes the output of `prepare`, in the caller's thread, and returns a Result for each item.
        key: Returns the key of an item.
    """

    size: int
    begin: Callable[[], Any]
    prepare: Callable[[Sequence[Item]], Prepared]
    work: Callable[[Prepared], Sequence[Result]]
    key: Callable[[Item], Hashable] = lambda item: None

    def run(self, groups: Iterable[Sequence[Item]]) -> Generator[Done[Result], None, None]:
        """Yield a Done for each group, in order. Groups are read ahead in another thread, so they may arrive slowly.

        Raises:
            SafetyPairsError: Not even one item fits into memory; and whatever `begin` and `work` raise.
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
        """Yield the same batches after loading the model; without batches it is not loaded."""
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
        # Outside of the handler, because the error's traceback would keep the tensors alive.
        begin, self.size = time.perf_counter(), max(len(items) // 2, 1)
        give_back()
        halves = in_batches(items, self.size, lambda part: self.work(self.prepare(part)))
        return [result for result, _ in halves], time.perf_counter() - begin
