"""Every command prints one JSON value with --json, and what it does, a function of the package does too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import safetypairs_hf as sp
from safetypairs_hf.cli import COMMANDS, group
from safetypairs_hf.core.errors import RecipeError, RunError, SafetyPairsError

DOCS = Path(__file__).parents[2] / "docs"
# A server, whose output is the address that it listens at.
NO_JSON = {"localhub"}
# What the function of a command is called, where it is not called as the command.
NAMES = {
    "import": "import_pairs",
    "guards": "list_guards",
    "editors": "list_editors",
    "recipes": "list_recipes",
    "results": "push_results",
}
# `demo` sets the Hub's address for its whole process, and `localhub` serves until it is stopped.
NO_FUNCTION = {"demo", "localhub"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by its words, those below a group such as `taxonomy` too."""
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())
        else:
            yield name, command


def test_every_command_has_json() -> None:
    lacking = {name for name, command in commands() if not any("--json" in each.opts for each in command.params)}
    assert lacking == NO_JSON


def test_what_a_command_does_a_function_does() -> None:
    lacking = {name for name in COMMANDS if not callable(getattr(sp, NAMES.get(name, name), None))}
    assert lacking - NO_FUNCTION == {"taxonomy", "autoload"}
    for room in ("taxonomy", "autoload"):
        words = {name.split()[1] for name, _ in commands() if name.startswith(f"{room} ")}
        assert {word for word in words if not callable(getattr(getattr(sp, room), word, None))} <= {"list", "show"}
    assert callable(sp.taxonomy.read)  # what `taxonomy show` prints


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, its version 1.0.0 without a pair as version 2.0.0, and two files of predictions, made from Python."""
    work = tmp_path_factory.mktemp("work")
    built = sp.build("icons", work / "run", 1, pairs=9, size=128)
    assert (built.pairs, built.asked) == (9, 9) and str(built).startswith("9 pairs in ")
    for name in ("first", "second"):
        done = sp.publish(str(work / "run"), str(work / name), "1.0.0", probe=False)
        assert (done.to_dict()["added"], done.dry_run) == (9, False)
    gone = sp.load(str(work / "second"), split="test")[0]["pair_id"]
    taken = sp.takedown(str(work / "second"), [gone], "asked for", "2.0.0")
    assert taken.to_dict()["removed"] == [gone] and "took 1 pair down in 2.0.0: 8 pairs stay" in str(taken)
    for name in ("a", "b"):
        sp.evaluate(lambda image: 0.25, f"{work / 'first'}@1.0.0", work / f"{name}.parquet")
    return work


def printed(work: Path, *words: str, code: int = 0) -> Any:
    """What a command prints on stdout as JSON; nothing else is there."""
    done = CliRunner().invoke(group, [*(word.format(work=work) for word in words), "--json"])
    assert done.exit_code == code, (done.exception, done.stderr)
    return json.loads(done.stdout)


def test_functions_and_commands_say_the_same(work: Path) -> None:
    run, first, second = (str(work / name) for name in ("run", "first", "second"))
    a, b = (str(work / f"{name}.parquet") for name in "ab")
    results: dict[tuple[str, ...], Any] = {
        ("status", run): sp.status(run),
        ("publish", run, first, "--version", "1.0.0"): sp.publish(run, first, "1.0.0"),
        ("publish", run, first, "--version", "1.0.1", "--dry-run"): sp.publish(run, first, "1.0.1", dry_run=True),
        ("diff", first, second): sp.diff(first, f"{second}@2.0.0"),
        ("verify", first): sp.verify(first, "1.0.0"),
        ("score", a): sp.score(a),
        ("power", "--difference", "0.1", "--data-from", a, b): sp.power([0.1], data_from=(a, b)),
    }
    for words, result in results.items():
        assert printed(work, *words) == {**json.loads(json.dumps(result.to_dict()))}, words
        assert "<" in result._repr_html_() and str(result)
    assert printed(work, "versions", first) == sp.versions(first).to_dict()["versions"]
    report = json.loads(json.dumps(sp.report([a, b], names=("a", "b"))))
    assert printed(work, "report", a, b, "--name", "a", "--name", "b") == report
    changed = sp.diff(first, second)
    assert list(changed.to_pandas()["kind"]) == ["removed"] and changed.counts() != {}
    assert sp.versions(first).to_pandas()["version"].tolist() == ["1.0.0"] and len(sp.versions(first)) == 1
    stages = sp.status(run).to_pandas()
    assert stages[stages["stage"] == "select"]["out"].sum() == 9
    assert sp.verify(second).to_pandas().empty and sp.verify(second).ok


@pytest.mark.parametrize(
    "words",
    [
        ("build", "icons", "--out", "{work}/run", "--pairs", "9", "--set", "size=128"),
        ("compare", "{work}/a.parquet", "{work}/b.parquet"),
        ("editors", "klein"),
        ("evaluate", "colour-and-clutter", "--data", "{work}/first", "--out", "{work}/c.parquet"),
        ("export", "{work}/first", "--to", "imagefolder", "--split", "test", "--out", "{work}/out"),
        ("failures", "{work}/a.parquet"),
        ("guards",),
        ("import", "{work}/first/data", "--dry-run", "--sheet", "{work}/s.png"),
        ("layouts",),
        ("probe", "--leaks", "{work}/s.png", "{work}/first"),
        ("recipes",),
        ("review", "{work}/run", "--figures"),
        ("space", "--viewer", "{work}/space"),
        ("takedown", "{work}/first", "{pair}", "--reason", "x", "--version", "2.0.0", "--dry-run"),
        ("taxonomy", "list"),
        ("taxonomy", "show"),
        ("autoload", "status"),
    ],
    ids=lambda words: words[0],
)
def test_stdout_is_one_json_value(work: Path, words: tuple[str, ...]) -> None:
    pair = sp.load(str(work / "first"), split="test")[0]["pair_id"]
    assert printed(work, *(word.replace("{pair}", pair) for word in words))


@pytest.mark.parametrize("page", ["command-line.md", "notebook.md"])
def test_the_python_of_the_pages_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


def test_what_cannot_be_is_one_line(work: Path) -> None:
    run, first = str(work / "run"), str(work / "first")
    for call, said in (
        (lambda: sp.build("icons", run, engine="slurn"), "expected 'local', 'ray'"),
        (lambda: sp.build("icon", run), "the nearest is 'icons'"),
        (lambda: sp.build("icons", run, colour=1), "colour"),
        (lambda: sp.purge(first, ["0123456789abcdef"]), "one version only"),
        (lambda: sp.status("nowhere"), "holds no run"),
        (lambda: sp.diff(first, f"{first}@9.0.0"), "9.0.0"),
    ):
        with pytest.raises(SafetyPairsError, match=said) as told:
            call()
        assert "\n" not in str(told.value)
    from safetypairs_hf.building.recipe import load_recipe

    with pytest.raises(RecipeError, match="this one is loaded"):
        sp.build(load_recipe("icons", {"pairs": "9"}), run, pairs=9)
    with pytest.raises(RunError, match="holds no run"):
        sp.publish("nowhere", first, "1.0.0")


def test_a_room_that_is_called_stays_a_package() -> None:
    import inspect
    import pickle

    import safetypairs_hf.report.page
    import safetypairs_hf.versions.diff

    assert safetypairs_hf.versions is sp.versions and pickle.loads(pickle.dumps(sp.versions)) is sp.versions
    assert list(inspect.signature(sp.versions).parameters) == ["target"]
    assert "markdown" in inspect.signature(sp.report).parameters
