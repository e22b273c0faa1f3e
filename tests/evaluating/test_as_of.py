"""Predictions of an earlier version by the labels of a later one: the worked case of docs/metric.md, and the forms."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import make_run
from click.testing import CliRunner

import safetypairs_hf as sp
from safetypairs_hf.cli.score import command as score_command
from safetypairs_hf.core.errors import PairError
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.evaluating.as_of import AsOfScore
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.icons.scene_guards import ColourAndClutter
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.relabel import relabel

PAGE = (Path(__file__).parents[2] / "docs" / "metric.md").read_text()
CASE = {
    name: (float(unsafe), float(safe), before, what, after)
    for name, unsafe, safe, before, what, after in re.findall(
        r"^\| ([a-e]) \| ([\d.]+) ([\d.]+) \| (\w+) \| ([\w ]+) \| (\w*) ?\|$", PAGE, re.MULTILINE
    )
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` is 1.0.0 of five pairs, `two` 2.0.0 with what the worked case corrects."""
    root = tmp_path_factory.mktemp("versions")
    run = make_run(root / "run", pairs=5)
    for name in ("one", "two"):
        publish(run, parse_target(str(root / name)), parse("1.0.0"), probe=False)
    lines = []
    for (_, _, _, what, _), row in zip(CASE.values(), held(root / "one"), strict=True):
        value = ("hate" if row["category"] != "hate" else "sexual") if what == "category" else ""
        if what != "as it was":
            lines.append(
                {"pair_id": row["pair_id"], "action": what, "value": value, "reason": f"why {what}", "by": "R"}
            )
    relabel(str(root / "two"), lines, "2.0.0")
    return root


def held(folder: Path) -> list[dict[str, Any]]:
    """The pairs of a version in the order a to e of 1.0.0."""
    return sorted(open_named(str(folder)).table.to_pylist(), key=lambda row: row["pair_id"])


def answers(versions: Path, *, hashes: bool = True) -> list[dict[str, Any]]:
    """The scores of the worked case, on 1.0.0."""
    return [
        {
            "pair_id": row["pair_id"],
            "reference": reference,
            "score": score,
            **({"sha256": row[f"{'unsafe' if reference else 'safe'}_sha256"]} if hashes else {}),
        }
        for (unsafe, safe, *_), row in zip(CASE.values(), held(versions / "one"), strict=True)
        for reference, score in ((1, unsafe), (0, safe))
    ]


def outcome(unsafe: float, safe: float) -> str:
    """By hand, at 0.5."""
    return {(1, 0): "correct", (1, 1): "both_unsafe", (0, 0): "both_safe", (0, 1): "inverted"}[
        int(unsafe >= 0.5), int(safe >= 0.5)
    ]


def test_the_worked_case_is_right_by_hand() -> None:
    assert list(CASE) == ["a", "b", "c", "d", "e"]
    for unsafe, safe, before, what, after in CASE.values():
        assert outcome(unsafe, safe) == before
        assert ("" if what == "drop" else outcome(*((safe, unsafe) if what == "swap" else (unsafe, safe)))) == after
    stay = [row for row in CASE.values() if row[3] != "drop"]
    parts = [
        Fraction(sum(row[2] == "correct" for row in CASE.values()), len(CASE)),
        Fraction(sum(row[2] == "correct" for row in stay), len(stay)),
        Fraction(sum(row[4] == "correct" for row in stay), len(stay)),
    ]
    parted = (
        r"of 1.0.0 is (\d/\d) .*? is (\d/\d), .*? makes (\S+)\.",
        r" .*? is\s(\d/\d), .*? make (\S+)\. .*? (\S+), to (\S+) on",
    )
    said = re.search("".join(parted), PAGE, re.DOTALL)
    assert said
    first, middle, gone, last, relabelled, change, end = (Fraction(each) for each in said.groups())
    assert [first, middle, last, end] == [*parts, parts[2]]
    assert (gone, relabelled, change) == (middle - first, last - middle, last - first)


@pytest.mark.parametrize("form", ["rows with hashes", "rows without", "one row a pair", "a CSV file", "with samples"])
def test_the_worked_case_in_each_form(versions: Path, tmp_path: Path, form: str) -> None:
    rows: Any = answers(versions, hashes=form in ("rows with hashes", "with samples"))
    if form == "one row a pair":
        rows = [
            {"pair_id": one["pair_id"], "unsafe_score": one["score"], "safe_score": two["score"]}
            for one, two in zip(rows[::2], rows[1::2], strict=True)
        ]
    elif form == "with samples":
        rows = [{**row, "sample": sample} for sample in (1, 2) for row in rows]
    elif form == "a CSV file":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        rows = tmp_path / "guard.csv"
        rows.write_text("\n".join(lines))
    found = sp.score(rows, data=str(versions / "two"), as_of=str(versions / "one"))
    assert isinstance(found, AsOfScore) and found.as_of
    moved = found.as_of
    assert (found.pair_accuracy, found.n_pairs) == (0.75, 4)
    assert (moved.version, moved.pair_accuracy, moved.n_pairs) == ("1.0.0", 0.4, 5)
    assert (moved.gone, moved.relabelled, moved.change) == pytest.approx((0.1, 0.25, 0.35))
    assert moved.gone + moved.relabelled == pytest.approx(moved.change, abs=1e-15)
    assert (moved.n_gone, moved.n_relabelled, moved.n_swapped, moved.n_other_category) == (1, 2, 1, 1)
    ids = dict(zip(CASE, (row["pair_id"] for row in held(versions / "one")), strict=True))
    assert {(each.pair_id, each.how, each.correct_before, each.correct_after, each.reason) for each in moved.pairs} == {
        (ids["b"], "gone", 0.0, None, "why drop"),
        (ids["c"], "category", 1.0, 1.0, "why category"),
        (ids["d"], "swapped", 0.0, 1.0, "why swap"),
    }
    assert found.to_dict()["as_of"]["relabelled"] == moved.relabelled
    assert json.loads(json.dumps(found.to_dict()))["as_of"]["pairs"][0]["pair_id"] == moved.pairs[0].pair_id
    assert found.signature.startswith(f"data:{versions / 'two'}@2.0.0|")
    expected = {row["category"] for row in held(versions / "two")}
    assert set(found.per_category) == expected
    text = str(found)
    assert found._repr_html_().endswith("</pre>") and "why swap" in found._repr_html_()
    assert "pair accuracy in 1.0.0    0.4000   5 pairs\n  pairs gone             +0.1000   1 pair\n" in text
    assert "  relabelled             +0.2500   2 pairs: 1 swapped, 1 in another category\n" in text
    assert "by the new labels         0.7500   +0.3500, 4 pairs\n" in text
    assert f"  {ids['d']}  swapped, wrong to right: why swap" in text


def test_a_file_of_evaluate_scores_by_the_new_labels(versions: Path, tmp_path: Path) -> None:
    one, two = str(versions / "one"), str(versions / "two")
    out = tmp_path / "guard.parquet"
    evaluate(ColourAndClutter(), one, out, split="all")
    told = json.loads(CliRunner().invoke(score_command, [str(out), "--data", two, "--json"]).stdout)
    scores = {row["sha256"]: row["score"] for row in pq.read_table(out).to_pylist()}
    right = [scores[row["unsafe_sha256"]] >= 0.5 > scores[row["safe_sha256"]] for row in held(versions / "two")]
    assert (told["n_pairs"], told["pair_accuracy"]) == (4, sum(right) / 4)
    assert told["signature"].startswith(f"data:{two}@2.0.0|split:all|n:4|")
    (note,) = [each for each in told["notes"] if each.startswith("made on")]
    assert note.startswith(f"made on {one}@1.0.0, joined to {two}@2.0.0 by image hash: 4 pairs; 1 of its pairs gone (")
    assert "1 with members swapped (" in note and "1 judged under another category's policy (" in note
    as_of = json.loads(CliRunner().invoke(score_command, [str(out), "--data", two, "--as-of", one, "--json"]).stdout)
    assert (as_of["pair_accuracy"], as_of["as_of"]["n_pairs"]) == (told["pair_accuracy"], 5)
    same = json.loads(CliRunner().invoke(score_command, [str(out), "--data", one, "--as-of", one, "--json"]).stdout)
    assert (same["as_of"]["change"], same["as_of"]["pairs"], same["n_pairs"]) == (0.0, [], 5)


def test_a_file_of_another_tool_is_joined_by_its_column_of_hashes(versions: Path, tmp_path: Path) -> None:
    """Such a file does not say which version it is on: where a label is another one, its own are not believed."""
    one, two, file = str(versions / "one"), str(versions / "two"), tmp_path / "guard.csv"
    rows = answers(versions)
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    file.write_text("\n".join(lines).replace(",1,0.", ",yes,0.").replace(",0,0.", ",no,0."))
    words = ["--label", "yes=unsafe", "--label", "no=safe", "--json", "--data"]
    told = json.loads(CliRunner().invoke(score_command, [str(file), *words, two]).stdout)
    assert (told["pair_accuracy"], told["n_pairs"], told["signature"].split("|")[0]) == (0.75, 4, f"data:{two}@2.0.0")
    (note,) = [each for each in told["notes"] if "joined" in each]
    assert note.startswith(f"joined to {two}@2.0.0 by image hash: 4 pairs; 1 of its pairs gone (")
    same = json.loads(CliRunner().invoke(score_command, [str(file), *words, one]).stdout)
    assert (same["pair_accuracy"], same["n_pairs"]) == (0.4, 5)
    assert [each for each in same["notes"] if "joined" in each] == []


def test_a_release_that_gave_other_ids_is_joined_by_images(versions: Path) -> None:
    """As `publish --replace` of a relabelled run does: here the answers have ids of their own."""
    rows = [{**row, "pair_id": f"mine-{row['pair_id']}"} for row in answers(versions)]
    found = sp.score(rows, data=str(versions / "two"), as_of=str(versions / "one"))
    assert isinstance(found, AsOfScore) and found.as_of
    assert (found.pair_accuracy, found.as_of.change, found.as_of.n_gone) == (0.75, pytest.approx(0.35), 1)


def test_what_is_refused(versions: Path, tmp_path: Path) -> None:
    one, two = str(versions / "one"), str(versions / "two")
    rows = answers(versions, hashes=False)
    ids = dict(zip(CASE, (row["pair_id"] for row in held(versions / "one")), strict=True))
    stay = [row for row in rows if row["pair_id"] != ids["b"]]

    def refused(message: str, rows: Any, *words: str) -> None:
        file = tmp_path / "guard.parquet"
        pq.write_table(pa.Table.from_pylist(rows), file)
        done = CliRunner().invoke(score_command, [str(file), *words])
        assert isinstance(done.exception, PairError), done.output
        assert re.search(message, str(done.exception)), str(done.exception)
        assert "\n" not in str(done.exception)

    refused(rf"errata up to 2.0.0 swapped the members of 1 of its pairs \('{ids['d']}'\)", stay, "--data", two)
    refused(r"--as-of 1.0.0 without --data; give the version", rows, "--as-of", "1.0.0")
    refused(r"two holds 2.0.0, not 1.0.0; .* give a folder", rows, "--data", two, "--as-of", "1.0.0")
    refused(r"--as-of .*two is version 2.0.0, and --data .*one@1.0.0; --as-of", rows, "--data", one, "--as-of", two)
    unlabelled = [{name: value for name, value in row.items() if name != "reference"} for row in rows]
    refused(r"guard\.parquet has no column reference", unlabelled, "--data", two, "--as-of", one)
    strange = [{**row, "pair_id": "x"} for row in rows[:2]]
    refused(r"1 of 1 pair is not in .*one@1.0.0 \('x'\); give the", strange, "--data", two, "--as-of", one)
    gone = [row for row in rows if row["pair_id"] == ids["b"]]
    refused(r"none of its pairs is in .*two@2.0.0 \(1: ", gone, "--data", two, "--as-of", one)
    other = [{**row, "sha256": "0" * 64} for row in rows]
    refused(
        r"\d pairs were judged on other images than .*two@2.0.0 has",
        other,
        "--data",
        two,
        "--as-of",
        one,
    )
    turned = [{**row, "reference": 7} for row in rows]
    refused(r"a reference outside \{0, 1\}: 5 pairs", turned, "--data", two, "--as-of", one)
    controls = [{**row, "control": 2} for row in answers(versions)]
    refused(r"has predictions on controls, whose labels belong to one version", controls, "--data", two, "--as-of", one)
    file = tmp_path / "controls.parquet"
    pq.write_table(pa.Table.from_pylist(controls), file)
    words = ("--data", two, "--as-of", one, "--controls", str(file))
    refused(r"controls of pairs whose members errata swapped", answers(versions), *words)
    with pytest.raises(PairError, match=r"as_of='1\.0\.0' without data"):
        sp.score(rows, as_of="1.0.0")
