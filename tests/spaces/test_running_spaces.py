"""The Spaces run as the Hub runs them, with Gradio in an environment of its own, and are looked at in a browser.

This is what docs/spaces.md says under "Run it here".

The list in `environments/` is what `pip install 'gradio[oauth]>=6,<7' 'pillow<13'` and the lines of requirements.txt
took on 2026-11-29. The environment takes about a minute on two cores, once.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import browser, serious_faults  # noqa: F401
from pinned import python_of
from playwright.sync_api import Browser, Page

from safetypairs_hf.spaces.space import KINDS, space

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(900)]

PACKAGES = Path(__file__).parent / "environments" / "gradio.txt"
HALF = "pair_id,reference,prediction\na,1,1\na,0,0\nb,1,1\nb,0,1\n"
HOSTILE = "<img src=x onerror=alert(1)>"


@contextmanager
def running(folder: Path, home: Path) -> Iterator[str]:
    """Run the app of a folder until the end of the block; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "HF_"))}
    env = {**kept, "GRADIO_SERVER_PORT": str(port), "HF_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    command = [str(python_of(PACKAGES)), "app.py"]
    app = subprocess.Popen(
        command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=(home / "said").open("w")
    )
    try:
        assert app.stdout is not None
        said = next((line for line in app.stdout if "Running on local URL" in line), "")
        assert said, (home / "said").read_text()
        yield f"http://127.0.0.1:{port}/"
    finally:
        app.terminate()
        app.communicate()
    assert "Traceback" not in (home / "said").read_text()


def look_at_metric(page: Page, work: Path) -> None:
    page.get_by_role("button", name="Score an example").click()
    page.get_by_text("Pair-consistent safety accuracy, 4 pairs").wait_for()
    assert "0.150 to 0.850" in page.locator(".results").inner_text()
    page.get_by_text("Options", exact=True).click()
    page.get_by_text("score", exact=True).last.click()
    page.get_by_label("Threshold").fill("0.3")
    page.get_by_role("button", name="Score an example").click()
    page.get_by_text("0.301 to 0.954").first.wait_for()
    page.get_by_label("Threshold").fill("")  # the default of 0.5, as before anybody typed
    page.get_by_role("button", name="Score an example").click()
    page.get_by_text("0.150 to 0.850").first.wait_for()
    page.get_by_role("button", name="Score", exact=True).click()
    page.get_by_text("no file: upload predictions").wait_for()
    bad = work / "bad.csv"
    bad.write_text(f"{HOSTILE},b\n1,2\n")
    with page.expect_response("**/upload*"):
        page.locator("input[type=file]").set_input_files(bad)
    page.get_by_label("Remove this file").or_(page.locator(".file-preview")).first.wait_for()
    page.get_by_role("button", name="Score", exact=True).click()
    page.locator(".fault", has_text=f"the columns given are: {HOSTILE}").wait_for()


def look_at_leaderboard(page: Page, work: Path) -> None:
    page.locator(".results table").wait_for()
    assert page.locator(".results tr").count() == 2
    assert "0.095 to 0.905" in page.locator(".results").inner_text()
    page.get_by_text("Signatures", exact=True).click()
    assert page.locator(".signatures code").is_visible()
    assert page.locator(".fault").all_inner_texts()[0].startswith("bad.csv: ")


def look_at_viewer(page: Page, work: Path) -> None:
    page.get_by_text("1 of 220").wait_for()
    unsafe, safe = page.locator(".results img").all()
    filters = [image.evaluate("image => getComputedStyle(image).filter") for image in (unsafe, safe)]
    assert filters == ["blur(24px)", "none"]
    page.get_by_label("show the unsafe member").check()
    assert unsafe.evaluate("image => getComputedStyle(image).filter") == "none"
    page.get_by_role("button", name="Next").click()
    page.get_by_text("2 of 220").wait_for()
    assert not page.get_by_label("show the unsafe member").is_checked(), "the next pair is blurred again"
    page.get_by_label("Pair").fill("999")
    page.locator(".fault", has_text="pair 999: expected a whole number from 1 to 220").wait_for()


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_runs_fits_every_width_and_fetches_nothing(
    kind: str,
    browser: Browser,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "half.csv").write_text(HALF)
    space(kind, tmp_path / "space", predictions=[tmp_path / "half.csv"] if kind == "leaderboard" else [])
    if kind == "leaderboard":
        (tmp_path / "space" / "predictions" / "bad.csv").write_text(f"{HOSTILE}\n")
    look = {"metric": look_at_metric, "leaderboard": look_at_leaderboard, "viewer": look_at_viewer}[kind]
    asked, raised = [], []
    with running(tmp_path / "space", tmp_path) as address:
        for width, colours in ((1280, "light"), (390, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=colours)
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: raised.append(str(error)))
            page.on("dialog", lambda dialog: raised.append(dialog.message))
            page.goto(address)
            look(page, tmp_path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert serious_faults(page, ".results, .fault, .signatures") == [], "what is ours; the rest is Gradio's"
            page.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert raised == []
