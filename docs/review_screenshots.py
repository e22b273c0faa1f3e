"""Make the pictures of review.md: a run of icons, its page in headless Chromium, a few screenshots.

python docs/review_screenshots.py
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.reviewing.assignment import left_member
from safetypairs_hf.reviewing.review import serve_review

DOCS = Path(__file__).parent


def keep(page: Page, name: str) -> None:
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        small = shot.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(DOCS / f"review-{name}.png", optimize=True)


def main() -> None:
    browser = os.environ.get("SAFETYPAIRS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chdir(folder)
        build(load_recipe("icons", {"pairs": "9"}), "runs/icons", workers=1)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1000, "height": 680}, reduced_motion="reduce")
        with serve_review("runs/icons", reviewer="anna", order="random") as server:
            page.goto(server.address)
            pair_id = (page.locator("body[data-pair$=' blind']").get_attribute("data-pair") or "").split()[0]
            keep(page, "blind")
            page.keyboard.press("ArrowLeft" if left_member("anna", pair_id) == "unsafe" else "ArrowRight")
            page.locator("body[data-pair$=' revealed']").wait_for()
            page.keyboard.press("v")
            keep(page, "pair")
            page.keyboard.press("4")
            keep(page, "difference")
        chromium.close()


if __name__ == "__main__":
    main()
