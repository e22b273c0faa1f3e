"""`safetypairs demo` end to end, and the three lines of Python that it prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.thorough
def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "safetypairs_hf", "demo"], cwd=tmp_path, capture_output=True, text=True
    )
    shown = re.search(r"^ guard  .*?(?=^```)", README.read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[0] in done.stdout, done.stdout + done.stderr


def test_the_demo_runs_and_what_it_prints_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safetypairs_hf", "demo", "--pairs", "18", "--more", "9"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (first.returncode, first.stderr) == (0, "")
    out = first.stdout
    assert re.search(r"Published 1\.0\.0, 18 pairs added: http://127\.0\.0\.1:\d+/datasets/demo-hub/safetypairs", out)
    assert "Published 1.1.0, 9 pairs added" in out
    for version, pairs in (("1.0.0", 18), ("1.1.0", 27)):
        found = re.search(rf"Loaded {re.escape(version)} with load_dataset: (.*) pairs", out)
        assert found
        assert sum(int(number) for number in re.findall(r"\d+", found[1])) == pairs
    table = dict(re.findall(r"^ (\S+) +(\d\.\d{3}) \(", out, re.MULTILINE))
    assert set(table) == {"knows-some-items", "colour-and-clutter"}
    assert float(table["knows-some-items"]) > float(table["colour-and-clutter"])
    assert max(len(line) for line in out.splitlines() if "http" not in line and "/" not in line) <= 80
    with Image.open(tmp_path / "safetypairs-demo" / "pairs.png") as sheet:
        assert sheet.size[0] == 3 * (2 * 220 + 24) + 12
    assert "./safetypairs-demo/safetypairs@1.1.0" in (tmp_path / "safetypairs-demo" / "report.html").read_text()

    python = textwrap.dedent(out.split("Load what was made:")[1]).replace(".show()", ".size")
    done = subprocess.run(
        [sys.executable, "-c", python + "\nprint(len(ds), ds[0]['unsafe_image'].size)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert re.fullmatch(r"\d+ \(384, 384\)\n", done.stdout), done.stderr

    predictions = "safetypairs-demo/predictions/knows-some-items.parquet"
    score = [sys.executable, "-m", "safetypairs_hf", "score", predictions, "--json"]
    scored = json.loads(subprocess.run(score, cwd=tmp_path, capture_output=True, text=True).stdout)
    assert f"{scored['pair_accuracy']:.3f}" == table["knows-some-items"]

    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0
    assert "Version 1.1.0 is published already." in again.stdout
    assert again.stdout.split("A pair counts")[1] == out.split("A pair counts")[1]
