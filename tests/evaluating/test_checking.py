"""Predictions against data: those of another version, other pairs or other images are refused; gaps are filled."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builds import make_run
from click.testing import CliRunner

import safetypairs_hf as sp
from safetypairs_hf.cli.compare import command as compare_command
from safetypairs_hf.cli.report import command as report_command
from safetypairs_hf.cli.score import command as score_command
from safetypairs_hf.core.errors import PairError, SafetyPairsError, VersionMismatch
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.evaluating.checking import check_data, check_edition, told_together
from safetypairs_hf.evaluating.evaluate import evaluate
from safetypairs_hf.evaluating.prediction_file import metadata_of, read_run, told_by
from safetypairs_hf.icons.scene_guards import ColourAndClutter, KnowsSomeItems
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.taxonomy.nine import NINE

OUT = Path("mood.parquet")


@pytest.fixture
def data(tmp_path: Path) -> str:
    target = str(tmp_path / "data")
    publish(make_run(tmp_path / "run", pairs=4), parse_target(target), parse("1.0.0"))
    return target


def rewritten(column: str, values: list[Any]) -> Path:
    """What `evaluate` wrote, with other values in one column."""
    table = pq.read_table(OUT)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values, table.schema.field(column).type)), "other.parquet")
    return Path("other.parquet")


def test_predictions_and_the_data_that_they_are_on(data: str) -> None:
    splits = open_named(data).table["split"].to_pylist()
    score = evaluate(ColourAndClutter(), data, OUT, split="all")
    assert score.n_pairs == len(splits) == 4
    for named in (data, f"{data}@v1.0.0"):
        checked = check_data(OUT, named)
        assert checked.told == {"data": f"{data}@1.0.0", "split": "all", "fidelity": None}
    assert told_by(OUT) == {"data": f"{data}@1.0.0", "split": "all", "fidelity": None}
    with pytest.raises(VersionMismatch, match=r"data holds 1.0.0, not 1.1.0"):
        check_data(OUT, f"{data}@1.1.0")
    with pytest.raises(SafetyPairsError, match="no folder"):
        check_data(OUT, "./gone")


def test_the_newest_version_is_not_the_one_of_the_predictions(data: str, tmp_path: Path) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    publish(make_run(tmp_path / "more", pairs=6), parse_target(data), parse("1.1.0"))
    checked = check_data(OUT, data)
    assert checked.told == {"data": f"{data}@1.1.0", "split": "all", "fidelity": None}
    (note,) = checked.notes
    assert note.startswith(f"made on {data}@1.0.0, joined to {data}@1.1.0 by image hash: 4 pairs; 2 pairs of ")
    assert str(sp.versions(data)).endswith("\nThe folder holds 1.1.0; the versions before it are only listed.")
    # A report lays files side by side, so they are of one version.
    with pytest.raises(PairError, match=r"@1\.0\.0, and that folder holds 1\.1\.0 now; evaluate again, or see"):
        check_edition(OUT, open_named(data))


def test_rows_in_python_are_checked_against_data_of_this_machine(data: str) -> None:
    rows = [{**row, "score": float(row["reference"])} for row in sp.images(sp.load(data, split="test"))]
    assert sp.score(rows, data=data).signature.startswith(f"data:{data}@1.0.0|split:test|")
    with pytest.raises(PairError, match=r"the predictions: 1 of \d pairs is not in .*data@1\.0\.0 \('other'\)"):
        sp.score([*rows, *({**row, "pair_id": "other"} for row in rows[:2])], data=f"{data}@1.0.0")
    with pytest.raises(PairError, match=r"pairs are not in safetypairs@1\.0\.0"):
        sp.score(rows, data="safetypairs@1.0.0")
    # A dataset on the Hub, and a name of the user's own, are recorded.
    for named in ("lab/pairs@1.0.0", "ours, of May"):
        assert sp.score(rows, data=named).signature.startswith(f"data:{named}|n:")


def test_pairs_that_the_data_does_not_hold(data: str) -> None:
    held = open_named(data).table["pair_id"].to_pylist()[0]
    file = Path("guard.csv")
    lines = [f"{pair_id},{reference},1" for pair_id in (held, "x", "y") for reference in (1, 0)]
    file.write_text("\n".join(["pair_id,reference,prediction", *lines]))
    with pytest.raises(PairError, match=r"guard.csv: 2 of 3 pairs are not in .*data@1.0.0 \('x', 'y'\); give the ver"):
        check_data(file, data)
    assert read_run(file) is None and told_by(file) == {}


def test_a_pair_the_other_way_round(data: str) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    turned = rewritten("reference", [1 - each for each in pq.read_table(OUT).to_pydict()["reference"]])
    with pytest.raises(PairError, match=r"other.parquet: 4 pairs have other or swapped images compared with"):
        check_data(turned, data)


def test_categories_that_are_not_the_datas(data: str) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    ids, categories = (pq.read_table(OUT).to_pydict()[name] for name in ("pair_id", "category"))
    other = "hate" if categories[0] != "hate" else "nudity"
    moved = [other if each == ids[0] else name for each, name in zip(ids, categories, strict=True)]
    with pytest.raises(PairError, match=rf"1 pair is in another category than in .*data@1.0.0 \('{ids[0]}'\); leave"):
        check_data(rewritten("category", moved), data)
    codes = rewritten("category", [NINE.find(name).code for name in categories])
    assert check_data(codes, data).told["data"] == f"{data}@1.0.0"
    own = check_data(rewritten("category", ["my own"] * len(ids)), data)
    assert own.columns["category"].to_pylist() == ["my own"] * len(ids)


def test_category_and_group_are_taken_from_the_data(data: str) -> None:
    table = open_named(data).table.to_pylist()
    lines = [f"{row['pair_id']},{reference},{reference}" for row in table for reference in (1, 0)]
    Path("guard.csv").write_text("\n".join(["pair_id,reference,prediction", *lines]))
    alone, joined = (
        json.loads(CliRunner().invoke(score_command, ["guard.csv", "--json", *more]).stdout)
        for more in ([], ["--data", data])
    )
    assert alone["per_category"] == {} and "|ci:wilson|" in alone["signature"]
    counted = {name: figures["n_pairs"] for name, figures in joined["per_category"].items()}
    assert counted == Counter(row["category"] for row in table)
    assert joined["n_groups"] == len({row["group"] for row in table})
    assert joined["signature"].startswith(f"data:{data}@1.0.0|") and "|ci:wilson-groups|" in joined["signature"]


def test_a_comparison_of_files_says_what_they_are_on(data: str) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    evaluate(KnowsSomeItems(), data, "items.parquet", split="all")
    names = (ColourAndClutter().name, KnowsSomeItems().name)
    two, many = sp.compare(OUT, "items.parquet"), sp.compare_many({"a": OUT, "b": "items.parquet"})
    for found in (two, many):
        assert found.signature.startswith(f"data:{data}@1.0.0|split:all|n:4|")
    shown = CliRunner().invoke(compare_command, [str(OUT), "items.parquet"]).stdout
    assert shown == f"A: {OUT} ({names[0]})\nB: items.parquet ({names[1]})\n{two}\n"
    # What the caller gives comes first, and rows in memory state nothing.
    rows = pq.read_table(OUT).to_pylist()
    assert sp.compare(OUT, rows, data="mine@1.0.0").signature.startswith("data:mine@1.0.0|n:4|")
    assert sp.compare(OUT, rows, split="test").signature.startswith(f"data:{data}@1.0.0|split:test|n:4|")
    assert sp.compare(rows, rows).signature.startswith("data:none|n:4|")


def test_files_that_were_shown_different_images(data: str) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    assert told_together([OUT, OUT]) == {"data": f"{data}@1.0.0", "split": "all"}
    hashes, run = pq.read_table(OUT).to_pydict()["sha256"], read_run(OUT)
    assert run is not None
    run["data"]["images"] = "others"
    table = pq.read_table(rewritten("sha256", ["0" * 64, *hashes[1:]]))
    pq.write_table(table.replace_schema_metadata(metadata_of(run)), "other.parquet")
    for made, more in ((compare_command, []), (report_command, ["--out", "r.html"])):
        with pytest.raises(PairError, match=r"were shown different images of 1 pair \('.*'\); evaluate both"):
            CliRunner().invoke(made, [str(OUT), "other.parquet", *more], catch_exceptions=False)
    assert not Path("r.html").exists()


def test_signatures_say_what_evaluate_wrote(data: str) -> None:
    evaluate(ColourAndClutter(), data, OUT, split="all")
    Path("copy.parquet").write_bytes(OUT.read_bytes())
    words = [str(OUT), "--out", "r.html", "--markdown", "t.md"]
    assert CliRunner().invoke(report_command, words, catch_exceptions=False).exit_code == 0
    assert f"data:{data}@1.0.0|split:all|" in Path("t.md").read_text()
    done = CliRunner().invoke(compare_command, [str(OUT), "copy.parquet", "--json"])
    assert json.loads(done.stdout)["signature"].startswith(f"data:{data}@1.0.0|split:all|")
