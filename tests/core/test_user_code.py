"""User code is loaded from a file in one way, and what goes wrong in it is one line with file, line and error."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.core.user_code import functions_of, load_code, load_file, place_of, telling

RICH = """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import NamedTuple
import beside_it

@dataclass(frozen=True)
class Settings:
    at: float = 0.5
    words: list[str] = field(default_factory=list)

class Pair(NamedTuple):
    a: Settings
    b: int = beside_it.TWO

def made() -> Pair:
    return Pair(Settings(0.25, ["x"]))

_hidden = made
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("beside_it", "whole", "whole.part"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_dataclasses_with_postponed_annotations_and_what_lies_beside_a_file(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("TWO = 2\n")
    (tmp_path / "mine.py").write_text(RICH)
    module, digest = load_file("mine.py")
    assert sys.modules[module.__name__] is module and len(digest) == 16 and functions_of(module) == ["made"]
    pair = module.made()
    assert (pair.a.at, pair.a.words, pair.b) == (0.25, ["x"], 2)
    assert pickle.loads(pickle.dumps(pair)) == pair
    assert load_code("mine").module.__name__ == module.__name__ and load_code("./mine.py").content_hash == digest


def test_the_bytes_that_are_hashed_are_those_that_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("VALUE = 1\n")
    first = load_file("mine.py")
    (tmp_path / "mine.py").write_text("VALUE = 2\n")  # of the same size, within the same second
    second = load_file("mine.py")
    assert (first.module.VALUE, second.module.VALUE) == (1, 2) and first.content_hash != second.content_hash


def test_a_file_of_the_folder_comes_before_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("HERE = True\n")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "part.py").write_text("PART = 3\n")
    assert load_code("code").module.HERE and load_code("whole.part").module.PART == 3
    import code

    assert not hasattr(code, "HERE")


@pytest.mark.parametrize(
    ("where", "text", "said"),
    [
        ("mine.py", b"def f(:\n", "mine.py, line 1: SyntaxError: invalid syntax"),
        ("mine.py", b"\n\nx = (\n", "mine.py, line 3: SyntaxError: '(' was never closed"),
        ("mine.py", b"if 1:\nx = 1\n", "mine.py, line 2: IndentationError: expected an indented block after 'if'"),
        ("mine.py", b"\xff\xfe\n", "mine.py, line 1: SyntaxError: (unicode error) 'utf-8' codec can't decode"),
        ("mine.py", b"x = 1\n\0\n", "source code string cannot contain null bytes"),
        ("mine.py", b"\n1 / 0\n", "mine.py, line 2: ZeroDivisionError: division by zero"),
        ("mine.py", b"import json\njson.loads('{')\n", "mine.py, line 2: JSONDecodeError: Expecting property name"),
        ("mine.py", b"import sys\nsys.exit(3)\n", "mine.py, line 2: it called sys.exit(3)"),
        ("mine.py", b"raise SystemExit\n", "mine.py, line 1: it called sys.exit()"),
        ("mine.py", b"import not_there\n", "mine.py, line 1: it needs the module 'not_there'; install it and"),
        ("mine", b"import not_there\n", "mine.py, line 1: it needs the module 'not_there'; install it and"),
        ("mine.py", b"raise ValueError('a\\nb\\x1b[31mc')\n", "mine.py, line 1: ValueError: a b [31mc"),
        ("mine.py", b"class E(Exception):\n  def __str__(self): 1 / 0\nraise E\n", "line 3: E: (what it says cannot"),
        ("mine.py", b"assert 1 == 2\n", "mine.py, line 1: AssertionError"),
        ("mine.py", b"def f(): f()\nf()\n", "mine.py, line 1: RecursionError: maximum recursion depth"),
        ("nowhere.py", b"", "nowhere.py cannot be read: No such file or directory"),
        ("nowhere", b"", "there is no module 'nowhere': no file nowhere.py here, nor is it installed"),
        ("no.where", b"", "there is no module 'no.where': no file no/where.py here, nor is it installed"),
        ("./mine.txt", b"", "./mine.txt is not a Python file; expected a name that ends in .py"),
        ("a_folder.py", b"", "a_folder.py cannot be read: Is a directory"),
        ("sys", b"", "sys has no file, so its changes cannot be detected"),
    ],
)
def test_what_does_not_load(tmp_path: Path, where: str, text: bytes, said: str) -> None:
    (tmp_path / "mine.py").write_bytes(text)
    (tmp_path / "a_folder.py").mkdir()
    before = {name for name in sys.modules if name.startswith("safetypairs_user_mine_")}
    with pytest.raises(UserCodeError) as caught:
        load_code(where)
    assert said in str(caught.value) and str(caught.value).isprintable()
    assert {name for name in sys.modules if name.startswith("safetypairs_user_mine_")} == before


def test_what_is_told_and_what_passes() -> None:
    for error in (KeyboardInterrupt(), RecipeError("ours")):
        with pytest.raises(type(error)) as caught, telling("mine"):
            raise error
        assert caught.value is error
    said = r"test_user_code\.py, line \d+: KeyError: 'x'; it was asked about a$"
    with pytest.raises(UserCodeError, match=said), telling(about="it was asked about a"):
        raise KeyError("x")


def test_an_error_that_comes_from_no_line_of_the_users() -> None:
    """It passes as it is, unless what was called is named."""
    error = ValueError("ours to mend")
    boundary = telling()
    boundary.__enter__()
    assert boundary.__exit__(ValueError, error, None) is not True and place_of(error) is None
    boundary = telling("mine")
    boundary.__enter__()
    with pytest.raises(UserCodeError, match=r"^mine: ValueError: ours to mend$"):
        boundary.__exit__(ValueError, error, None)


def test_a_place_is_the_last_line_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import json\n\ndef f(text):\n    return json.loads(text)\n")
    with pytest.raises(ValueError) as caught:
        load_file("mine.py").module.f("{")
    assert place_of(caught.value) == "mine.py, line 4"
