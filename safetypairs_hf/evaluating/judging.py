"""Run a guard over work units. While it judges one unit, the next are read and decoded and the last is written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from safetypairs_hf.core.errors import SafetyPairsError, counted, cut, in_a_line, printable
from safetypairs_hf.core.records import Judge, Picture, Verdict
from safetypairs_hf.evaluating.abstentions import BROKEN_IMAGE, FAILED, refuse_unreadable
from safetypairs_hf.evaluating.data import Data
from safetypairs_hf.evaluating.work_units import Parts
from safetypairs_hf.guards.base import Guard, Judged, ModelGuard, Unit
from safetypairs_hf.guards.chat_vlm import ChatGuard
from safetypairs_hf.guards.user_guard import as_guard
from safetypairs_hf.models.outage import FAILURES, TELLING

Progress: TypeAlias = Callable[[str, int, int], None]
# Called with a line about the server.
Tell: TypeAlias = Callable[[str], None]
# Called with each single verdict: the number of its unit among those taken, its place in the unit, and the verdict.
Came: TypeAlias = Callable[[int, int, Verdict], None]
_READERS = 8


@dataclass
class Work:
    """What a run did.

    Attributes:
        images: The number of judged images.
        seconds: The time of the run.
        inside: The seconds in which the guard's model was at work; for a guard without a model in this process, the
            time of its `judge`.
        retried: In a retry, the number of images that had failed.
        mended: The number of these that did not fail again.
    """

    images: int = 0
    seconds: float = 0.0
    inside: float = 0.0
    retried: int = 0
    mended: int = 0

    @property
    def busy(self) -> float:
        """The share of the time in which the guard was at work; 0.0 if there was nothing to do."""
        return self.inside / self.seconds if self.seconds else 0.0


@dataclass
class _Asked:
    """A work unit in progress: its rows in order, the known verdicts, and the rows to ask about.

    `answered` counts the rows to ask about whose verdict arrived before the unit was complete.
    """

    number: int
    rows: Sequence[int]
    known: dict[int, Verdict]
    left: list[int]
    answered: int = 0


def judge_units(
    guard: Judge,
    data: Data,
    parts: Parts,
    units: Sequence[Sequence[int]],
    mine: Sequence[int],
    progress: Progress,
    stop_unreadable: bool = True,
    tell: Tell = lambda line: None,
) -> Work:
    """Judge the units whose numbers are in `mine`. Save each when it is done; for a `costly` guard, save each answer.

    A server is asked about one image before all others, and `tell` gets a line about its answer. An image that does not
    decode is an abstention, "broken_image". The guard is only called in this thread, except for preparation outside its
    model (see `ModelGuard.judge_each`). `progress` counts images.

    Raises:
        SafetyPairsError: Errors of the guard, after which finished units are kept; or, with `stop_unreadable`, none of
            its first answers can be read.
    """
    work, started = Work(), time.perf_counter()
    readers = ThreadPoolExecutor(min(_READERS, (os.cpu_count() or 1) + 1), "read")
    writer = ThreadPoolExecutor(1, "write")
    written: Future[None] | None = None
    begun: dict[int, _Asked] = {}
    decode = getattr(guard, "holds_model", True)  # a server gets the encoded file
    heard = not stop_unreadable or bool(parts.failed) or any(map(parts.has, range(len(units))))
    done, total = 0, sum(len(units[number]) for number in mine)

    def asked() -> Iterator[Unit]:
        for taken, (unit, pictures) in enumerate(_pictures(data, parts, units, mine, readers, decode)):
            read = dict(zip(unit.left, pictures, strict=True))
            broken = {row: each for row, each in read.items() if isinstance(each, Verdict)}
            work.images += len(read)
            unit.known |= broken
            unit.left = [row for row in unit.left if row not in broken]
            begun[taken] = unit
            whole = [each for each in read.values() if not isinstance(each, Verdict)]
            yield whole, [data.images[row].category for row in unit.left]

    def came(taken: int, place: int, verdict: Verdict) -> None:
        unit = begun[taken]
        unit.answered += 1
        parts.keep(unit.number, data.images[unit.left[place]], verdict)
        progress("judge", done + sum(len(each.known) + each.answered for each in begun.values()), total)

    judged = _judged(guard, asked(), came)
    progress("judge", 0, total)
    try:
        work.images += _preflight(guard, data, parts, units, mine, tell)
        for taken in range(len(mine)):
            found, seconds = next(judged)
            work.inside += seconds
            unit = begun.pop(taken)
            _refuse_failures(found, guard.name)
            verdicts = _in_order(unit, found, guard.name)
            if not heard:
                heard = _heard(guard, parts, [unit, *begun.values()], verdicts)
            if written is not None:
                written.result()  # so that a full disk ends the run, and a kill loses at most the units in progress
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


def _preflight(
    guard: Judge, data: Data, parts: Parts, units: Sequence[Sequence[int]], mine: Sequence[int], tell: Tell
) -> int:
    """Ask a server about the first unanswered image and save the answer. Return the number of saved answers."""
    if not isinstance(guard, ChatGuard) or guard.holds_model:
        return 0
    for number in mine:
        kept = parts.begun(number)
        for row in units[number]:
            image = data.images[row]
            if image not in kept and guard.covers(guard.taxonomy.find(image.category).slug):
                verdict, line = guard.preflight(Picture(data.read(row), data.name_of(row)), image.category)
                tell(line)
                parts.keep(number, image, verdict)
                return int(verdict.note not in FAILED)
    return 0


def _pictures(
    data: Data, parts: Parts, units: Sequence[Sequence[int]], mine: Sequence[int], readers: Executor, decode: bool
) -> Iterator[tuple[_Asked, list[Picture | Verdict]]]:
    """Yield each unit with the images to ask about. While one is used, the next is read and decoded."""

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
        except Exception as error:  # a decoder may raise anything for a damaged file, which must not end the run
            return Verdict(None, BROKEN_IMAGE, in_a_line(error))
    return picture


def _judged(guard: Judge, units: Iterable[Unit], came: Came) -> Generator[Judged, None, None]:
    """Yield the verdicts of each unit: by `judge_each` if the guard has it, one by one if it is costly."""
    try:
        if isinstance(guard, ModelGuard) and guard.holds_model:
            yield from guard.judge_each(units)
        elif getattr(guard, "costly", False):
            yield from _one_by_one(as_guard(guard), units, came)
        else:
            for images, categories in units:
                begin = time.perf_counter()
                verdicts = as_guard(guard).judge(images, categories, [None] * len(images)) if images else []
                yield Judged(verdicts, time.perf_counter() - begin)
    except ModuleNotFoundError as error:
        raise SafetyPairsError(
            f"{guard.name} needs the package {error.name}; pip install 'safetypairs-hf[gpu]', or that package"
        ) from error


def _one_by_one(guard: Guard, units: Iterable[Unit], came: Came) -> Generator[Judged, None, None]:
    """Yield the verdicts of each unit as they arrive.

    The images of a unit are sent while answers about the unit before it are still missing, so that the server always
    has as many requests as it can work on.
    """
    places: list[tuple[int, int]] = []
    found: list[dict[int, Verdict]] = []
    sizes: list[int] = []

    def asked() -> Iterator[tuple[Picture, str]]:
        for images, categories in units:
            found.append({})
            sizes.append(len(images))
            for place, question in enumerate(zip(images, categories, strict=True)):
                places.append((len(found) - 1, place))
                yield question

    done, begin = 0, time.perf_counter()
    with closing(guard.judge_singly(asked())) as answers:
        for number, verdict in answers:
            taken, place = places[number]
            found[taken][place] = verdict
            came(taken, place, verdict)
            while done < len(found) and len(found[done]) == sizes[done]:
                yield Judged([found[done][place] for place in range(sizes[done])], time.perf_counter() - begin)
                done, begin = done + 1, time.perf_counter()
    yield from (Judged([], 0.0) for _ in found[done:])


def _in_order(unit: _Asked, found: Sequence[Verdict], name: str) -> list[Verdict]:
    """Return all verdicts of a unit: those known before, and the new ones."""
    if len(found) != len(unit.left):
        raise SafetyPairsError(
            f"{name} gave {counted(len(found), 'verdict')} for {counted(len(unit.left), 'image')}; expected one for "
            "each image"
        )
    verdicts = unit.known | dict(zip(unit.left, found, strict=True))
    return [verdicts[row] for row in unit.rows]


def _refuse_failures(found: Sequence[Verdict], name: str) -> None:
    """Raise SafetyPairsError if a server answered none of four or more requests of a unit: it is not available."""
    if len(found) >= TELLING and all(each.note in FAILURES for each in found):
        said = cut(printable(" ".join(found[-1].raw.split())), 160)
        raise SafetyPairsError(
            f"{name} answered none of {len(found)} requests; the last said: {said}; check that the server "
            "runs and is fast enough (timeout, concurrency), then run the same command again"
        )


def _heard(guard: Judge, parts: Parts, begun: Sequence[_Asked], verdicts: Sequence[Verdict]) -> bool:
    """Do what `refuse_unreadable` does; if it raises, no unreadable answer is kept."""
    try:
        return refuse_unreadable(verdicts, guard.name, as_guard(guard).expects)
    except SafetyPairsError:
        for unit in begun:
            parts.discard(unit.number)
        raise


def _with_kept(error: SafetyPairsError, parts: Parts) -> SafetyPairsError:
    return type(error)(f"{error}; {parts.standing()}") if parts.count() else error
