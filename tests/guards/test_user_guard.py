from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from small_guards import judge, pictures, shares

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


def test_a_function_that_its_file_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_helper.py").write_text(FUNCTIONS)
    (tmp_path / "mine.py").write_text("import functools, own_helper\njudge = functools.partial(own_helper.redness)\n")
    named = {str(tmp_path / "mine.py"): hash_of(tmp_path / "mine.py")}
    helper = {"own_helper": hash_of(tmp_path / "own_helper.py")}
    assert OwnFunction(f"{tmp_path / 'mine.py'}:judge").content_hashes == named | helper
    assert OwnFunction("own_helper:redness").content_hashes == helper


def test_an_edited_function_runs_as_it_is_described(tmp_path: Path) -> None:
    """One that is loaded stays as it is; another guard, or the same one after `release`, has the new content."""
    file, images = tmp_path / "mine.py", pictures(1)
    file.write_text("def judge(image, category):\n    return 0.25\n")
    guard = OwnFunction(f"{file}:judge")
    before = guard.identity()
    file.write_text("def judge(image, category):\n    return 0.75\n")  # of the same size, within the same second
    assert shares(judge(guard, images)) == [0.25] and guard.identity() == before
    other = OwnFunction(f"{file}:judge")
    assert shares(judge(other, images)) == [0.75]
    assert other.identity()["settings"]["content_hashes"] == {str(file): hash_of(file)}
    guard.release()
    assert guard.identity() == other.identity() != before


def test_a_function_of_other_parameters_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judge(image):\n    return 0.5\n")
    message = r"called as judge\(image, category\), which does not fit its parameters: too many positional"
    with pytest.raises(RecipeError, match=message):
        judge(OwnFunction(f"{tmp_path / 'mine.py'}:judge"), pictures(1))


@pytest.mark.parametrize("text", ["def judge(:", "1 / 0"])
def test_a_file_that_does_not_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(RecipeError, match=r"mine\.py does not load: (SyntaxError|ZeroDivisionError): ") as caught:
        judge(OwnFunction(f"{tmp_path / 'mine.py'}:judge"), pictures(1))
    assert "\n" not in str(caught.value)


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["no_colon", "nowhere.py:f", "json:nothing", "no_such_module:f", "sys:intern"])
def test_functions_that_are_not_there(name: str) -> None:
    with pytest.raises(RecipeError, match=r"expected 'package\.module:name' or 'path/to/file\.py:name'"):
        judge(OwnFunction(name), pictures(1))


def test_a_command(tmp_path: Path) -> None:
    guard = program(tmp_path, 'json.dumps({"p_unsafe": None if asked["category"] == "hate" else size / 1e6})')
    images = pictures(2)
    found = judge(guard, images, ["violence", "hate"])
    assert found == [(len(images[0].data) / 1e6, "", ""), (None, "abstained", "")]
    assert judge(guard, []) == []


def test_the_files_of_a_command(tmp_path: Path) -> None:
    script, weights = tmp_path / "run me.sh", tmp_path / "weights"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    weights.write_text("1")
    guard = OwnCommand(f"'{script}' --weights={weights} --fast {'x' * 5000}")
    assert guard.content_hashes == {str(script): hash_of(script), str(weights): hash_of(weights)}
    before = guard.identity()
    weights.write_text("2")
    assert guard.identity() != before
    assert list(OwnCommand("sh -c 'cat'").content_hashes) == ["sh"]


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
