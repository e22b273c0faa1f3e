"""What holds for every command: names, nearest names, versions, the environment, completion, quiet and verbose."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from safetypairs_hf.cli import COMMANDS, group
from safetypairs_hf.core.offer import Offer
from safetypairs_hf.guards.catalogue import GUARDS
from safetypairs_hf.taxonomy.taxonomy_file import check, read


def run(*words: str, **env: str) -> Result:
    return CliRunner().invoke(group, words, env=env)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scroe", "x.csv"], "No such command 'scroe'. (Did you mean 'score'?)"),
        (["taxonomy", "chek"], "No such command 'chek'. (Did you mean 'check'?)"),
        (["autoload", "onn"], "(Did you mean 'on'?)"),
        (["score", "x.csv", "--treshold", "1"], "--threshold"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["--quiet", "--verbose", "guards"], "--quiet shows less and --verbose more; give one of them"),
    ],
)
def test_what_there_is_not_is_answered_by_the_nearest(words: list[str], said: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    assert said in refused.stderr


@pytest.mark.parametrize("command", ["guards", "editors", "recipes"])
def test_a_list_and_one_of_it(command: str) -> None:
    listed = run(command)
    names = [line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]
    told = json.loads(run(command, "--json").stdout)
    assert [each["name"] for each in told] == names
    assert max(map(len, listed.stdout.splitlines())) <= 80
    one = run(command, names[0]).stdout
    assert one.startswith(f"{names[0]}: ")
    assert "\nexample:\n  safetypairs " in one
    assert json.loads(run(command, names[0], "--json").stdout) == told[0]


def test_taxonomies_are_listed_and_shown(tmp_path: Path) -> None:
    assert [line.split()[0] for line in run("taxonomy", "list").stdout.splitlines()] == ["safetypairs@1.0", "signs@1.0"]
    file = tmp_path / "mine.yaml"
    file.write_text(run("taxonomy", "show", "signs@1.0").stdout)
    assert check(file) == []
    assert json.loads(run("taxonomy", "show", str(file), "--json").stdout) == read(file).to_dict()


def test_the_versions_that_matter() -> None:
    told = dict(line.split(maxsplit=1) for line in run("--version").stdout.splitlines())
    assert told["safetypairs"] == version("safetypairs-hf")
    assert told["datasets"] == version("datasets")
    assert told["Python"].startswith(platform.python_version())


def test_options_stand_in_the_environment(tmp_path: Path) -> None:
    assert json.loads(run("guards", "clip", SAFETYPAIRS_GUARDS_JSON="1").stdout)["name"] == "clip"
    assert "'abc' is not a valid float" in run("score", "x.csv", SAFETYPAIRS_SCORE_THRESHOLD="abc").stderr
    assert json.loads(run("taxonomy", "list", SAFETYPAIRS_TAXONOMY_LIST_JSON="true").stdout)
    # One that this package reads is no option: SAFETYPAIRS_VERSION is the version of the bare name.
    assert run("guards", SAFETYPAIRS_VERSION="1.0.0").stdout.startswith("llavaguard ")


def test_no_two_options_share_a_variable() -> None:
    def variables(command: click.Command) -> list[str]:
        found = [str(each.envvar) for each in command.params if isinstance(each, click.Option)]
        below = command.commands.values() if isinstance(command, click.Group) else ()
        return found + [name for each in below for name in variables(each)]

    context = click.Context(group)
    names = [name for command in COMMANDS for name in variables(group.get_command(context, command))]  # type: ignore[arg-type]
    assert len(names) == len(set(names))
    assert not {"SAFETYPAIRS_REPO", "SAFETYPAIRS_VERSION", "SAFETYPAIRS_QUIET"} & set(names)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("safetypairs evaluate llama", [name for name in GUARDS if name.startswith("llama")]),
        ("safetypairs recipes kl", ["klein"]),
        ("safetypairs taxo", ["taxonomy"]),
    ],
)
def test_names_are_completed(words: str, expected: list[str]) -> None:
    env = {
        **os.environ,
        "_SAFETYPAIRS_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    shown = subprocess.run(
        [sys.executable, "-m", "safetypairs_hf"], env=env, capture_output=True, text=True, check=True
    )
    assert [line.partition(",")[2] for line in shown.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("build icons --out run --pairs 2 --workers 1", ["safetypairs: build"]),
        (
            "evaluate colour-and-clutter --out out.parquet --limit 2",
            ["included in safetypairs-hf", "safetypairs: judged 4"],
        ),
    ],
)
def test_quiet_shows_no_progress(line: str, shown: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from safetypairs_hf.cli import main, progress; progress.EVERY = 0.01; main()"]
    told = {}
    for option in ([], ["-q"]):
        folder = tmp_path / f"quiet{bool(option)}"
        folder.mkdir()
        done = subprocess.run(
            [*command, *option, *line.split()], cwd=folder, capture_output=True, text=True, check=True
        )
        told[bool(option)] = done.stderr
    assert all(text in told[False] for text in shown)
    assert told[True] == ""


def test_an_offer_prints_as_text() -> None:
    assert str(Offer("x", "what it is", {"license": "MIT"}, (), "safetypairs x")) == (
        "x: what it is\nlicense  MIT\nexample:\n  safetypairs x"
    )
