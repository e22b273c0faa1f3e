"""A real browser for the pages that people look at: headless Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("SAFETYPAIRS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a file; skipped where there is none. (A longer scope would hold asyncio's loop.)"""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the package chromium, or name one by SAFETYPAIRS_CHROMIUM")
    expect.set_options(timeout=120_000)  # 5 s are not enough on a busy machine
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


def serious_faults(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds on the page, or `within` a selector, that is serious or critical, a line each."""
    found = Axe().run(page, context=within).response["violations"]
    return [
        f"{fault['id']}: {fault['help']} ({node['target']}: {node['failureSummary']})"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
