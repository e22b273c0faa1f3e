"""Every command is listed, documented, has an example, and says what is wrong in one line."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from safetypairs_hf.cli import COMMANDS, MODULES

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_an_example_and_a_place_in_the_docs(name: str) -> None:
    command = importlib.import_module(f"safetypairs_hf.cli.{MODULES.get(name, name)}").command
    assert isinstance(command, click.Command)
    assert f"safetypairs {name}" in (command.help or ""), "an example"
    assert re.search(rf"safetypairs {name}\b", PAGES)


def test_every_command_module_is_listed() -> None:
    found = set()
    for path in (ROOT / "safetypairs_hf" / "cli").glob("*.py"):
        if not path.stem.startswith("_"):
            module = importlib.import_module(f"safetypairs_hf.cli.{path.stem}")
            if hasattr(module, "command"):
                found.add(path.stem)
    assert found == {MODULES.get(name, name) for name in COMMANDS}


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_help_fits_80_columns(tmp_path: Path) -> None:
    for words in ([], *([name] for name in COMMANDS)):
        shown = run(*words, "--help", cwd=tmp_path)
        assert shown.returncode == 0
        assert max(len(line) for line in shown.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("status", "nowhere"), 1, "'nowhere' holds no run"),
        (("build", "icon", "--out", "x"), 1, "the nearest is 'icons'"),
        (("publish", "nowhere", "./x", "--version", "1.0.0"), 1, "'nowhere' holds no run"),
        (("score", "nowhere.csv"), 1, "nowhere.csv"),
        (("versions", "name"), 1, "'name' is no target"),
        (("build", "icons"), 2, "Missing option '--out'"),
        (("build", "icons", "--out", "memory://x"), 1, "is in the memory of this command, and gone when it ends"),
        (("build", "icons", "--out", "x", "--pairs", "0"), 2, "0 is not in the range"),
        (("nonsense",), 2, "No such command 'nonsense'"),
    ],
)
def test_mistakes_are_one_line_and_never_a_traceback(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    failed = run(*words, cwd=tmp_path)
    assert failed.returncode == code
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    if code == 1:
        assert failed.stderr.startswith("safetypairs: ")
        assert failed.stderr.count("\n") == 1
