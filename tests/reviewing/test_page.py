"""The page in a real browser: by keyboard, by mouse, on a phone, for two at once, and with a server that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import browser, serious_faults  # noqa: F401
from playwright.sync_api import Browser, Locator, Page, Route, expect

from safetypairs_hf.reviewing.assignment import left_member
from safetypairs_hf.reviewing.review import ReviewServer, serve_review

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# The largest step between neighbouring pixels of a canvas: small where it holds a veiled image, whatever CSS adds.
LARGEST_STEP = """canvas => {
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let largest = 0;
  for (let at = 0; at + 4 < data.length; at += 4)
    if ((at / 4 + 1) % width) largest = Math.max(largest, Math.abs(data[at] - data[at + 4]));
  return largest;
}"""


class Reader:
    """Somebody at the page. `problems` are what the console said, and requests to anywhere else."""

    def __init__(self, page: Page, server: ReviewServer) -> None:
        self.page, self.folder = page, Path(server.sessions.folder.root)
        self.problems: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        address = server.address
        page.on("request", lambda request: self._ask(request.url, address))
        page.goto(address)

    def _ask(self, url: str, address: str) -> None:
        if not url.startswith((address, "blob:", "data:")):
            self.problems.append(url)

    def begin(self, name: str) -> None:
        self.name = name
        self.page.get_by_label("Name or pseudonym").fill(name)
        self.page.keyboard.press("Enter")
        self.wait("blind")

    def wait(self, stage: str) -> str:
        """Wait until a pair is drawn in a stage; its id."""
        drawn = self.page.locator(f"body[data-pair$=' {stage}']")
        drawn.wait_for()
        return (drawn.get_attribute("data-pair") or "").split()[0]

    def next_after(self, pair_id: str) -> None:
        """Wait until another pair, or the end, is shown."""
        self.page.locator(f"body:not([data-pair^='{pair_id}']), body[data-screen=end]").wait_for()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def decide(self, key: str, side: str = "ArrowLeft") -> str:
        """Answer blind and decide by a key; the id of the pair."""
        pair_id = self.wait("blind")
        self.press(side)
        self.wait("revealed")
        self.press(key)
        self.next_after(pair_id)
        return pair_id

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def steps(self) -> list[int]:
        return [canvas.evaluate(LARGEST_STEP) for canvas in self.page.locator("canvas:visible").all()]

    def lines(self) -> list[dict[str, Any]]:
        path = self.folder / "review" / f"{self.name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def actions(self) -> list[tuple[str, str, str]]:
        return [(line["action"], line["reason"], line["note"]) for line in self.lines()]


@pytest.fixture
def server(small_run: Path, tmp_path: Path) -> Iterator[ReviewServer]:
    with serve_review(str(small_run), out=str(tmp_path)) as running:
        yield running


@contextmanager
def reading(browser: Browser, server: ReviewServer, **options: Any) -> Iterator[Reader]:  # noqa: F811
    """A reader in a browser context of their own; nothing may have gone wrong in the page when they leave."""
    context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | options)
    context.set_default_timeout(120_000)
    reader = Reader(context.new_page(), server)
    yield reader
    context.close()
    assert reader.problems == []


def test_a_review_by_keyboard(browser: Browser, server: ReviewServer) -> None:  # noqa: F811
    with reading(browser, server) as anna:
        anna.begin("anna")
        veiled = anna.steps()
        anna.page.keyboard.down(" ")
        lifted = anna.steps()
        assert max(veiled) < 40 < min(lifted)
        anna.page.keyboard.up(" ")
        assert anna.steps() == veiled
        first = anna.decide("a")
        second = anna.wait("blind")
        anna.press("ArrowUp")
        anna.wait("revealed")
        anna.press("r", "2")
        anna.next_after(second)
        third = anna.wait("blind")
        anna.press("ArrowDown")
        anna.wait("revealed")
        anna.press("n")
        anna.page.keyboard.type("is it red? a pale one")  # letters that are keys elsewhere
        anna.press("Escape", "b")
        anna.next_after(third)
        fourth = anna.wait("blind")
        anna.press("s")
        anna.next_after(fourth)
        fifth = anna.wait("blind")
        anna.press("ArrowRight")
        anna.wait("revealed")
        anna.press("r", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab")
        anna.page.keyboard.type("the square is 3 shades of green")
        anna.press("Enter")
        anna.next_after(fifth)
        anna.press("z")
        assert anna.wait("revealed") == fifth  # the blind answer stands
        anna.press("a")
        anna.next_after(fifth)
        expect(anna.page.locator("#count")).to_have_text("5 of 12")
        assert anna.actions() == [
            ("blind", "", ""),
            ("accept", "", ""),
            ("blind", "", ""),
            ("reject", "still_unsafe", ""),
            ("blind", "", ""),
            ("borderline", "", "is it red? a pale one"),
            ("skip", "", ""),
            ("blind", "", ""),
            ("reject", "the square is 3 shades of green", ""),
            ("undo", "", ""),
            ("accept", "", ""),
        ]
        said = anna.lines()
        assert [line["pair_id"] for line in said if line["action"] == "blind"] == [first, second, third, fifth]
        left, right = left_member("anna", first), left_member("anna", fifth) == "safe"
        assert [line["blind"] for line in said] == [
            *(left, left, "both", "both", "neither", "neither", None),
            *(2 * ["unsafe" if right else "safe"]),
            *(None, "unsafe" if right else "safe"),
        ]
        assert all(0 <= line["seconds"] < 3600 for line in said)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_review_by_mouse(browser: Browser, server: ReviewServer, size: dict[str, int]) -> None:  # noqa: F811
    with reading(browser, server, viewport=size) as ben:
        page = ben.page
        page.get_by_label("Name or pseudonym").fill("ben")
        ben.name = "ben"
        ben.button("Begin").click()
        first = ben.wait("blind")
        veiled = ben.steps()
        for held in (page.locator("canvas").first, ben.button("Hold to look")):
            held.hover()
            page.mouse.down()
            assert max(veiled) < 40 < min(ben.steps())
            page.mouse.move(5, 200)
            page.mouse.up()
            assert ben.steps() == veiled
        ben.button("Left" if size is DESK else "Upper").click()
        ben.wait("revealed")
        unsafe = 0 if left_member("ben", first) == "unsafe" else 1
        steps = ben.steps()
        assert steps[unsafe] < 40 < steps[1 - unsafe]  # the unsafe one waits until it is asked for
        ben.button("Show unsafe").click()
        assert min(ben.steps()) > 40
        ben.button("Show unsafe").click()
        for view, label in (("Flicker", "image"), ("Slider", "on each side of a line"), ("Difference", "What differs")):
            ben.button(view).click()
            assert page.locator("canvas:visible").count() == 1
            assert label in (page.locator("canvas:visible").get_attribute("aria-label") or "")
        assert "of the image" in page.locator("#legend").inner_text()
        ben.button("Slider").click()
        page.locator("canvas").first.click(position={"x": 30, "y": 30})
        assert int(page.locator("#slider").input_value()) < 25
        ben.button("Flicker").click()
        before = page.locator("canvas").first.get_attribute("aria-label")
        ben.button("Play").click()
        expect(page.locator("canvas").first).not_to_have_attribute("aria-label", before or "")
        ben.button("Pause").click()
        ben.button("Side by side").click()
        ben.button("Zoom to edit").click()
        assert page.locator("#zoom").get_attribute("aria-pressed") == "true"
        ben.button("Details").click()
        facts = page.get_by_role("region", name="Details").inner_text()
        assert "Paint the square green." in facts and "red-judge" in facts and "An image should not show" in facts
        ben.button("Close the details").click()
        ben.button("Note").click()
        page.get_by_label("Note").fill("seen")
        ben.button("Reject").click()
        ben.button("The edit can be seen").click()
        ben.next_after(first)
        second = ben.wait("blind")
        ben.button("Skip").click()
        ben.next_after(second)
        ben.button("Undo").click()
        expect(page.locator("body")).to_have_attribute("data-pair", f"{second} blind")
        ben.button("Neither").click()
        ben.wait("revealed")
        ben.button("Accept").click()
        ben.next_after(second)
        expect(page.locator("#count")).to_have_text("2 of 12")
        assert ben.actions() == [
            ("blind", "", ""),
            ("reject", "artefact", "seen"),
            ("skip", "", ""),
            ("undo", "", ""),
            ("blind", "", ""),
            ("accept", "", ""),
        ]
        overflow = page.evaluate("[document.body.scrollWidth - innerWidth, document.body.scrollHeight - innerHeight]")
        assert overflow == [0, 0]


def test_two_reviewers_at_once(browser: Browser, small_run: Path, tmp_path: Path) -> None:  # noqa: F811
    with ExitStack() as stack:
        server = stack.enter_context(serve_review(str(small_run), out=str(tmp_path), reviewers=1))
        anna, ben = (stack.enter_context(reading(browser, server)) for _ in range(2))
        anna.begin("anna")
        ben.begin("ben")
        seen: dict[str, list[str]] = {"anna": [], "ben": []}
        for _ in range(6):  # key by key in turn
            pairs = [(reader, reader.wait("blind")) for reader in (anna, ben)]
            for reader, _pair_id in pairs:
                reader.press("ArrowLeft")
            for reader, pair_id in pairs:
                reader.wait("revealed")
                reader.press("a")
                seen[reader.name].append(pair_id)
            for reader, pair_id in pairs:
                reader.next_after(pair_id)
        assert len({*seen["anna"], *seen["ben"]}) == 12
        for reader in (anna, ben):
            expect(reader.page.get_by_role("heading", level=1)).to_have_text("That is all for you")
            decided = [line["pair_id"] for line in reader.lines() if line["action"] == "accept"]
            assert decided == seen[reader.name]


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({"color_scheme": "light"}, "name blind shown difference reasons end"),
        ({"color_scheme": "dark"}, "shown reasons end"),
        ({"color_scheme": "light", "viewport": PHONE}, "blind shown keys"),
    ],
    ids=["light", "dark", "phone"],
)
def test_every_state_of_the_page_is_accessible(
    browser: Browser,  # noqa: F811
    small_run: Path,
    tmp_path: Path,
    options: dict[str, Any],
    states: str,
) -> None:
    found = []

    def look(reader: Reader, state: str) -> None:
        if state in states.split():
            found.extend([f"{state}: {fault}" for fault in serious_faults(reader.page)])

    with (
        serve_review(str(small_run), out=str(tmp_path), limit=1) as server,
        reading(browser, server, **options) as anna,
    ):
        look(anna, "name")
        anna.begin("anna")
        look(anna, "blind")
        anna.press("ArrowLeft")
        pair_id = anna.wait("revealed")
        anna.press("v", "i", "n", "Escape")
        look(anna, "shown")
        anna.press("4")
        look(anna, "difference")
        anna.press("r")
        look(anna, "reasons")
        anna.press("Escape", "?")
        look(anna, "keys")
        anna.press("Escape", "a")
        anna.next_after(pair_id)
        expect(anna.page.get_by_role("heading", level=1)).to_have_text("Enough for now")
        look(anna, "end")
    assert found == []


def test_a_break_is_suggested(browser: Browser, server: ReviewServer) -> None:  # noqa: F811
    with reading(browser, server) as anna:
        anna.page.clock.install()
        anna.page.reload()
        anna.begin("anna")
        anna.decide("a")
        anna.page.clock.fast_forward("19:00")
        anna.decide("a")
        assert not anna.page.get_by_role("dialog").is_visible()
        anna.page.clock.fast_forward("01:01")
        anna.decide("a")
        expect(anna.page.get_by_role("dialog")).to_contain_text("looking for 20 minutes, at 3 pairs")
        anna.press("a", "ArrowLeft")  # behind the dialog no key decides
        anna.button("Go on").click()
        anna.decide("a")
        assert not anna.page.get_by_role("dialog").is_visible()
        assert [action for action, _, _ in anna.actions()] == ["blind", "accept"] * 4


def test_a_veil_comes_back_when_the_window_is_left(browser: Browser, server: ReviewServer) -> None:  # noqa: F811
    with reading(browser, server) as anna:
        anna.begin("anna")
        anna.page.keyboard.down(" ")
        assert min(anna.steps()) > 40
        anna.page.evaluate("window.dispatchEvent(new Event('blur'))")
        assert max(anna.steps()) < 40


def test_an_answer_that_is_lost_is_asked_for_again(browser: Browser, server: ReviewServer) -> None:  # noqa: F811
    context = browser.new_context(viewport=DESK)
    anna = Reader(context.new_page(), server)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    anna.page.route("**/api/decide", lose, times=1)  # before it begins: set later, a request may pass it by
    anna.begin("anna")
    first = anna.wait("blind")
    anna.press("ArrowLeft")
    anna.wait("revealed")
    anna.press("a")
    expect(anna.page.get_by_role("alert")).to_contain_text("The server does not answer")
    assert anna.wait("revealed") == first
    anna.button("Try again").click()
    anna.next_after(first)
    anna.wait("blind")
    assert anna.actions() == [("blind", "", ""), ("accept", "", "")]
    context.close()


def test_two_windows_of_one_reviewer(browser: Browser, server: ReviewServer) -> None:  # noqa: F811
    with reading(browser, server) as here, reading(browser, server) as there:
        here.begin("anna")
        there.begin("anna")
        pair_id = here.wait("blind")
        assert there.decide("a") == pair_id
        here.press("ArrowRight")
        expect(here.page.get_by_role("status")).to_have_text("Not recorded: decided in another window")
        assert here.wait("blind") == there.wait("blind") != pair_id
        assert [action for action, _, _ in here.actions()] == ["blind", "accept"]
        assert [problem for problem in here.problems if "409" not in problem] == []
        here.problems.clear()


@contextmanager
def own_process(run: Path, out: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`safetypairs review` in a process of its own, and the address that it printed."""
    words = [sys.executable, "-m", "safetypairs_hf", "review", str(run), "--out", str(out), "--port", "0"]
    with subprocess.Popen([*words, "--reviewer", "anna"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = next(line.strip() for line in process.stdout if "http://" in line)
        try:
            yield process, address
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


@pytest.mark.parametrize("recorded", [False, True], ids=["before", "after"])
def test_a_kill_between_key_and_answer_loses_nothing(
    browser: Browser,  # noqa: F811
    small_run: Path,
    tmp_path: Path,
    recorded: bool,
) -> None:
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    with own_process(small_run, tmp_path) as (process, address):

        def kill(route: Route) -> None:
            if recorded:
                route.fetch()  # the server answers, and its answer never arrives
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            route.abort()

        page.route("**/api/decide", kill, times=1)  # before the page: set later, a request may pass it by
        page.goto(address)
        drawn = page.locator("body[data-pair$=' blind']")
        pair_id = (drawn.get_attribute("data-pair") or "").split()[0]
        page.keyboard.press("ArrowLeft")
        page.locator("body[data-pair$=' revealed']").wait_for()
        page.keyboard.press("a")
        expect(page.get_by_role("alert")).to_contain_text("start the same command again")
    file = tmp_path / "review" / "anna.jsonl"
    actions = [json.loads(line)["action"] for line in file.read_text().splitlines()]
    assert actions == (["blind", "accept"] if recorded else ["blind"])
    with own_process(small_run, tmp_path) as (process, address):
        page.goto(address)
        page.locator("body[data-pair]").wait_for()
        shown, stage = (page.locator("body").get_attribute("data-pair") or "").split()
        if recorded:
            assert shown != pair_id
        else:  # the blind answer was on disk: the pair is shown as it was
            assert (shown, stage) == (pair_id, "revealed")
            page.keyboard.press("a")
            page.locator(f"body:not([data-pair^='{pair_id}'])").wait_for()
        expect(page.locator("#count")).to_have_text("1 of 12")
    actions = [json.loads(line)["action"] for line in file.read_text().splitlines()]
    assert actions == ["blind", "accept"]
    assert process.returncode == 0
    context.close()
