"""The guard at work: while it is at a unit the next ones are read, decoded and prepared, and the last one written."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Judge, Picture, Verdict
from safetypairs_hf.evaluating.data import Data
from safetypairs_hf.evaluating.work_units import Parts
from safetypairs_hf.guards.base import Judged, ModelGuard, Unit
from safetypairs_hf.guards.user_guard import as_guard

Progress: TypeAlias = Callable[[str, int, int], None]
_READERS = 8


@dataclass
class Work:
    """What a run did: images judged, seconds in all, and seconds of them with the guard's model at work.

    Of a guard that is no model in this process `inside` is the whole time of its `judge`.
    """

    images: int = 0
    seconds: float = 0.0
    inside: float = 0.0

    @property
    def busy(self) -> float:
        """The share of the time that the guard was at work; 0.0 where there was nothing to do."""
        return self.inside / self.seconds if self.seconds else 0.0


def judge_units(
    guard: Judge, data: Data, parts: Parts, units: Sequence[Sequence[int]], mine: Sequence[int], progress: Progress
) -> Work:
    """Judge the units numbered in `mine`, and keep each as soon as it is done.

    An image that does not decode is an abstention, "broken_image". The guard is only ever called in this thread, but
    for what it does beside its model (see `ModelGuard.judge_each`).

    Raises:
        SafetyPairsError: as the guard does; what was done before stays.
    """
    work, started = Work(), time.perf_counter()
    readers = ThreadPoolExecutor(min(_READERS, (os.cpu_count() or 1) + 1), "read")
    writer = ThreadPoolExecutor(1, "write")
    written: Future[None] | None = None
    broken: deque[list[Verdict | None]] = deque()
    decode = getattr(guard, "holds_model", True)  # what is sent to a server is sent as it is encoded

    def asked() -> Iterator[Unit]:
        rows = [units[number] for number in mine]
        for unit, pictures in zip(rows, _pictures(data, rows, readers, decode), strict=True):
            broken.append([each if isinstance(each, Verdict) else None for each in pictures])
            whole = [(each, row) for each, row in zip(pictures, unit, strict=True) if not isinstance(each, Verdict)]
            yield [each for each, _ in whole], [data.images[row].category for _, row in whole]

    judged = _judged(guard, asked())
    try:
        for place, unit in enumerate(mine):
            found, seconds = next(judged)
            work.inside += seconds
            verdicts = _merged(broken.popleft(), found, guard.name)
            if written is not None:
                written.result()  # so a full disk ends the run, and a kill loses no more than the units at hand
            written = writer.submit(parts.write, unit, [data.images[row] for row in units[unit]], verdicts)
            work.images += len(verdicts)
            progress("judge", place + 1, len(mine))
    except SafetyPairsError as error:
        writer.shutdown()
        kept = sum(parts.has(unit) for unit in range(len(units)))
        raise _with_kept(error, kept, len(units)) from error
    finally:
        judged.close()
        readers.shutdown(cancel_futures=True)
        writer.shutdown()
    if written is not None:
        written.result()
    work.seconds = time.perf_counter() - started
    return work


def _pictures(
    data: Data, units: Sequence[Sequence[int]], readers: Executor, decode: bool
) -> Iterator[list[Picture | Verdict]]:
    """The images of each unit; while one is taken, the next is read and decoded."""

    def begun(place: int) -> list[Future[Picture | Verdict]]:
        rows = units[place] if place < len(units) else ()
        return [readers.submit(_picture, data, row, decode) for row in rows]

    coming = begun(0)
    for place in range(len(units)):
        here, coming = coming, begun(place + 1)
        yield [future.result() for future in here]


def _picture(data: Data, row: int, decode: bool) -> Picture | Verdict:
    picture = Picture(data.read(row), data.name_of(row))
    if decode:
        try:
            _ = picture.pixels
        except Exception as error:  # a decoder may raise anything on a damaged file; one must not end a run
            return Verdict(None, "broken_image", in_a_line(error))
    return picture


def _judged(guard: Judge, units: Iterable[Unit]) -> Generator[Judged, None, None]:
    """The verdicts of each unit, by `judge_each` where a guard has it."""
    try:
        if isinstance(guard, ModelGuard):
            yield from guard.judge_each(units)
            return
        for images, categories in units:
            begin = time.perf_counter()
            verdicts = as_guard(guard).judge(images, categories, [None] * len(images))
            yield Judged(verdicts, time.perf_counter() - begin)
    except ModuleNotFoundError as error:
        raise SafetyPairsError(
            f"{guard.name} needs the package {error.name}; pip install 'safetypairs-hf[gpu]', or that package"
        ) from error


def _merged(broken: Sequence[Verdict | None], found: Sequence[Verdict], name: str) -> list[Verdict]:
    """All verdicts of a unit: those of the images that are broken, and the guard's own."""
    if len(found) != (whole := broken.count(None)):
        raise SafetyPairsError(f"{name} gave {len(found)} verdicts for {whole} images; it owes one an image")
    answers = iter(found)
    return [next(answers) if each is None else each for each in broken]


def _with_kept(error: SafetyPairsError, kept: int, total: int) -> SafetyPairsError:
    if not kept:
        return error
    return type(error)(f"{error}; {kept} of {total} units are done and kept: run the same command again to go on")
