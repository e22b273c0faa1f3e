from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_guards import judge, pictures, shares

from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.records import Verdict
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.user_guard import FunctionGuard, OwnFunction, as_guard
from safetypairs_hf.guards.verdicts import from_number
from safetypairs_hf.taxonomy.nine import NINE

FUNCTIONS = """
def redness(image, category):
    return None if category == "hate" else image.resize((1, 1)).getpixel((0, 0))[0] / 255

def too_much(image):
    return 2.0 if FIRST.pop() else float("nan")

def batched(images, categories):
    SIZES.append(len(images))
    return [len(category) / 100 for category in categories]

SIZES, FIRST = [], [False, True]
"""


def test_a_function_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    guard = make_guard("function", {"function": f"{tmp_path / 'mine.py'}:redness"})
    images = pictures(2)
    found = judge(guard, images, ["violence", "hate"])
    assert found[0].p_unsafe == pytest.approx(images[0].pixels[..., 0].mean() / 255, abs=0.02)
    assert found[1] == (None, "abstained", "") and guard.name == "function:mine.py:redness"
    wrong = judge(OwnFunction(f"{tmp_path / 'mine.py'}:too_much"), images)
    assert [(verdict.note, verdict.raw) for verdict in wrong] == [("broken_output", "2.0"), ("broken_output", "nan")]


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


def test_a_function_of_the_image_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function of the README, as it stands, found by the name of its file in the current folder."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    found = re.search(r"^def guard\(image\):[^\n]*\n.*?(?=^\S)", readme, re.MULTILINE | re.DOTALL)
    assert found
    (tmp_path / "mine.py").write_text(found[0])
    monkeypatch.chdir(tmp_path)
    images = pictures(2)
    shown = [
        judge(OwnFunction(where), images) for where in ("mine:guard", "mine.py:guard", f"{tmp_path}/mine.py:guard")
    ]
    means = [image.pixels.reshape(-1, 3).mean(axis=0) for image in images]
    bright = [(0.299 * red + 0.587 * green + 0.114 * blue) / 255 for red, green, blue in means]
    assert shares(shown[0]) == pytest.approx([1 - each for each in bright], abs=0.02)
    assert shown[0] == shown[1] == shown[2]


def test_a_batched_function_gets_lists_of_a_size(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    guard = make_guard("function", {"function": f"{tmp_path / 'mine.py'}:batched", "batch_size": "2"})
    assert isinstance(guard, OwnFunction)
    found = judge(guard, pictures(5), ["hate", "hate", "violence", "hate", "nudity"])
    assert shares(found) == [0.04, 0.04, 0.08, 0.04, 0.06]
    assert guard._loaded.asked.call.__globals__["SIZES"] == [2, 2, 1]
    with pytest.raises(RecipeError, match="batch_size = 0: give at least 1"):
        OwnFunction("x:y", batch_size=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def judge(:\n", r"mine\.py, line 1: SyntaxError: "),
        ("1 / 0\n", r"mine\.py, line 1: ZeroDivisionError: division by zero$"),
        ("def judge(image):\n    return [][0]\n", r"mine\.py, line 2: IndexError: .* about the image with SHA-256 \w+"),
        ("def judge(image):\n    return 'x'\n", r"line 1, judge: it returned a str, 'x'; it was asked about the image"),
        ("def judge(image):\n    return [0.5]\n", r"it returned a list, \[0.5\]; .* expected P\(unsafe\), a number in"),
        ("def judge(image, threshold):\n    return threshold + 1\n", r"mine\.py, line 2: TypeError: can only concat"),
        ("def judge():\n    pass\n", r"its parameters are \(\); expected \(image\), \(image, category\)"),
        ("def juge(image):\n    pass\n", r"mine\.py has no function 'judge'; the nearest is 'juge'"),
        ("def other(image):\n    pass\n", r"mine\.py has no function 'judge'; it has other$"),
        ("judge = 5\n", r"mine\.py has no function 'judge'$"),
    ],
)
def test_what_goes_wrong_in_a_function_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(RecipeError, match=said) as caught:
        judge(OwnFunction(f"{tmp_path / 'mine.py'}:judge"), pictures(1))
    assert "\n" not in str(caught.value)


def test_a_function_as_it_is(tmp_path: Path) -> None:
    def always(image: Any, policy: str) -> float:
        return float(policy == NINE.policy("hate"))

    guard = as_guard(always)
    assert isinstance(guard, FunctionGuard) and guard.name == "function:always" and guard.holds_model
    assert shares(judge(guard, pictures(2), ["hate", "violence"])) == [1.0, 0.0]
    identity = guard.identity()
    source = {"function": always.__qualname__, "source": hash_of(Path(__file__))}
    assert identity["settings"]["function"] == source and identity["revision"] == guard.revision
    for wrong, named in (
        ("colour-clutter", "colour-and-clutter"),
        ("zzz", "NAME"),
        (FunctionGuard, "NAME"),
        (5, "NAME"),
    ):
        expected = r"the judge is .*; expected a function \(image, category\), or an object .* give "
        with pytest.raises(RecipeError, match=rf"{expected}sp.guard\('{named}'\)$"):
            as_guard(wrong)  # type: ignore[arg-type]


class Own:
    """A guard of the user's whose answers are those that it is made with."""

    name, revision = "own", "1"

    def __init__(self, answers: Any) -> None:
        self._answers = answers

    def judge(self, images: Any, categories: Any, regions: Any) -> Any:
        return self._answers() if callable(self._answers) else self._answers


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            [Verdict(0.5)],
            r"it returned 1 answer; it was asked about 2 images, the first of them the image with SHA-256",
        ),
        (None, r"it returned None; it was asked about 2 images, .*; expected a list of one answer an image"),
        (0.5, r"it returned a float, 0.5; "),
        ([Verdict(0.5), "no"], r"it returned a str, 'no'; .*; expected P\(unsafe\), a number"),
        ([Verdict("no"), 0.5], r"it returned a Verdict, Verdict\(p_uns.*; expected P\(unsafe\), a number"),  # type: ignore[arg-type]
        (lambda: 1 / 0, r"test_user_guard\.py, line \d+: ZeroDivisionError: division by zero; it was asked about 2"),
    ],
)
def test_an_object_that_answers_wrongly_is_one_line(answers: Any, said: str) -> None:
    with pytest.raises(UserCodeError, match=said) as caught:
        judge(as_guard(Own(answers)), pictures(2))
    assert "\n" not in str(caught.value)


def test_an_object_may_give_numbers() -> None:
    given = [
        0.25,
        None,
        Verdict(0.5, "", "half \ud800"),
        Verdict(0.5, "", "raw"),
        Verdict(None, "unsure"),
        Verdict(7.0),
    ]
    assert judge(as_guard(Own(given)), pictures(6)) == [
        Verdict(0.25),
        Verdict(None, "abstained"),
        Verdict(0.5, "", "half \\ud800"),
        Verdict(0.5, "", "raw"),
        Verdict(None, "unsure"),
        Verdict(None, "broken_output", "7.0"),
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, Verdict(0.0)),
        (True, Verdict(1.0)),
        ("0.5", Verdict(0.5)),
        (np.float32(0.25), Verdict(0.25)),
        (np.array(0.5), Verdict(0.5)),
        (np.array([[0.5]]), Verdict(0.5)),
        (None, Verdict(None, "abstained")),
        (-0.1, Verdict(None, "broken_output", "-0.1")),
        (float("inf"), Verdict(None, "broken_output", "inf")),
        (10**400, Verdict(None, "broken_output", str(10**400)[:200])),
        ("safe", None),
        ([0.5], None),
        (np.array([0.5, 0.6]), None),
        (object(), None),
    ],
)
def test_numbers(value: Any, found: Verdict | None) -> None:
    if found is None:
        with pytest.raises(TypeError):
            from_number(value)
    else:
        assert from_number(value) == found


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_colon", "expected 'mine.py:name' or 'package.module:name'"),
        ("json:nothing", "expected 'mine.py:name' or 'package.module:name'; json has no function 'nothing'; it has "),
        ("nowhere.py:f", "function = 'nowhere.py:f': nowhere.py cannot be read: No such file or directory"),
        (
            "no_such_module:f",
            "there is no module 'no_such_module': no file no_such_module.py here, nor is it installed",
        ),
        ("sys:intern", "sys has no file, so its changes cannot be detected"),
    ],
)
def test_functions_that_are_not_there(name: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        judge(OwnFunction(name), pictures(1))
    assert said in str(caught.value) and "\n" not in str(caught.value)
