from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_guards import judge, pictures

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.user_guard import OwnCommand, OwnFunction

FUNCTIONS = """
def redness(image, category):
    return None if category == "hate" else image.resize((1, 1)).getpixel((0, 0))[0] / 255

def wrong(image, category):
    return "very unsafe" if category == "hate" else 2.0
"""
PROGRAM = """
import base64, json, sys
for line in sys.stdin:
    asked = json.loads(line)
    size = len(base64.b64decode(asked["image"]))
    print({answer})
"""


def program(folder: Path, answer: str) -> OwnCommand:
    (folder / "guard.py").write_text(PROGRAM.replace("{answer}", answer))
    return OwnCommand(f"{sys.executable} {folder / 'guard.py'}")


def test_a_function_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    guard = make_guard("function", {"function": f"{tmp_path / 'mine.py'}:redness"})
    images = pictures(2)
    found = judge(guard, images, ["violence", "hate"])
    assert found[0].p_unsafe == pytest.approx(images[0].pixels[..., 0].mean() / 255, abs=0.02)
    assert found[1] == (None, "abstained", "") and guard.name == "function:mine.py:redness"
    wrong = judge(OwnFunction(f"{tmp_path / 'mine.py'}:wrong"), images, ["violence", "hate"])
    assert [verdict.note for verdict in wrong] == ["broken_output"] * 2


@pytest.mark.parametrize("name", ["no_colon", "nowhere.py:f", "json:nothing", "no_such_module:f"])
def test_functions_that_are_not_there(name: str) -> None:
    with pytest.raises(RecipeError, match=r"expected 'package\.module:name' or 'path/to/file\.py:name'"):
        judge(OwnFunction(name), pictures(1))


def test_a_command(tmp_path: Path) -> None:
    guard = program(tmp_path, 'json.dumps({"p_unsafe": None if asked["category"] == "hate" else size / 1e6})')
    images = pictures(2)
    found = judge(guard, images, ["violence", "hate"])
    assert found == [(len(images[0].data) / 1e6, "", ""), (None, "abstained", "")]
    assert judge(guard, []) == []


@pytest.mark.parametrize("answer", ['"not json"', '"[1]"', '"{}"', "json.dumps({'p_unsafe': 7})"])
def test_lines_that_are_no_answer(answer: str, tmp_path: Path) -> None:
    assert judge(program(tmp_path, answer), pictures(1))[0].note == "broken_output"


def test_commands_that_fail(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match="wrote 2 lines for 1 images; write one JSON line an image"):
        judge(program(tmp_path, "'one', end='\\n\\n'"), pictures(1))
    with pytest.raises(SafetyPairsError, match="failed with exit code 3: no weights here"):
        judge(program(tmp_path, "sys.stderr.write('no weights here'), sys.exit(3)"), pictures(1))
    with pytest.raises(SafetyPairsError, match="does not start: "):
        judge(OwnCommand("/no/such/program"), pictures(1))
    with pytest.raises(SafetyPairsError, match=r"took over 0\.2 s"):
        judge(OwnCommand("sleep 5", timeout=0.2), pictures(1))
