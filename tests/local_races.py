"""Two publishers of one local folder at the same moment, each with a temporary folder of its own.

A publisher is a process, forked from a server that has imported everything once, and does what `safetypairs publish`
does. Both wait for each other: at the start, or with their files made, right before the commit.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from builds import make_run

from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.target import Change
from safetypairs_hf.versions.verify import verify

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["safetypairs_hf.publishing.publish", "pyarrow.dataset", "numpy.random"])
_BASE = "1.0.0"
_VERSIONS = ("1.1.0", "1.2.0")


@dataclass(frozen=True)
class Race:
    """What each publisher said ("" where it published), and what was lost, in words; "" where nothing was."""

    said: tuple[str, ...]
    lost: str


def local_races(folder: Path, races: int, at_once: int = 1) -> Iterator[Race]:
    """Run races, some of them at once, which keeps the machine busy."""
    runs = [str(make_run(folder / f"run-{n}", pairs=n, sources=40).root) for n in (4, 5, 6)]
    base = folder / "base"
    publish(open_run(runs[0]), parse_target(str(base)), parse(_BASE))

    def race(n: int) -> Race:
        target = folder / f"race-{n}" / "pairs"
        target.parent.mkdir()
        new = n % 4 == 3  # a folder that nobody has published to
        if not new:
            shutil.copytree(base, target)
        found = _race(target, runs[1:], () if new else (_BASE,), at_commit=n % 4 != 0)
        shutil.rmtree(target.parent)
        return found

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(race, range(races))


def _race(target: Path, runs: list[str], before: tuple[str, ...], *, at_commit: bool) -> Race:
    barrier = _FORK.Barrier(len(runs))
    waiting: list[tuple[Any, Connection]] = []
    for run, version in zip(runs, _VERSIONS, strict=True):
        ours, theirs = _FORK.Pipe()
        own = tempfile.mkdtemp(dir=target.parent)
        child = _FORK.Process(target=_publish, args=(run, str(target), version, own, barrier, at_commit, theirs))
        child.start()
        theirs.close()
        waiting.append((child, ours))
    said = []
    for child, ours in waiting:
        said.append(ours.recv())
        child.join()
    published = [version for version, words in zip(_VERSIONS, said, strict=True) if not words]
    return Race(tuple(said), _lost(target, [*before, *published], said))


def _lost(target: Path, expected: list[str], said: list[str]) -> str:
    if odd := [words for words in said if words and "meanwhile" not in words and "is not above the last" not in words]:
        return f"a publisher said: {odd[0]}"
    edition = open_published(str(target)).newest()
    there = [release["version"] for release in edition.releases] if edition else []
    if there != expected:
        return f"releases {there}, and those that ended well are {expected}"
    if problems := verify(open_published(str(target))).problems:
        return f"{len(problems)} problems, first {problems[0]}"
    return ""


class _Waiting(LocalTarget):
    """Waits for the other publisher before it commits."""

    barrier: Any

    def commit(self, change: Change) -> str:
        self.barrier.wait()
        return super().commit(change)


def _publish(
    run: str, target: str, version: str, temporary: str, barrier: Any, at_commit: bool, answer: Connection
) -> None:
    os.environ["TMPDIR"] = tempfile.tempdir = temporary
    opened, place = open_run(run), (_Waiting if at_commit else LocalTarget)(target)
    if isinstance(place, _Waiting):
        place.barrier = barrier
    else:
        barrier.wait()
    try:
        publish(opened, place, parse(version))
        answer.send("")
    except BaseException as error:
        answer.send(f"{type(error).__name__}: {error}")
