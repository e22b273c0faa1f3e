"""The guard at work: the next unit is read and decoded, and the last one written, while it looks at this one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from safetypairs_hf.errors import SafetyPairsError
from safetypairs_hf.evaluating.data import Data
from safetypairs_hf.evaluating.folder import Parts
from safetypairs_hf.records import Judge, Picture, Verdict

Progress: TypeAlias = Callable[[str, int, int], None]
_READERS = 8


@dataclass
class Work:
    """What a run did: images judged, seconds in all, and seconds of them inside the guard."""

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

    An image that does not decode is an abstention, "broken_image". The guard is only ever called in this thread.

    Raises:
        SafetyPairsError: as the guard does; what was done before stays.
    """
    work, started = Work(), time.perf_counter()
    readers = ThreadPoolExecutor(min(_READERS, (os.cpu_count() or 1) + 1), "read")
    writer = ThreadPoolExecutor(1, "write")
    written: Future[None] | None = None
    decode = getattr(guard, "holds_model", True)  # what is sent to a server is sent as it is encoded

    def ahead(place: int) -> list[Future[Picture | Verdict]]:
        rows = units[mine[place]] if place < len(mine) else ()
        return [readers.submit(_picture, data, row, decode) for row in rows]

    try:
        coming = ahead(0)
        for place, unit in enumerate(mine):
            here, coming = [future.result() for future in coming], ahead(place + 1)
            images = [data.images[row] for row in units[unit]]
            before = time.perf_counter()
            verdicts = _judged(guard, here, [image.category for image in images])
            work.inside += time.perf_counter() - before
            if written is not None:
                written.result()  # so a full disk ends the run, and a kill loses no more than two units
            written = writer.submit(parts.write, unit, images, verdicts)
            work.images += len(images)
            progress("judge", place + 1, len(mine))
    except SafetyPairsError as error:
        writer.shutdown()
        kept = sum(parts.has(unit) for unit in range(len(units)))
        raise _with_kept(error, kept, len(units)) from error
    finally:
        readers.shutdown(cancel_futures=True)
        writer.shutdown()
    if written is not None:
        written.result()
    work.seconds = time.perf_counter() - started
    return work


def _picture(data: Data, row: int, decode: bool) -> Picture | Verdict:
    picture = Picture(data.read(row))
    if decode:
        try:
            _ = picture.pixels
        except Exception as error:  # a decoder may raise anything on a damaged file; one must not end a run
            return Verdict(None, "broken_image", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return picture


def _judged(guard: Judge, here: Sequence[Picture | Verdict], categories: Sequence[str]) -> list[Verdict]:
    asked = [(each, category) for each, category in zip(here, categories, strict=True) if not isinstance(each, Verdict)]
    try:
        found = guard.judge([each for each, _ in asked], [category for _, category in asked], [None] * len(asked))
    except ModuleNotFoundError as error:
        raise SafetyPairsError(
            f"{guard.name} needs the package {error.name}; pip install 'safetypairs-hf[gpu]', or that package"
        ) from error
    answers = iter(found)
    if len(found) != len(asked):
        raise SafetyPairsError(f"{guard.name} gave {len(found)} verdicts for {len(asked)} images; it owes one an image")
    return [each if isinstance(each, Verdict) else next(answers) for each in here]


def _with_kept(error: SafetyPairsError, kept: int, total: int) -> SafetyPairsError:
    if not kept:
        return error
    return type(error)(f"{error}; {kept} of {total} units are done and kept: run the same command again to go on")
