"""The page of `safetypairs review` in a browser: how long from a key until the next pair is painted?

    python benchmarks/reviewing.py [--pairs 1510] [--decided 200] [--look 1] [--size 512]

The run is of the recipe `icons`, doubtful pairs first, so that neighbours lie in other work units. The server is a
process of its own, as the command starts it; the browser is headless Chromium, driven by Playwright. Timed in the page:
from the event of the key that decides to the first frame after the next pair was drawn, veiled; so with the request,
the line on disk (fsync), the answer and the drawing. Two paces: keys as fast as the page takes them, which no person
presses, and after a look of `--look` seconds at each pair. The bound is 100 ms at the second pace, for 95 of 100
decisions. The time from the key of the blind answer to the pair as it is, is there, too. Beside it, in turn: a key that
asks the server for a small file and changes nothing that is seen, which takes what the machine and the browser take.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _timing import parsed, parser_of, safetypairs
from playwright.sync_api import Page, sync_playwright

BOUND = 100.0  # ms
# Notes when a key was pressed, and when the pair that it led to was painted.
NOTES = """
window.spans = [];
addEventListener("keydown", event => {
  const from = event.timeStamp;
  if (event.key === "F9") fetch("settings.json").then(answer => answer.json()).then(() => {
    document.body.dataset.pair = document.body.dataset.pair;
  });
  const observer = new MutationObserver(() => {
    if (!document.body.dataset.pair) return;
    observer.disconnect();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => window.spans.push([event.key, performance.now() - from]);
      port2.postMessage(null);
    });
  });
  observer.observe(document.body, { attributeFilter: ["data-pair"] });
}, true);
"""


@contextmanager
def served(run: Path, out: Path, limit: int) -> Iterator[str]:
    """The command in a process of its own; yields the address of the page."""
    words = ["review", str(run), "--out", str(out), "--port", "0", "--limit", str(limit), "--reviewer", "robot"]
    with subprocess.Popen(safetypairs(*words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            yield next(line.strip() for line in process.stdout if "http://" in line)
        finally:
            process.send_signal(signal.SIGINT)


def decide(page: Page, pairs: int, look: float) -> dict[str, list[float]]:
    """Accept pairs, and return the milliseconds after each of the two keys."""
    for _ in range(pairs):
        pair_id = (page.locator("body[data-pair$=' blind']").get_attribute("data-pair") or "").split()[0]
        page.keyboard.press("ArrowLeft")
        page.locator("body[data-pair$=' revealed']").wait_for()
        page.wait_for_timeout(1000 * look)
        page.keyboard.press("a")
        page.locator(f"body:not([data-pair^='{pair_id}'])[data-pair]").wait_for()
        if look:
            page.wait_for_timeout(1000 * look)
            with page.expect_response("**/settings.json"):
                page.keyboard.press("F9")
    page.wait_for_timeout(500)  # for the last span
    spans = page.evaluate("spans.splice(0)")
    return {key: [span for name, span in spans if name == key] for key in ("a", "ArrowLeft", "F9")}


def told(spans: list[float]) -> str:
    quantiles = statistics.quantiles(spans, n=20, method="inclusive")
    return f"median {statistics.median(spans):6.1f} ms   95% {quantiles[18]:6.1f} ms   largest {max(spans):6.1f} ms"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--decided", type=int, default=200, help="at each pace")
    parser.add_argument("--look", type=float, default=1.0, help="seconds a person looks at a pair")
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--run", type=Path, help="a finished run, in place of a new one")
    given = parsed(parser, pairs=18, decided=3, look=0.1, size=128)
    browser = os.environ.get("SAFETYPAIRS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("benchmarks/reviewing.py: needs Chromium; install it, or name it by SAFETYPAIRS_CHROMIUM")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        run = given.run or Path(name, "run")
        if given.run is None:
            words = ["--out", str(run), "--pairs", str(given.pairs), "--set", f"size={given.size}"]
            subprocess.run(safetypairs("build", "icons", *words), check=True, capture_output=True)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
        with served(run, Path(name), 2 * given.decided + 1) as address:
            page = chromium.new_page(viewport={"width": 1280, "height": 800})
            page.add_init_script(NOTES)
            page.goto(address)
            page.locator("body[data-pair]").wait_for()
            fast = decide(page, given.decided, look=0.0)
            paced = decide(page, given.decided, look=given.look)
        chromium.close()
        file = next(Path(name, "review").glob("*.jsonl"))
        on_disk = sum(json.loads(line)["action"] == "accept" for line in file.read_text().splitlines())
    assert on_disk == 2 * given.decided, on_disk
    print(f"{given.pairs} pairs of {given.size} x {given.size}, {on_disk} decisions, every one of them on disk")
    print(f"  blind answer to pair       {told(paced['ArrowLeft'])}")
    print(f"  decision to next, at once  {told(fast['a'])}")
    print(f"  decision to next, paced    {told(paced['a'])}")
    print(f"  a key that changes nothing {told(paced['F9'])}")
    late = statistics.quantiles(paced["a"], n=20, method="inclusive")[18]
    kept = "kept" if late < BOUND else "MISSED"
    print(f"next pair within {late:.1f} ms of the key, 95 of 100; bound {BOUND:.0f} ms {kept}")


if __name__ == "__main__":
    main()
