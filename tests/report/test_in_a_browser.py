"""The page in a real browser, driven over WebDriver: images are blurred until one asks, and it fits a phone."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builds import make_run
from processes import wait_for

pytest.importorskip("matplotlib")

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.report import make_report

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
FILTER = "return getComputedStyle(document.querySelectorAll('.pair svg')[arguments[0]]).filter"


class Browser:
    """What this test needs of WebDriver, which is JSON over HTTP."""

    def __init__(self, port: int, profile: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        asked = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._base += f"/session/{self.ask('POST', '/session', asked)['sessionId']}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()[:300]}") from error

    def run(self, script: str, *arguments: Any) -> Any:
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, css: str) -> None:
        found = self.ask("POST", "/element", {"using": "css selector", "value": css})
        self.ask("POST", f"/element/{next(iter(found.values()))}/click")


def listens(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert DRIVER is not None
    with subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        wait_for(lambda: listens(port), "the driver does not start")
        made = Browser(port, tmp_path / "profile")
        yield made
        made.ask("DELETE", "")
        driver.terminate()


@pytest.fixture
def page(tmp_path: Path) -> str:
    target = str(tmp_path / "data")
    publish(make_run(tmp_path / "run", pairs=4), parse_target(target), parse("1.0.0"))
    ids = open_named(target).table["pair_id"].to_pylist()
    file = tmp_path / "a-guard-with-a-name-that-is-rather-long-and-has-a-size-7B.csv"
    lines = [f"{pair_id},{reference},.9" for pair_id in ids for reference in (1, 0)]
    file.write_text("\n".join(["pair_id,reference,score", *lines]))
    make_report([str(file)], tmp_path / "r.html", data=target)
    return (tmp_path / "r.html").as_uri()


def test_images_are_blurred_until_one_asks_for_them(browser: Browser, page: str) -> None:
    browser.ask("POST", "/url", {"url": page})
    assert browser.run("return document.querySelectorAll('.pair svg').length") == 8
    assert {browser.run(FILTER, number) for number in range(8)} == {"blur(17.6px)"}
    browser.click(".failures > li:first-child .pair figure")  # the picture itself is to be clicked
    assert [browser.run(FILTER, number) for number in range(4)] == ["none", "none", "blur(17.6px)", "blur(17.6px)"]
    browser.click(".failures > li:first-child .ask")
    assert browser.run(FILTER, 0) == "blur(17.6px)"


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_sticks_out_at_the_side(browser: Browser, page: str, width: int) -> None:
    browser.ask("POST", "/window/rect", {"width": width, "height": 900})
    browser.ask("POST", "/url", {"url": page})
    inside, whole = browser.run("return [innerWidth, document.documentElement.scrollWidth]")
    assert whole <= inside <= max(width, 500)
