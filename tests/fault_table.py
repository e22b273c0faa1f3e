"""Publishes through `fault_proxy`, one case at a time: what was done to which request, and how it ended.

A publisher is a process of its own, forked from a server that has imported everything once; a case takes a second or
two. Hub, proxy, sockets, kills and full disks are real.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import resource
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pygit2
from builds import make_run
from fault_proxy import Proxy, proxied
from huggingface_hub import HfApi

from safetypairs_hf.testing.localhub.lfs import parse_pointer
from safetypairs_hf.testing.localhub.server import Server, serve

REPO = "lab/safetypairs"
TOKEN = "hf_alice"
ANSWER_SECONDS = 2.0  # a publisher's patience where the proxy stalls, which has more
PATIENT = 120.0  # and where it does not
FULL = 3_000  # bytes that a file may have on the "full disk"; the smallest shard has more

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(
    [
        "safetypairs_hf.publishing.publish",
        "safetypairs_hf.publishing.hub_target",
        "huggingface_hub.hf_api",
        "huggingface_hub.utils._xet",
        "pyarrow.dataset",  # imported when pyarrow first reads, and pandas with it: longer than a publish takes
        "numpy.random",
    ]
)
_STORED = ("repos", "xorbs")  # the folders of a hub that hold what was published


class Release(NamedTuple):
    """What the command is told."""

    run: str
    version: str
    replace: bool = False


@dataclass(frozen=True)
class Scenario:
    """`before` are published undisturbed; `release` is then published with a fault."""

    name: str
    before: Sequence[Release]
    release: Release


class State(NamedTuple):
    """A repo: titles of main's commits, oldest first; tag -> place of its commit; tag -> path -> content's id."""

    commits: tuple[str, ...]
    tags: dict[str, int]
    files: dict[str, dict[str, str]]


EMPTY = State((), {}, {})
CREATED = State(("initial commit",), {}, {})


class Said(NamedTuple):
    """How a publisher ended: exit code (-9 where it was killed), and its message."""

    code: int
    text: str


@dataclass(frozen=True)
class Outcome:
    """`kind`: complete; resumed (nothing was changed, and the same command finished it); tagged (the commit was there,
    and the same command set its tag); lost. `again`: bytes that the same command sent though they had arrived."""

    fault: str
    request: int
    what: str
    first: Said
    kind: str
    again: int
    why: str = ""


def scenarios(folder: Path) -> list[Scenario]:
    """A first release; and one that adds a file, rewrites one and deletes one. Small: a request is a case."""
    small = make_run(folder / "small", pairs=4, sources=40).root
    other = make_run(folder / "other", pairs=5, sources=40, seed=1).root
    first = Release(str(small), "1.0.0")
    return [Scenario("first", (), first), Scenario("second", (first,), Release(str(other), "2.0.0", replace=True))]


@dataclass
class Bench:
    """A hub, its proxy, and for a scenario: the repos before it, and how it ends undisturbed."""

    server: Server
    proxy: Proxy
    home: Path
    xet: bool = False
    requests: list[str] = field(default_factory=list)
    sent: int = 0  # bytes that the undisturbed release uploads
    pid: int = 0

    def prepare(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._wipe()
        self.proxy.arm("")
        for release in scenario.before:
            said = self.publish(release)
            assert said == Said(0, ""), said
        self.saved = self.home / f"saved-{scenario.name}"
        for name in _STORED:
            shutil.copytree(self.server.directory / name, self.saved / name)
        self.before = self.state()
        self.proxy.arm("")
        start = len(self.server.log)
        said = self.publish(scenario.release)
        assert said == Said(0, ""), said
        self.sent = sum(self._uploads(start, len(self.server.log)).values())
        self.requests, self.want = list(self.proxy.seen), self.state()
        assert len(self.want.commits) == len(self.before.commits or CREATED.commits) + 1
        assert set(self.want.tags) - set(self.before.tags) == {f"v{scenario.release.version}"}

    def case(self, fault: str, request: int) -> Outcome:
        """The fault at the request, then the same command again undisturbed."""
        self.restore()
        start = len(self.server.log)
        first = self._disturbed(fault, request)
        what = self.proxy.seen[request - 1] if request <= len(self.proxy.seen) else ""
        between, middle = self.state(), len(self.server.log)
        self.proxy.arm("")
        second = self.publish(self.scenario.release)
        # Not by name: hf-xet puts the same files into other xorbs, as they come.
        both = self._uploads(start, middle), self._uploads(middle, len(self.server.log))
        again = max(0, sum(sum(uploads.values()) for uploads in both) - self.sent) if both[1] else 0
        kind, why = self._judge(first, between, second)
        return Outcome(fault, request, what, first, kind, again, why)

    def restore(self) -> None:
        """The hub as it was before the scenario's release, and a publisher that has kept nothing."""
        self._wipe()
        self.proxy.arm("")
        for name in _STORED:
            shutil.copytree(self.saved / name, self.server.directory / name, dirs_exist_ok=True)

    @property
    def api(self) -> HfApi:
        return HfApi(self.server.endpoint, token=TOKEN)

    def direct(self, release: Release) -> Said:
        """Publish past the proxy."""
        return self._run(self.server.endpoint, release, full=False)

    def state(self) -> State:
        folder = self.server.directory / "repos" / "datasets" / REPO
        if not folder.exists():
            return EMPTY
        git = pygit2.Repository(str(folder / "git"))
        commits = [c.id for c in git.walk(git.references["refs/heads/main"].target, pygit2.enums.SortMode.REVERSE)]
        tags = {name.removeprefix("refs/tags/"): git.references[name].peel(pygit2.Commit).id
                for name in git.references if name.startswith("refs/tags/")}  # fmt: skip
        titles = tuple(git[commit].message.strip() for commit in commits)
        files = {tag: dict(_files(git, git[commit].tree)) for tag, commit in tags.items()}
        return State(titles, {tag: commits.index(commit) for tag, commit in tags.items()}, files)

    def publish(self, release: Release, full: bool = False, patience: float = PATIENT) -> Said:
        return self._run(self.proxy.endpoint, release, full, patience)

    def _run(self, endpoint: str, release: Release, full: bool, patience: float = PATIENT) -> Said:
        ours, theirs = _FORK.Pipe()
        child = _FORK.Process(
            target=_publish, args=(endpoint, release, str(self.home), self.xet, full, patience, theirs)
        )
        child.start()
        self.pid = child.pid or 0
        theirs.close()
        try:
            code, text = ours.recv()
        except EOFError:
            code, text = -9, "killed"
        child.join()
        child.close()
        return Said(code, text)

    def _disturbed(self, fault: str, request: int) -> Said:
        full = fault == "full disk"
        self.proxy.arm("" if full else fault, request, lambda: os.kill(self.pid, signal.SIGKILL))
        return self.publish(self.scenario.release, full, ANSWER_SECONDS if fault == "stall" else PATIENT)

    def _judge(self, first: Said, between: State, second: Said) -> tuple[str, str]:
        untagged = State(self.want.commits, self.before.tags, self.before.files)
        kinds = {"complete": self.want, "tagged": untagged, "resumed": self.before}
        kind = next((kind for kind, state in kinds.items() if state == between), "lost")
        if between == CREATED and not self.before.commits:
            kind = "resumed"
        if kind == "lost":
            return kind, f"in between: {between}"
        if first.code == 0 and kind != "complete":
            return "lost", "it said that all was well"
        if first.code not in (0, 1, -9) or "\n" in first.text:
            return "lost", f"not one line: {first.text}"
        if second.code != 0 or self.state() != self.want:
            return "lost", f"again: {second}"
        return kind, ""

    def _uploads(self, start: int, stop: int) -> dict[str, int]:
        """What arrived whole: path of the object -> bytes."""
        done = [entry for entry in self.server.log[start:stop] if entry.status == 200]
        return {e.path: e.bytes_received for e in done if "/lfs/upload/" in e.path or "/xorbs/" in e.path}

    def _wipe(self) -> None:
        for name in _STORED:
            shutil.rmtree(self.server.directory / name, ignore_errors=True)
            (self.server.directory / name).mkdir()
        # hf-xet keeps what it knows to be stored, and would not send it again
        for name in ("cache", "xet"):
            shutil.rmtree(self.home / name, ignore_errors=True)


def run_cases(
    scenario: Scenario,
    folder: Path,
    choose: Callable[[list[str]], Iterable[tuple[str, int]]],
    xet: bool = False,
    workers: int = 4,
) -> list[Outcome]:
    """The outcomes of the cases that `choose` names, given the undisturbed requests. A worker has its own hub."""
    cases: queue.Queue[tuple[str, int]] = queue.Queue()
    outcomes: list[Outcome] = []

    def work(mine: Bench) -> None:
        while True:
            try:
                outcomes.append(mine.case(*cases.get_nowait()))
            except queue.Empty:
                return

    with ExitStack() as stack:
        benches = [stack.enter_context(bench(folder / f"{scenario.name}-{n}", xet)) for n in range(workers)]
        for mine in benches:
            mine.prepare(scenario)
        for case in choose(benches[0].requests):
            cases.put(case)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, benches))
    return outcomes


@contextmanager
def bench(folder: Path, xet: bool = False) -> Iterator[Bench]:
    with (
        serve(folder / "hub", {"alice": TOKEN}, {"lab": ["alice"]}) as server,
        proxied(server.endpoint) as proxy,
    ):
        yield Bench(server, proxy, folder, xet)


def _files(git: pygit2.Repository, tree: pygit2.Tree, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in tree:
        if isinstance(item, pygit2.Tree):
            yield from _files(git, item, f"{prefix}{item.name}/")
        else:
            pointer = parse_pointer(item.data) if item.size < 200 else None
            yield prefix + str(item.name), pointer.oid if pointer else str(item.id)


def _publish(
    endpoint: str, release: Release, home: str, xet: bool, full: bool, patience: float, answer: Connection
) -> None:
    """In the publisher's process: what `safetypairs publish` does."""
    from huggingface_hub import constants

    from safetypairs_hf.cli.progress import quiet_hub
    from safetypairs_hf.core.errors import SafetyPairsError
    from safetypairs_hf.core.run_folder import open_run
    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.hub_target import HubTarget
    from safetypairs_hf.publishing.publish import publish

    constants.HF_HUB_DISABLE_XET = not xet
    constants.HF_HUB_CACHE = f"{home}/cache"  # as HF_HUB_CACHE would, which was read before the fork
    os.environ["HF_XET_CACHE"] = f"{home}/xet"
    os.environ["HF_XET_CLIENT_RETRY_BASE_DELAY"] = "50ms"  # as many tries as ever, but not 90 seconds of waiting
    os.environ["SAFETYPAIRS_HUB_TIMEOUT"] = str(patience)
    quiet_hub()
    logging.disable()
    if full:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))
    target = HubTarget(REPO, api=HfApi(endpoint, token=TOKEN))
    said: tuple[int, str]
    try:
        publish(open_run(release.run), target, parse(release.version), replace=release.replace)
        said = 0, ""
    except SafetyPairsError as error:
        said = 1, str(error)
    except BaseException as error:
        said = 70, f"{type(error).__module__}.{type(error).__name__}: {error}\n"
    answer.send(said)
