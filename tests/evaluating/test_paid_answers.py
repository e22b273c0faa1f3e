"""Answers of a server: each is kept as it comes, a run with none that can be read stops, what failed is asked again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_api import ChatAPI, Reaction, chat_api, completion
from click.testing import CliRunner, Result
from loading.published import publish
from moderation_api import moderated, moderation_api
from processes import interruptible, wait_for

from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.evaluating.abstentions import abstentions
from safetypairs_hf.evaluating.data import open_data
from safetypairs_hf.evaluating.evaluate import evaluate, judge_data
from safetypairs_hf.guards.catalogue import make_guard

OUT, WHOLE, PARTS = Path("served.parquet"), Path("whole.parquet"), Path("served.parquet.parts")
# Lines come at once, and not after a minute.
PROGRAM = "import sys\nfrom safetypairs_hf.cli import main, progress\nprogress.EVERY = 0.01\nmain(sys.argv[1:])\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(publish(tmp_path_factory.mktemp("data") / "squares", "1.1.0"))


class Served:
    """A server whose answer depends on the question alone, but for those in `fails`, and for those that it `holds`.

    Questions are numbered in the order in which it first sees them.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.fails: dict[int, Reaction] = {}
        self.holds: Callable[[int], bool] = lambda number: False
        self.free = threading.Event()
        self.lock = threading.Lock()
        self.concurrency = 2
        self.api: ChatAPI

    def react(self, body: dict[str, Any], times: int) -> Reaction:
        question = str(body["messages"])
        with self.lock:
            number = self.numbers.setdefault(question, len(self.numbers))
        if self.holds(number):
            self.free.wait()
        return self.fails.get(number) or Reaction(completion("Yes" if sum(question.encode()) % 3 else "No"))

    @property
    def asked(self) -> int:
        return len(self.api.requests)

    def guard(self) -> Any:
        return make_guard("server", self.settings)

    @property
    def settings(self) -> dict[str, str]:
        return {"model": "small-vlm", "url": self.api.url, "retries": "0", "concurrency": str(self.concurrency)}

    def words(self, data: str, *more: str) -> list[str]:
        settings = [word for name, value in self.settings.items() for word in ("--set", f"{name}={value}")]
        return ["evaluate", "server", "--data", data, "--out", str(OUT), *settings, *more]


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    with chat_api(found.react) as found.api:
        yield found
        found.free.set()


def started(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible,
    )


def kept() -> int:
    files = list(PARTS.glob("*.jsonl"))
    return sum(len(file.read_bytes().splitlines()) for file in files)


def test_stopped_and_killed_in_its_first_unit_it_asks_nothing_twice(served: Served, data: str) -> None:
    served.holds = lambda number: number >= 4
    with started(served.words(data)) as process:
        wait_for(lambda: kept() == 4, "the first answers are not kept")
        assert process.stderr is not None
        assert any("judge: 4 of 14 (29%)" in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read().splitlines()[-1]
    assert process.returncode == 130
    assert said == (
        "safetypairs: stopped; 4 of 14 images are judged and kept in served.parquet.parts; run the same command "
        "again to continue"
    )
    in_flight = served.asked - 4
    assert 1 <= in_flight <= 2
    served.holds = lambda number: number >= 9
    served.free.set()
    served.free = threading.Event()
    with started(served.words(data)) as process:
        wait_for(lambda: kept() == 9, "the next answers are not kept")
        process.kill()
    with next(PARTS.glob("*.jsonl")).open("ab") as file:
        file.write(b'["abc')  # as a kill within a write would leave it
    served.holds = lambda number: False
    served.free.set()
    asked = served.asked
    score = evaluate(served.guard(), data, OUT)
    assert served.asked - asked == 14 - 9
    assert evaluate(served.guard(), data, WHOLE) == score
    assert OUT.read_bytes() == WHOLE.read_bytes() and not PARTS.exists()


def test_a_fast_guard_keeps_units_and_no_journal(data: str, green: Any) -> None:
    seen = []
    judge_data(green, open_data(data), OUT, unit=4, progress=lambda *at: seen.append((at, list(PARTS.glob("*.jsonl")))))
    assert [at for at, _ in seen] == [("judge", done, 14) for done in (0, 4, 8, 12, 14)]
    assert not any(journals for _, journals in seen)


def test_a_server_gone_in_the_middle_of_a_unit_keeps_what_it_answered(served: Served, data: str) -> None:
    served.concurrency = 1
    served.fails = dict.fromkeys(range(5, 14), Reaction("gone", 401))
    with pytest.raises(SafetyPairsError, match=r"\(401\): gone; 5 of 14 images are judged and kept in"):
        evaluate(served.guard(), data, OUT)
    served.fails = {}
    before = served.asked
    evaluate(served.guard(), data, OUT)
    assert served.asked - before == 9
    evaluate(served.guard(), data, WHOLE)
    assert OUT.read_bytes() == WHOLE.read_bytes()


def invoked(words: list[str]) -> Result:
    return CliRunner().invoke(group, words)


def test_a_guard_of_which_nothing_can_be_read_stops(served: Served, data: str) -> None:
    served.fails = dict.fromkeys(range(14), Reaction(completion("Well, \x1b[31mit depends")))
    done = invoked(served.words(data))
    assert isinstance(done.exception, SafetyPairsError)
    assert str(done.exception) == (
        "none of chat-vlm:small-vlm's answers for the first 14 images can be read (14 no_verdict); the first was "
        "'Well, \\x1b[31mit depends', expected an answer that starts with Yes or No; correct that and run the command "
        "again (no answer was kept), or continue with --unreadable warn"
    )
    assert not OUT.exists() and not PARTS.exists()
    went_on = invoked(served.words(data, "--unreadable", "warn"))
    assert went_on.exit_code == 0 and "warning: 14 of 14 images have no verdict" in went_on.stderr
    OUT.unlink()
    served.fails = {}
    preflight, judged = invoked(served.words(data)).stderr.splitlines()
    assert re.match(
        r"safetypairs: http\S+/v1 serves small-vlm; one image in \S+ s: P\(unsafe\) .*; no log prob", preflight
    )
    assert judged.startswith("safetypairs: judged 14 images in ")


def test_over_half_without_a_verdict_is_a_warning(served: Served, data: str) -> None:
    served.fails = dict.fromkeys(range(6), Reaction(completion("It depends"))) | {6: Reaction("oops", 500)}
    assert "warning" not in invoked(served.words(data)).stderr  # exactly half
    served.fails[7] = Reaction("oops", 500)
    done = invoked(served.words(data, "--fresh"))
    warned = next(line for line in done.stderr.splitlines() if "warning" in line)
    assert done.exit_code == 0 and warned == (
        "safetypairs: warning: 8 of 14 images have no verdict, and count as wrong: 6 no_verdict, 2 server_error; the "
        "first no_verdict was 'It depends'; all of them are in the column raw; "
        "to ask again about failed images: --retry failed"
    )
    rows = [row for row in pq.read_table(OUT).to_pylist() if row["score"] is None]
    assert sorted(row["raw"] for row in rows) == ["500: oops"] * 2 + ["It depends"] * 6


def test_what_is_not_covered_neither_stops_nor_hides_what_cannot_be_read(data: str) -> None:
    """The first unit is all of hate, which this guard does not cover, and has no answer; the next has."""
    out_of_range = moderated(violence=2.0)
    with moderation_api(lambda body, times: Reaction(out_of_range)) as api:
        guard = make_guard("omni-moderation", {"url": api.url, "api_key_env": "", "retries": "0"})
        with pytest.raises(SafetyPairsError) as caught:
            evaluate(guard, data, OUT, unit=6)
    assert (
        "answers for the first 6 images can be read (6 broken_output); the first was "
        "'violence:2.0 violence/graphic:0.001', expected a score from 0 to 1 for the category" in str(caught.value)
    )
    assert "6 of 14 images are judged and kept" in str(caught.value)  # those of hate


class Wordless:
    """A guard of the user's that says why, in words of its own."""

    name, revision = "wordless", "1"

    def judge(self, images: Any, categories: Any, regions: Any) -> list[Verdict]:
        return [Verdict(None, "too_dark") for _ in images]


def test_abstentions_of_its_own_do_not_stop_a_guard(data: str) -> None:
    assert evaluate(Wordless(), data, OUT).abstention_rate == 1.0
    assert abstentions(OUT).warning(OUT) == "14 of 14 images have no verdict, and count as wrong: 14 too_dark"


def test_retry_asks_only_what_failed_and_changes_nothing_else(served: Served, data: str) -> None:
    served.fails = {3: Reaction("oops", 500), 8: Reaction("oops", 500), 5: Reaction(completion("It depends"))}
    assert invoked(served.words(data)).exit_code == 0
    first, before = pq.read_table(OUT).to_pylist(), OUT.read_bytes()
    asked = served.asked
    del served.fails[3]
    done = invoked(served.words(data, "--retry", "failed"))
    assert done.exit_code == 0, done.output
    assert "safetypairs: asked 2 images again that had failed: 1 mended, and 1 failed again\n" in done.stderr
    assert served.asked - asked == 2 and OUT.read_bytes() != before
    second = pq.read_table(OUT).to_pylist()
    changed = [(a["note"], b["note"]) for a, b in zip(first, second, strict=True) if a != b]
    assert changed == [("server_error", "")]
    del served.fails[8]
    assert "asked 1 image again that had failed: 1 mended\n" in invoked(served.words(data, "--retry", "failed")).stderr
    del served.fails[5]
    before, asked = OUT.read_bytes(), served.asked
    done = invoked(served.words(data, "--retry", "failed"))  # an answer that is none is an answer
    assert "nothing had failed, so nothing was asked again\n" in done.stderr
    assert (served.asked, OUT.read_bytes()) == (asked, before) and not list(Path().glob("served.parquet.*"))
    served.fails = {5: Reaction(completion("It depends"))}
    evaluate(served.guard(), data, WHOLE)
    assert OUT.read_bytes() == WHOLE.read_bytes()  # as one in which nothing ever failed


def test_a_retry_that_is_stopped_leaves_the_file_and_goes_on(served: Served, data: str) -> None:
    served.concurrency = 1
    failing = dict.fromkeys(range(1, 14, 2), Reaction("oops", 500))
    served.fails = dict(failing)
    evaluate(served.guard(), data, OUT, unit=2)
    before = OUT.read_bytes()
    served.fails = {number: Reaction("no", 401) for number in failing if number > 6}
    with pytest.raises(SafetyPairsError) as caught:
        evaluate(served.guard(), data, OUT, unit=2, retry="failed")
    assert str(caught.value).endswith(
        "(401): no; 3 of 7 failed images are judged again and kept, and served.parquet is unchanged; "
        "run the same command again to continue"
    )
    assert OUT.read_bytes() == before
    served.fails = {}
    asked = served.asked
    evaluate(served.guard(), data, OUT, unit=2, retry="failed")
    assert served.asked - asked == 4
    evaluate(served.guard(), data, WHOLE, unit=2)
    assert OUT.read_bytes() == WHOLE.read_bytes() and not list(Path().glob("served.parquet.*"))


def test_retry_of_a_run_that_is_not_finished(served: Served, data: str) -> None:
    served.concurrency = 1
    served.fails = {1: Reaction("oops", 500), 2: Reaction("oops", 500)} | dict.fromkeys(
        range(8, 14), Reaction("no", 401)
    )
    with pytest.raises(SafetyPairsError, match=r"8 of 14 images are judged and kept in served.parquet.parts"):
        evaluate(served.guard(), data, OUT, unit=4)
    served.fails = {}
    asked = served.asked
    done = judge_data(served.guard(), open_data(data), OUT, unit=4, retry="failed")
    assert (done.retried, done.mended, served.asked - asked) == (2, 2, 2 + 6)
    evaluate(served.guard(), data, WHOLE, unit=4)
    assert OUT.read_bytes() == WHOLE.read_bytes()


def test_the_retry_of_another_file_is_forgotten(served: Served, data: str) -> None:
    """What a retry left behind is of the file that it was begun on, and not of one that took its place."""
    served.fails = {1: Reaction("oops", 500), 12: Reaction("oops", 500)}
    evaluate(served.guard(), data, OUT, unit=2)
    served.fails = {12: Reaction("no", 401)}
    with pytest.raises(SafetyPairsError, match="1 of 2 failed images is judged again and kept"):
        evaluate(served.guard(), data, OUT, unit=2, retry="failed")
    OUT.unlink()
    served.fails = {1: Reaction(completion("It depends")), 12: Reaction("oops", 500)}
    evaluate(served.guard(), data, OUT, unit=2)
    served.fails = {}
    evaluate(served.guard(), data, OUT, unit=2, retry="failed")
    assert abstentions(OUT).notes == {"no_verdict": 1}


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        ({"retry": "failed"}, {}, r"^--retry failed: there is no served.parquet, and no unfinished run for it; leave"),
        ({"retry": "all"}, {}, r"^retry = 'all': expected 'failed'$"),
        ({"unreadable": "go"}, {}, r"^unreadable = 'go': expected 'error' or 'warn'$"),
        (
            {"retry": "failed", "fresh": True},
            {},
            r"^fresh discards all predictions, and retry keeps those that did not fail; give one",
        ),
        ({"retry": "failed"}, {"WORLD_SIZE": "2"}, r"^retry with 2 processes: .*; unset WORLD_SIZE$"),
    ],
)
def test_retries_that_cannot_be(
    data: str, monkeypatch: pytest.MonkeyPatch, options: Any, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=message):
        evaluate(Wordless(), data, OUT, **options)
    assert not list(Path().glob("served*"))
