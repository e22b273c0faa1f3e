"""A command as a guard: one process for a run, a line in and a line out, and every fault told in one line."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from pathlib import Path

import pytest
from small_guards import judge, pictures, shares

from safetypairs_hf.core.errors import RecipeError, UserCodeError
from safetypairs_hf.guards.catalogue import make_guard
from safetypairs_hf.guards.user_command import OwnCommand

PROGRAM = """
import base64, json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    size = len(base64.b64decode(asked["image"]))
    {do}
"""
SLOW = 60.0  # seconds that no answer here takes, on any machine


def program(folder: Path, do: str, **settings: object) -> OwnCommand:
    (folder / "guard.py").write_text(PROGRAM.replace("{do}", do))
    return OwnCommand(f"{sys.executable} {folder / 'guard.py'}", **{"timeout": SLOW, **settings})  # type: ignore[arg-type]


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def test_one_process_for_a_whole_run(tmp_path: Path) -> None:
    told = '{"p_unsafe": None if asked["category"] == "hate" else size / 1e6, "raw": os.getpid(), "id": asked["id"]}'
    guard = program(tmp_path, f"print(json.dumps({told}))")
    images = pictures(3)
    found = judge(guard, images, ["violence", "hate", "nudity"]) + judge(guard, images[:1])
    assert [verdict.p_unsafe for verdict in found] == [
        len(images[0].data) / 1e6,
        None,
        len(images[2].data) / 1e6,
        len(images[0].data) / 1e6,
    ]
    assert found[1].note == "abstained" and judge(guard, []) == []
    (process,) = {int(verdict.raw) for verdict in found}
    assert process != os.getpid()
    copy = pickle.loads(pickle.dumps(guard))
    assert copy == guard and {int(each.raw) for each in judge(copy, images)} != {process}
    copy.release()
    guard.release()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert int(judge(guard, images[:1])[0].raw) != process
    guard.release()


@pytest.mark.parametrize(
    "text",
    [
        "import sys\nsys.stdin.readline()\nprint('{\"p_unsafe\": 0.25}')\n",
        "import sys\nfor _ in sys.stdin.read().splitlines():\n    print('{\"p_unsafe\": 0.25}', end='')\n",
    ],
    ids=["ends after an answer", "answers at the end of its input"],
)
def test_a_process_for_each_image(tmp_path: Path, text: str) -> None:
    (tmp_path / "guard.py").write_text(text)
    command = f"{sys.executable} {tmp_path / 'guard.py'}"
    guard = make_guard("command", {"command": command, "per_image": "true", "timeout": "60"})
    assert shares(judge(guard, pictures(2))) == [0.25, 0.25]  # type: ignore[arg-type]


def test_the_files_of_a_command(tmp_path: Path) -> None:
    script, weights = tmp_path / "run me.sh", tmp_path / "weights"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    weights.write_text("1")
    guard = OwnCommand(f"'{script}' --weights={weights} --fast {'x' * 5000}")
    assert guard.content_hashes == {str(script): hash_of(script), str(weights): hash_of(weights)}
    before = guard.identity()
    assert OwnCommand(guard.command, timeout=5).identity() == before  # how long it waits changes no answer
    weights.write_text("2")
    assert guard.identity() != before
    assert list(OwnCommand("sh -c 'cat'").content_hashes) == ["sh"]


IMAGE = r"the image with SHA-256 \w{16}\.\.\. under violence"


@pytest.mark.parametrize(
    ("do", "said"),
    [
        ("print('Loading')", f"answered 'Loading' about {IMAGE}; expected a line such as .*; logs go to stderr"),
        ("print('')", f"answered '' about {IMAGE}; expected a line such as"),
        ("print('[1]')", rf"answered '\[1\]' about {IMAGE}; expected a line such as"),
        ("print('{}')", "answered '{}' about "),
        ("print('[' * 100000)", "; expected a line such as"),
        ("sys.stdout.buffer.write(bytes([255, 27, 10]))", rf"answered b'\\xff\\x1b' about {IMAGE}, which is not UTF-8"),
        ("print(json.dumps({'p_unsafe': 'unsafe'}))", "p_unsafe is a str, 'unsafe'; expected a number in .*, or null"),
        ("print(json.dumps({'p_unsafe': 0.5, 'id': 9}))", "whose id is 0: the ids differ, so it wrote more or fewer"),
        ("print('x' * (1 << 21))", f"wrote a line of over 1,048,576 bytes about {IMAGE}"),
        (
            "sys.stderr.write('a\\nno \\x1b[1m weights\\n\\n'), sys.exit(3)",
            f"exit code 3 .* {IMAGE}; .*: no",
        ),
        ("os.kill(os.getpid(), 9)", rf"was ended by SIGKILL \(out of memory\?\), and was asked about {IMAGE}"),
        ("sys.exit()", f"ended with exit code 0 and no answer, and was asked about {IMAGE}; its stderr is empty"),
        ("os.close(1); sys.stdin.read()", f"closed its output, and was asked about {IMAGE}; its stderr is empty"),
    ],
)
def test_commands_that_fail(do: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safetypairs_hf.guards.user_command._GRACE", 0.2)
    with pytest.raises(UserCodeError, match=said) as caught:
        judge(program(tmp_path, do), pictures(1))
    assert str(caught.value).isprintable() and "guard.py' " in str(caught.value)


def test_a_number_that_is_none_is_an_abstention(tmp_path: Path) -> None:
    found = judge(
        program(tmp_path, "print('{\"p_unsafe\": 7}') if asked['id'] else print('{\"p_unsafe\": NaN}')"), pictures(2)
    )
    assert found == [(None, "broken_output", "nan"), (None, "broken_output", "7")]


def test_more_lines_than_images(tmp_path: Path) -> None:
    """The second line is there before the next image is asked about, as a pipe has it whole or not at all."""
    two = 'os.write(1, b\'{"p_unsafe": 0.5}\\n{"p_unsafe": 0.75}\\n\')'
    with pytest.raises(UserCodeError, match=f'wrote more than one line for {IMAGE}: \'{{"p_unsafe": 0.75}}'):
        judge(program(tmp_path, two), pictures(2))
    with pytest.raises(UserCodeError, match="wrote more than one line for "):
        judge(program(tmp_path, two, per_image=True), pictures(1))


def test_a_command_that_ends_after_an_answer(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match=r"ended after 1 answer, .*, or give per_image=true to start it for each"):
        judge(program(tmp_path, "print('{\"p_unsafe\": 0.5}'); break"), pictures(2))


@pytest.mark.parametrize("command", ["sleep 1000", "sh -c 'sleep 1000; echo'", "cat /dev/zero", "yes"])
def test_commands_that_do_not_answer(command: str) -> None:
    """They are ended, with what they started, and their output takes no memory."""
    with pytest.raises(UserCodeError, match=r"took over 0\.2 s|wrote a line of over|answered 'y'|wrote before it"):
        judge(OwnCommand(command, timeout=0.2), pictures(1))


@pytest.mark.parametrize(
    ("command", "timeout", "said"),
    [
        ("/no/such/program", 1.0, "does not start: .*No such file"),
        ("", 1.0, "command = '': expected a program, such as 'python my_guard.py'"),
        ("python 'x", 1.0, "No closing quotation; write it as in a shell"),
        ("cat", 0.0, "timeout = 0: expected seconds, more than 0"),
    ],
)
def test_what_is_no_command(command: str, timeout: float, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        judge(OwnCommand(command, timeout=timeout), pictures(1))
