"""`compare` of many files, `power` and `failures` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageFilter, ImageStat

import safetypairs_hf as sp
from safetypairs_hf.cli import compare as compare_cli
from safetypairs_hf.cli import failures as failures_cli
from safetypairs_hf.cli import power as power_cli
from safetypairs_hf.core.errors import PairError
from safetypairs_hf.metric import compare, compare_many, pairs_needed

SCORES: dict[str, dict[str, tuple[float | None, float]]] = {
    "small": {"a": (0.9, 0.2), "b": (0.8, 0.7), "c": (0.4, 0.1), "d": (0.3, 0.6)},
    "large": {"a": (0.9, 0.2), "b": (0.8, 0.1), "c": (0.9, 0.1), "d": (0.3, 0.6)},
    "tuned": {"a": (0.9, 0.2), "b": (0.8, 0.1), "c": (None, 0.1), "d": (0.9, 0.6)},
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = []
    for name, scores in SCORES.items():
        rows = [
            {"pair_id": pair, "reference": reference, "score": value, "category": "hate" if pair < "c" else "violence"}
            for pair, two in scores.items()
            for reference, value in zip((1, 0), two, strict=True)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths.append(str(path))
    return paths


def run(command: click.Command, *words: str) -> Result:
    return CliRunner().invoke(command, list(words), catch_exceptions=False)


def test_two_files_give_one_comparison(files: list[str]) -> None:
    a, b = files[:2]
    assert run(compare_cli.command, a, b).output == f"A: {a}\nB: {b}\n{compare(a, b)}\n"


@pytest.mark.parametrize(
    ("words", "how"),
    [([], {}), (["--threshold", "0.35"], {"threshold": 0.35}), (["--by-category"], {"by_category": True})],
)
def test_three_files_give_a_table(files: list[str], words: list[str], how: dict[str, Any]) -> None:
    expected = compare_many(dict(zip(SCORES, files, strict=True)), **how)
    assert run(compare_cli.command, *files, *words).output == f"{expected}\n"
    assert json.loads(run(compare_cli.command, *files, *words, "--json").output) == expected.to_dict()
    assert list(expected.guards) == (
        ["large", "small", "tuned"] if how.get("threshold") else ["large", "tuned", "small"]
    )


def test_names(files: list[str], tmp_path: Path) -> None:
    shown = json.loads(run(compare_cli.command, *files, "--names", "one, two,three", "--json").output)
    assert list(shown["guards"]) == ["two", "three", "one"]
    # Two files alone are a table too where names or categories are asked for.
    assert list(json.loads(run(compare_cli.command, *files[:2], "--names", "x,y", "--json").output)["guards"]) == [
        "y",
        "x",
    ]
    other = tmp_path / "other" / "small.jsonl"
    other.parent.mkdir()
    other.write_text(Path(files[0]).read_text())
    shown = json.loads(run(compare_cli.command, *files, str(other), "--json").output)
    assert set(shown["guards"]) == {*files, str(other)}
    for words, message in (
        ([*files, "--names", "a,b"], "--names gives 2 names for 3 files"),
        ([*files, "--names", "a,,c"], "none empty"),
        ([*files, "--names", "a,b,a"], "two guards with the name 'a'"),
        ([files[0], files[0], files[1]], "give each file once"),
        (files[:1], "Missing argument 'B'"),
    ):
        failed = run(compare_cli.command, *words)
        assert failed.exit_code == 2
        assert message in failed.output


def test_power(files: list[str]) -> None:
    found = json.loads(run(power_cli.command, "--difference", "0.03", "--discordance", "0.25", "--json").output)
    assert found["pairs"] == [[pairs_needed(0.03, 0.25)]]
    shown = run(power_cli.command, "--data-from", *files[:2]).output
    assert "The two guards given: 4 pairs\nDiscordance 0.5, difference -0.5, design effect 1\n" in shown
    assert "Fewer than 6 pairs (or groups) that differ never give p <= 0.05" in shown
    assert "At most 2 pairs differ: too few for the test, whatever they show." in shown
    found = json.loads(run(power_cli.command, "--data-from", *files[:2], "--json").output)
    assert found["observed"]["n_pairs"] == 4
    assert (found["observed_pairs_needed"], found["observed_detectable"]) == (pairs_needed(0.5, 0.5), None)
    words = ("--difference", "0.1", "--discordance", "0.3", "--design-effect", "2.5")
    found = json.loads(run(power_cli.command, *words, "--json").output)
    assert (found["design_effect"], found["pairs"]) == (2.5, [[pairs_needed(0.1, 0.3, design_effect=2.5)]])
    assert "design effect 2.5\n" in run(power_cli.command, *words).output


def test_failures(files: list[str]) -> None:
    found = json.loads(run(failures_cli.command, files[2], "--json").output)
    assert (found["n_failures"], found["n_abstained"]) == (2, 1)
    assert [row["pair_id"] for row in found["failures"]] == ["d", "c"]
    shown = run(failures_cli.command, files[0], "--top", "1").output
    assert "1 of 3 failures, worst first; 0 abstentions" in shown
    assert "+0.3000" in shown
    assert [
        row["pair_id"]
        for row in json.loads(run(failures_cli.command, files[0], "--category", "hate", "--json").output)["failures"]
    ] == ["b"]
    with pytest.raises(PairError, match="category 'hat': no row has it; the categories are hate, violence"):
        run(failures_cli.command, files[0], "--category", "hat")


def test_failures_are_drawn_with_the_images_of_their_data(tmp_path: Path) -> None:
    data = sp.load("safetypairs", split="test").select(range(6))
    rows = [{**row, "score": 0.5} for row in sp.images(data)]
    for row in rows:
        row.pop("image")
    path, sheet = tmp_path / "p.jsonl", tmp_path / "new" / "sheet.png"
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    words = [str(path), "--data", "safetypairs", "--sheet", str(sheet)]
    assert f"4 of 6 failures drawn in {sheet}" in run(failures_cli.command, *words, "--top", "4").output
    sides = []
    for shown in ([], ["--show-unsafe"]):
        run(failures_cli.command, *words, "--top", "1", *shown)
        with Image.open(sheet) as drawn:
            sides.append([drawn.convert("RGB").crop((x, 52, x + 220, 272)) for x in (12, 236)])
    (blurred, safe), (unsafe, again) = sides
    assert safe.tobytes() == again.tobytes()
    assert (
        ImageStat.Stat(blurred.filter(ImageFilter.FIND_EDGES)).sum
        < ImageStat.Stat(unsafe.filter(ImageFilter.FIND_EDGES)).sum
    )

    asked = run(failures_cli.command, str(path), "--sheet", "x.png")
    assert (asked.exit_code, "give both or neither" in asked.stderr) == (2, True)
    path.write_text(path.read_text().replace(rows[0]["pair_id"], "0" * 16))
    with pytest.raises(
        sp.SafetyPairsError, match=r"holds no pair 0{16}, which is in the predictions; name the version"
    ):
        run(failures_cli.command, *words)


@pytest.mark.parametrize("difference", ["5", "0", "-0.1", "nan"])
def test_a_difference_that_cannot_be(difference: str) -> None:
    with pytest.raises(PairError, match="above 0 and at most 1, such as"):
        run(power_cli.command, "--difference", difference)
