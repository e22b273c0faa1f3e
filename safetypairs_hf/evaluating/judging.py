"""The guard at work: while it is at a unit the next ones are read, decoded and prepared, and the last one written."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from safetypairs_hf.core.errors import SafetyPairsError, in_a_line
from safetypairs_hf.core.records import Judge, Picture, Verdict
from safetypairs_hf.evaluating.abstentions import BROKEN_IMAGE, refuse_unreadable
from safetypairs_hf.evaluating.data import Data
from safetypairs_hf.evaluating.work_units import Parts
from safetypairs_hf.guards.base import Judged, ModelGuard, Unit
from safetypairs_hf.guards.user_guard import as_guard

Progress: TypeAlias = Callable[[str, int, int], None]
Came: TypeAlias = Callable[[int, Verdict, int], None]
_READERS = 8


@dataclass
class Work:
    """What a run did: images judged, seconds in all, and seconds of them with the guard's model at work.

    Of a guard that is no model in this process `inside` is the whole time of its `judge`. `retried`: of a retry, the
    images that had failed; `mended`: those of them that did not fail again.
    """

    images: int = 0
    seconds: float = 0.0
    inside: float = 0.0
    retried: int = 0
    mended: int = 0

    @property
    def busy(self) -> float:
        """The share of the time that the guard was at work; 0.0 where there was nothing to do."""
        return self.inside / self.seconds if self.seconds else 0.0


@dataclass
class _Asked:
    """A work unit at work: its rows in order, the verdicts that are known of some, and the rows to ask about."""

    number: int
    rows: Sequence[int]
    known: dict[int, Verdict]
    left: list[int]


def judge_units(
    guard: Judge,
    data: Data,
    parts: Parts,
    units: Sequence[Sequence[int]],
    mine: Sequence[int],
    progress: Progress,
    stop_unreadable: bool = True,
) -> Work:
    """Judge the units numbered in `mine`, and keep each as soon as it is done; of a `costly` guard, each answer.

    An image that does not decode is an abstention, "broken_image". The guard is only ever called in this thread, but
    for what it does beside its model (see `ModelGuard.judge_each`). `progress` is called with images.

    Raises:
        SafetyPairsError: as the guard does, and what was done before stays; or, with `stop_unreadable`, nothing was
            done before, and nothing that the guard gives for its first images can be read.
    """
    work, started = Work(), time.perf_counter()
    readers = ThreadPoolExecutor(min(_READERS, (os.cpu_count() or 1) + 1), "read")
    writer = ThreadPoolExecutor(1, "write")
    written: Future[None] | None = None
    begun: deque[_Asked] = deque()
    decode = getattr(guard, "holds_model", True)  # what is sent to a server is sent as it is encoded
    heard = not stop_unreadable or bool(parts.failed) or any(map(parts.has, range(len(units))))
    done, total = 0, sum(len(units[number]) for number in mine)

    def asked() -> Iterator[Unit]:
        for unit, pictures in _pictures(data, parts, units, mine, readers, decode):
            read = dict(zip(unit.left, pictures, strict=True))
            broken = {row: each for row, each in read.items() if isinstance(each, Verdict)}
            work.images += len(read)
            unit.known |= broken
            unit.left = [row for row in unit.left if row not in broken]
            begun.append(unit)
            whole = [each for each in read.values() if not isinstance(each, Verdict)]
            yield whole, [data.images[row].category for row in unit.left]

    def came(place: int, verdict: Verdict, count: int) -> None:
        unit = begun[0]
        parts.keep(unit.number, data.images[unit.left[place]], verdict)
        progress("judge", done + len(unit.known) + count, total)

    judged = _judged(guard, asked(), came)
    progress("judge", 0, total)
    try:
        for _ in mine:
            found, seconds = next(judged)
            work.inside += seconds
            unit = begun.popleft()
            verdicts = _in_order(unit, found, guard.name)
            if not heard:
                heard = _heard(guard, parts, unit.number, verdicts)
            if written is not None:
                written.result()  # so a full disk ends the run, and a kill loses no more than the units at hand
            written = writer.submit(parts.write, unit.number, verdicts)
            done += len(verdicts)
            progress("judge", done, total)
    except SafetyPairsError as error:
        writer.shutdown()
        raise _with_kept(error, parts) from error
    finally:
        judged.close()
        readers.shutdown(cancel_futures=True)
        writer.shutdown()
    if written is not None:
        written.result()
    work.seconds = time.perf_counter() - started
    return work


def _pictures(
    data: Data, parts: Parts, units: Sequence[Sequence[int]], mine: Sequence[int], readers: Executor, decode: bool
) -> Iterator[tuple[_Asked, list[Picture | Verdict]]]:
    """Each unit with the images that it has to ask about; while one is taken, the next is read and decoded."""

    def begun(place: int) -> tuple[_Asked, list[Future[Picture | Verdict]]]:
        number = mine[place]
        kept, rows = parts.begun(number), units[number]
        known = {row: kept[data.images[row]] for row in rows if data.images[row] in kept}
        unit = _Asked(number, rows, known, [row for row in rows if row not in known])
        return unit, [readers.submit(_picture, data, row, decode) for row in unit.left]

    coming = begun(0) if mine else None
    for place in range(len(mine)):
        assert coming is not None
        (unit, reading), coming = coming, begun(place + 1) if place + 1 < len(mine) else None
        yield unit, [future.result() for future in reading]


def _picture(data: Data, row: int, decode: bool) -> Picture | Verdict:
    picture = Picture(data.read(row), data.name_of(row))
    if decode:
        try:
            _ = picture.pixels
        except Exception as error:  # a decoder may raise anything on a damaged file; one must not end a run
            return Verdict(None, BROKEN_IMAGE, in_a_line(error))
    return picture


def _judged(guard: Judge, units: Iterable[Unit], came: Came) -> Generator[Judged, None, None]:
    """The verdicts of each unit: by `judge_each` where a guard has it, one by one where it is costly.

    `came` is told of each single verdict: its place in the unit, and how many of the unit there are by then.
    """
    try:
        if isinstance(guard, ModelGuard):
            yield from guard.judge_each(units)
            return
        singly = as_guard(guard).judge_singly if getattr(guard, "costly", False) else None
        for images, categories in units:
            begin = time.perf_counter()
            if not images:
                verdicts = []
            elif singly is None:
                verdicts = as_guard(guard).judge(images, categories, [None] * len(images))
            else:
                found: dict[int, Verdict] = {}
                with closing(singly(images, categories)) as answers:
                    for place, verdict in answers:
                        found[place] = verdict
                        came(place, verdict, len(found))
                verdicts = [found[place] for place in sorted(found)]
            yield Judged(verdicts, time.perf_counter() - begin)
    except ModuleNotFoundError as error:
        raise SafetyPairsError(
            f"{guard.name} needs the package {error.name}; pip install 'safetypairs-hf[gpu]', or that package"
        ) from error


def _in_order(unit: _Asked, found: Sequence[Verdict], name: str) -> list[Verdict]:
    """All verdicts of a unit: those that were known, and the guard's own."""
    if len(found) != len(unit.left):
        raise SafetyPairsError(f"{name} gave {len(found)} verdicts for {len(unit.left)} images; it owes one an image")
    verdicts = unit.known | dict(zip(unit.left, found, strict=True))
    return [verdicts[row] for row in unit.rows]


def _heard(guard: Judge, parts: Parts, number: int, verdicts: Sequence[Verdict]) -> bool:
    """As `refuse_unreadable`, with nothing kept of what cannot be read."""
    try:
        return refuse_unreadable(verdicts, guard.name, as_guard(guard).expects)
    except SafetyPairsError:
        parts.discard(number)
        raise


def _with_kept(error: SafetyPairsError, parts: Parts) -> SafetyPairsError:
    return type(error)(f"{error}; {parts.standing()}") if parts.count() else error
