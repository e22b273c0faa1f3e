"""Every benchmark runs at toy size to its end and prints its figures; nothing is asserted about time."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import CHROMIUM

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"
# A line that each benchmark prints last or near the end: its ratio or its figure, as a regular expression.
FIGURE = {
    "batching": r"klein +batch of 2: largest difference +\d+, mean \d\.\d+, .* of the values, levels of 255",
    "building": r"overhead -?[\d.]+ % of its CPU time",
    "comparing": r"peer, one interval .* ratio [\d.]+x in CPU time",
    "coverage": r"^worst, sizes alike: [\d.]+; bound 0\.92 (kept|MISSED)",
    "editing": r"in batches of 2 .* ratio [\d.]+x in (CPU|wall) time",
    "encoding": r"^  bounds 2x and 1.03x (kept|MISSED)$",
    "evaluating": r"^ratio [\d.]+x in (CPU|wall) time, [\d.]+x in wall time",
    "faults": r"^429 +1 +1 +0 +0 +0 +0$",
    "feeding": r"^  edit stage .* of the ideal .* s ",
    "gpu": r"^judge: one forward pass .* ratio [\d.]+x in wall time$",
    "harness": r"^classifier: geh, .* evaluate .* ratio [\d.]+x in (CPU|wall) time",
    "importing": r"^  datasets' map .* import at \d+% of its rate",
    "judging": r"one forward pass .* generate up to 2 tokens .* ratio [\d.]+x in (CPU|wall) time",
    "loading": r"first load_dataset .* imagefolder .* ratio [\d.]+x in CPU time",
    "manifests": r"diff against the pandas merge: ratio [\d.]+x in CPU time",
    "power": r"^least power had [\d.]+ +bound 0\.80 (kept|MISSED)",
    "probing": r"^bounds missed: \d of 4$",
    "reporting": r"^every failure: .* MB of at most 10 (kept|MISSED)$",
    "reviewing": r"^next pair within [\d.]+ ms of the key, 95 of 100; bound 100 ms (kept|MISSED)$",
    "scale": r"upload_folder to publish, ratio [\d.]+x in CPU time",
    "scoring": r"score\(\), all figures, Arrow, text ids, shuffled .* ratio [\d.]+x in CPU time",
    "serving": r"^  from start to exit .* of the ideal rate",
    "starting": r"^import datasets .* to ours, ratio [\d.]+x in CPU time",
    "streaming": r"^one file by to_parquet, .* [\d.]+x$",
    "uploading": r"^ours: a release adds files +[\d.]+x +[\d.]+x +[\d.]+x +[\d.]+x$",
}
NEEDS = {
    "batching": ["diffusers", "transformers"],
    "building": ["fontawesomefree"],
    "coverage": ["scipy"],
    "editing": ["diffusers", "transformers"],
    "encoding": ["cv2", "fontawesomefree", "matplotlib", "sklearn"],
    "evaluating": ["transformers"],
    "feeding": ["cv2", "matplotlib", "sklearn"],
    "gpu": ["diffusers", "transformers"],
    "harness": ["guard_eval_harness", "transformers"],
    "judging": ["transformers"],
    "loading": ["fontawesomefree"],
    "probing": ["fontawesomefree", "sklearn"],
    "reviewing": ["fontawesomefree", "playwright"],
    "scoring": ["evaluate"],
    "serving": ["openai"],
    "uploading": ["hf_xet"],
}
# Over ten seconds even so.
LONG = ("batching", "coverage", "gpu")
# These import torch and its libraries, for longer than they run: one process for them all, and one for those of LONG.
TOGETHER = ("batching", "editing", "evaluating", "gpu", "harness", "judging", "scoring")
RUN_TOGETHER = """
import contextlib, io, json, runpy, sys, traceback
folder, found = sys.argv[1], {}
sys.path.insert(0, folder)
for name in sys.argv[2:]:
    sys.argv[:] = [f"{folder}/{name}.py", "--smoke"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
            said = ""
        except (Exception, SystemExit):
            said = traceback.format_exc()
    found[name] = [said, out.getvalue()]
print(json.dumps(found))
"""


def present(name: str) -> bool:
    return all(importlib.util.find_spec(package) for package in NEEDS.get(name, []))


@pytest.fixture(scope="module")
def together() -> Callable[[str], str]:
    """What one of the benchmarks of TOGETHER prints. Raises AssertionError with its traceback where it fails."""
    found: dict[str, list[str]] = {}

    def printed(name: str) -> str:
        if name not in found:
            others = [other for other in TOGETHER if present(other) and (other in LONG) == (name in LONG)]
            command = [sys.executable, "-c", RUN_TOGETHER, str(FOLDER), *others]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            found.update(json.loads(done.stdout.splitlines()[-1]))
        said, out = found[name]
        assert said == "", said
        return out

    return printed


def alone(name: str) -> str:
    """What a benchmark prints as a command of its own."""
    env = {**os.environ, "USE_TORCH": "0"}  # datasets would import it for nothing
    done = subprocess.run([sys.executable, FOLDER / f"{name}.py", "--smoke"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_benchmark_is_here() -> None:
    assert {path.stem for path in FOLDER.glob("[!_]*.py")} == set(FIGURE)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.thorough] * (name in LONG)) for name in FIGURE])
def test_it_runs_to_its_end_and_prints_its_figure(name: str, together: Callable[[str], str]) -> None:
    if not present(name) or (name == "reviewing" and CHROMIUM is None):
        pytest.skip(f"needs {', '.join(NEEDS[name])}")
    out = together(name) if name in TOGETHER else alone(name)
    assert re.search(FIGURE[name], out, re.MULTILINE), out
