"""User code over a published folder, from the command line: what a newcomer types, and what is said of a mistake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from safetypairs_hf.cli import main
from safetypairs_hf.core.errors import UserCodeError
from safetypairs_hf.evaluating.evaluate import evaluate

MINE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Settings:
    below: int = 3

def guard(image):
    red, green, _ = image.getpixel((0, 0))
    return (green + red) / 260

def breaks(image, category):
    return guard(image) if image.getpixel((0, 0))[0] < Settings().below else 1 / 0

def texts(images):
    return ["unsafe"] * len(images)
"""
PROGRAM = """
import base64, io, json, os, sys
from PIL import Image
for line in sys.stdin:
    asked = json.loads(line)
    red, green, _ = Image.open(io.BytesIO(base64.b64decode(asked["image"]))).convert("RGB").getpixel((0, 0))
    print(json.dumps({"p_unsafe": (green + red) / 260, "id": asked["id"], "raw": os.getpid()}))
"""


def run(squares: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *arguments, "--data", squares, "--out", "out.parquet"])
    code: Any = left.value.code
    return int(code or 0)


def test_a_function_of_a_file_in_the_current_folder(squares: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(MINE)
    assert run(squares, "function", "--set", "function=mine:guard", "--json") == 0
    assert '"pair_accuracy": 1.0' in capsys.readouterr().out
    assert run(squares, "function", "--set", "function=mine:breaks", "--fresh") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        "safetypairs: mine.py, line 14: ZeroDivisionError: division by zero; it was asked about the "
    )
    assert " image of pair " in said and " under violence" in said
    assert run(squares, "function", "--set", "function=mine:texts", "--batch-size", "4", "--fresh") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "mine.py, line 16, texts: it returned a str, 'unsafe'; it was asked about the " in said


def test_a_function_that_is_given_as_it_is(squares: str) -> None:
    def guard(image: Any) -> float:
        red, green, _ = image.getpixel((0, 0))
        return float(green + red) / 260

    assert evaluate(guard, squares, "out.parquet").pair_accuracy == 1.0
    assert evaluate(guard, squares, "out.parquet").n_pairs == 7  # which is there already
    with pytest.raises(UserCodeError, match=r"test_user_code_runs\.py, line \d+: ZeroDivisionError"):
        evaluate(lambda image: 1 / 0, squares, "other.parquet")


def test_a_command_is_one_process_for_the_whole_run(squares: str) -> None:
    Path("program.py").write_text(PROGRAM)
    assert run(squares, "command", "--set", f"command={sys.executable} program.py") == 0
    rows = pq.read_table("out.parquet").to_pylist()
    assert len(rows) == 14 and len({row["raw"] for row in rows}) == 1
    assert {row["score"] > 0.5 for row in rows if row["reference"]} == {True}
