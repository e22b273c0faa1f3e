"""Pairs to Label Studio and to a table, and what people decided there back; what does not fit is one clear line.

The commands are those of docs/review.md.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builds import make_run
from click.testing import CliRunner
from decided import decided
from PIL import Image

from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.reviewing import decisions
from safetypairs_hf.reviewing.assignment import side_of
from safetypairs_hf.reviewing.decisions import Decision
from safetypairs_hf.reviewing.exchange import LOCAL_FILES, export_review, figures_of_review, import_review
from safetypairs_hf.reviewing.review_answers import left_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(make_run(tmp_path_factory.mktemp("exchange") / "run", pairs=6).root)


@pytest.fixture
def run(made: Path, tmp_path: Path) -> RunFolder:
    return open_run(str(shutil.copytree(made, tmp_path / "run")))


def ids_of(run: RunFolder) -> list[str]:
    return [drawn.entrant.identity.pair_id for drawn in open_finished(run).drawn]


# Decisions with a text that a spreadsheet takes for a formula, quotes, other letters, a line end.
SAID = [
    decided("0" * 16, "anna", "accept", "both", note="=HYPERLINK(1)"),
    decided("0" * 16, "anna", "reject", "safe", reason="artefact", note="'quoted', \"so\""),
    decided("0" * 16, "bert", "borderline", "neither", note="Größe\nund mehr", seconds=0.25),
    decided("0" * 16, "bert", "skip", None, note="-"),
    decided("0" * 16, "anna", "reject", "unsafe", reason="too small, @home"),
]


def said_of(run: RunFolder) -> list[Decision]:
    """SAID of the first pairs of a run, on the sides that a file shows them on."""
    ids = ids_of(run)
    return [replace(each, pair_id=ids[number], left=left_of(ids[number])) for number, each in enumerate(SAID)]


def in_table(file: Path, made: Iterable[Decision]) -> None:
    """Fill in a table as a spreadsheet would."""
    by_pair = {each.pair_id: each for each in made}
    table = list(csv.DictReader(io.StringIO(file.read_text())))
    for row in table:
        if each := by_pair.get(row["pair_id"]):
            blind = side_of(each.blind, each.left) if each.blind else ""
            row |= {"reviewer": each.reviewer, "blind": blind, "decision": each.action, "reason": each.reason}
            row |= {"note": each.note, "seconds": str(each.seconds), "time": each.time}
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def in_label_studio(file: Path, made: Iterable[Decision]) -> None:
    """What Label Studio exports of a project once its annotators are done."""
    by_pair = {each.pair_id: each for each in made}
    tasks = json.loads(file.read_text())
    for number, task in enumerate(tasks, 1):
        task |= {"id": number, "annotations": []}
        if each := by_pair.get(task["data"]["pair_id"]):
            found = [result("decision", each.action), result("reviewer", each.reviewer, kind="textarea")]
            found += [result("blind", side_of(each.blind, each.left))] if each.blind else []
            found += [result("reason", each.reason)] if each.reason else []
            found += [result("note", each.note, kind="textarea")] if each.note else []
            at = {"created_at": "2026-11-29T01:00:00Z", "updated_at": each.time, "lead_time": each.seconds}
            task["annotations"] = [{"result": found, "completed_by": 1, "was_cancelled": False, **at}]
    file.write_text(json.dumps(tasks))


@pytest.mark.parametrize(("to", "fill_in"), [("label-studio", in_label_studio), ("csv", in_table)])
def test_what_people_decided_there_comes_back_as_it_was(
    run: RunFolder, tmp_path: Path, to: str, fill_in: Callable[[Path, list[Decision]], None]
) -> None:
    file, made = tmp_path / ("tasks.json" if to == "label-studio" else "table.csv"), said_of(run)
    assert export_review(run.url, file, to=to).pairs == 6
    fill_in(file, made)
    read = import_review(run.url, file)
    assert (read.there, read.empty) == (0, 0 if to == "label-studio" else 1)
    assert read.decisions == made
    assert sorted(decisions.read_all(run).decisions, key=made.index) == made
    assert import_review(run.url, file)[1:] == (5, read.empty)
    # The page is ahead of the file: what is older than it is no news.
    later = replace(made[0], action="reject", reason="artefact", time="2026-11-29T05:00:00+00:00")
    decisions.append(run, later)
    assert import_review(run.url, file).decisions == []
    assert decisions.effective(decisions.read_all(run).decisions)[later.pair_id, "anna"] == later


def test_a_task_has_both_images_the_box_in_percent_and_the_judges_as_predictions(
    run: RunFolder, tmp_path: Path
) -> None:
    done = export_review(run.url, tmp_path / "tasks.json")
    assert done.beside == [tmp_path / "tasks.xml"]
    assert export_review(run.url, tmp_path / "far.json", images="folder").beside[0] == tmp_path / "far-images"
    pairs = {pair.identity.pair_id: pair for pair, _ in open_finished(run).pairs(ids_of(run)) if pair.identity}
    tasks, far = (json.loads((tmp_path / name).read_text()) for name in ("tasks.json", "far.json"))
    assert [task["data"]["pair_id"] for task in tasks] == ids_of(run)
    lefts = set()
    for task, other in zip(tasks, far, strict=True):
        data, pair = task["data"], pairs[task["data"]["pair_id"]]
        assert pair.safe and pair.edit_box and pair.instruction
        left = left_of(data["pair_id"])
        lefts.add(left)
        members = {"unsafe": pair.unsafe.data, "safe": pair.safe.data}
        right = "safe" if left == "unsafe" else "unsafe"
        for side, member in (("left", left), ("right", right)):
            kind, _, coded = data[side].partition(",")
            assert (kind, base64.b64decode(coded)) == ("data:image/png;base64", members[member])
            assert other["data"][side] == f"{LOCAL_FILES}far-images/{data['pair_id']}-{side}.png"
            assert (tmp_path / "far-images" / f"{data['pair_id']}-{side}.png").read_bytes() == members[member]
        assert data["instruction"] == pair.instruction.text
        assert data["policy"]
        (prediction,) = task["predictions"]
        assert (prediction["model_version"], prediction["score"]) == ("red-judge", 1.0)
        *boxes, said = prediction["result"]
        width, height = Image.open(io.BytesIO(pair.unsafe.data)).size
        for box in boxes:
            value = box["value"]
            x0, y0 = value["x"] * width / 100, value["y"] * height / 100
            found = (x0, y0, x0 + value["width"] * width / 100, y0 + value["height"] * height / 100)
            assert found == pytest.approx(tuple(pair.edit_box))
        assert said["value"]["choices"] == ["left" if left == "unsafe" else "right"]
        assert "annotations" not in task
    assert lefts == {"unsafe", "safe"}
    names = {tag.get("name") for tag in ElementTree.fromstring((tmp_path / "tasks.xml").read_text()).iter()}
    used = {result["from_name"] for task in tasks for each in task["predictions"] for result in each["result"]}
    assert used | {"decision", "reason", "note", "reviewer"} <= names


def test_a_table_that_is_filled_in(run: RunFolder, tmp_path: Path) -> None:
    file, ids = tmp_path / "table.csv", ids_of(run)
    words = ["review", run.url, "--export", str(file), "--to", "csv", "--json"]
    assert json.loads(CliRunner().invoke(group, words).stdout) == {
        "pairs": 6,
        "files": [str(file), str(tmp_path / "table-images")],
    }
    again = CliRunner().invoke(group, words)
    assert str(again.exception) == f"{file} is there already, and may be filled in; name another file"
    table = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["pair_id"] for row in table] == ids
    assert all((tmp_path / row["left_image"]).is_file() for row in table)
    assert [float(table[0][f"box_{side}_percent"]) for side in ("x", "y", "width", "height")] == [25, 12.5, 25, 25]
    assert (table[0]["red-judge p_unsafe_before"], table[0]["red-judge p_unsafe_after"]) == ("1", "0")
    table[0] |= {"decision": " Accept ", "blind": "left"}
    table[1] |= {"decision": "reject", "reason": "artefact", "reviewer": "bert", "seconds": "2.5"}
    with file.open("w", newline="", encoding="utf-8-sig") as stream:  # as spreadsheets write it
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    with pytest.raises(SafetyPairsError, match="line 2: nobody is named; fill in the reviewer, or give --reviewer"):
        import_review(run.url, file)
    words = ["review", run.url, "--import", str(file), "--reviewer", "anna"]
    said = CliRunner().invoke(group, words).output
    assert said == "2 decisions are new, 0 were recorded before, 4 are not filled in\n"
    assert "0 decisions are new, 2 were recorded before" in CliRunner().invoke(group, words).output
    first, second = decisions.read_all(run).decisions
    assert (first.pair_id, first.reviewer, first.action, first.blind) == (ids[0], "anna", "accept", left_of(ids[0]))
    assert (second.reviewer, second.reason, second.seconds, second.blind) == ("bert", "artefact", 2.5, None)
    figures = json.loads(CliRunner().invoke(group, ["review", run.url, "--figures", "--json"]).stdout)
    assert (figures["pairs"], figures["seconds"]) == (2, [2.5, 2.5, 2.5])
    assert figures["people"][0]["seconds"] is None
    assert str(figures_of_review(run.url)) in CliRunner().invoke(group, ["review", run.url, "--figures"]).output


def annotated(ids: list[str], *annotations: dict[str, Any]) -> str:
    return json.dumps([{"id": 1, "data": {"pair_id": ids[0]}, "annotations": list(annotations)}])


def result(name: str, *values: str, kind: str = "choices") -> dict[str, Any]:
    return {
        "from_name": name,
        "to_name": "left",
        "type": kind,
        "value": {kind if kind == "choices" else "text": values},
    }


def test_an_export_of_label_studio_names_people_by_what_it_knows(run: RunFolder, tmp_path: Path) -> None:
    ids, file = ids_of(run), tmp_path / "export.json"
    accept = result("decision", "accept")
    at = {"created_at": "2026-11-29T03:00:00.000Z", "updated_at": "2026-11-29T04:30:00.500+01:00", "lead_time": 7.25}
    annotations = [
        {"result": [accept, result("note", "one", "two", kind="textarea")], "completed_by": 7, **at},
        {"result": [accept], "completed_by": {"id": 8, "email": "anna+x@lab.org"}, **at},
        {"result": [accept, result("reviewer", "Zoe", kind="textarea")], "completed_by": 7, **at},
        {"result": [result("blind", "both")], "completed_by": 9, **at},
        {"result": [], "completed_by": 10, "was_cancelled": True, **at},
        {"result": [], "completed_by": 11, **at},
    ]
    file.write_text(annotated(ids, *annotations))
    read = import_review(run.url, file)
    assert (read.there, read.empty) == (0, 1)
    said = {each.reviewer: (each.action, each.blind, each.note) for each in read.decisions}
    assert said == {
        "label-studio-7": ("accept", None, "one two"),
        "anna_x_lab.org": ("accept", None, ""),
        "Zoe": ("accept", None, ""),
        "label-studio-9": ("blind", "both", ""),
        "label-studio-10": ("skip", None, ""),
    }
    assert {(each.time, each.seconds) for each in read.decisions} == {("2026-11-29T03:30:00.500000+00:00", 7.25)}
    assert import_review(run.url, file)[1:] == (5, 1)


FAULTS: list[tuple[str, Callable[[list[str]], str], str]] = [
    ("a.json", lambda ids: "no JSON", "is no JSON: "),
    ("a.json", lambda ids: "{}", "is not an export of Label Studio; expected a JSON list of tasks"),
    ("a.json", lambda ids: json.dumps([{"pair_id": ids[0]}]), "task 1 has no data and annotations; export the project"),
    ("a.json", lambda ids: json.dumps([{"data": {}}]), "task 1 has no data and annotations"),
    ("a.json", lambda ids: annotated(ids, {}), "task 1 has an annotation without a result"),
    (
        "a.json",
        lambda ids: annotated(["f" * 16], {"result": [result("decision", "accept")], "completed_by": 1}),
        "task 1: the pair 'ffffffffffffffff' is not among those reviewed",
    ),
    (
        "a.json",
        lambda ids: annotated(ids, {"result": [result("decision", "accept")], "created_at": "at noon"}),
        "task 1 has the time 'at noon'; expected ISO 8601",
    ),
    ("a.csv", lambda ids: "", "has no row; expected the table that --export wrote, filled in"),
    ("a.csv", lambda ids: "pair_id\nx", "has no column 'decision'; expected the table"),
    (
        "a.csv",
        lambda ids: f"pair_id,decision\n{ids[0]},ok",
        "line 2: decision 'ok'; expected accept, reject,",
    ),
    (
        "a.csv",
        lambda ids: f"pair_id,decision,blind\n{ids[0]},skip,up",
        "line 2: blind 'up'; expected left, right,",
    ),
    ("a.csv", lambda ids: f"pair_id,decision\n{ids[0]},reject", "line 2: the decision rejects a pair without a reason"),
    (
        "a.csv",
        lambda ids: f"pair_id,decision,seconds\n{ids[0]},skip,long",
        "line 2: the seconds 'long'; expected",
    ),
    ("a.csv", lambda ids: f"pair_id,decision,time\n{ids[0]},skip,noon", "line 2: the decision has the time 'noon'"),
    ("a.csv", lambda ids: f"pair_id,decision,reviewer\n{ids[0]},skip,../x", "line 2: '../x' is no name of a reviewer"),
    ("a.csv", lambda ids: f"pair_id,decision\n{ids[0]},skip,1", "line 2, has 3 fields, and the head 2"),
]


@pytest.mark.parametrize(("name", "content", "said"), FAULTS)
def test_what_does_not_fit_is_one_clear_line_and_nothing_is_recorded(
    run: RunFolder, tmp_path: Path, name: str, content: Callable[[list[str]], str], said: str
) -> None:
    (tmp_path / name).write_text(content(ids_of(run)))
    with pytest.raises(SafetyPairsError) as error:
        import_review(run.url, tmp_path / name, reviewer="anna")
    assert said in str(error.value)
    assert str(error.value).startswith(str(tmp_path / name))
    assert "nothing was recorded" in str(error.value)
    assert decisions.read_all(run).decisions == []


def test_wrong_words_and_places(run: RunFolder, tmp_path: Path) -> None:
    for options, said in [
        ({"to": "labelstudio"}, "--to labelstudio: expected label-studio or csv; the nearest is 'label-studio'"),
        ({"images": "inside"}, "--images inside: expected inline or folder"),
        ({"to": "csv", "images": "inline"}, "a table holds no images: leave out --images inline"),
    ]:
        with pytest.raises(SafetyPairsError) as error:
            export_review(run.url, tmp_path / "a", **options)  # type: ignore[arg-type]
        assert said in str(error.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(SafetyPairsError, match="cannot write "):
        export_review(run.url, tmp_path / "file" / "a.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]
    for words, said in [
        (["--figures", "--export", "x"], "--figures and --export: one at a time"),
        (["--to", "csv"], "--to and --images belong to --export FILE"),
        (["--json"], "--json belongs to --figures, --export or --import"),
    ]:
        done = CliRunner().invoke(group, ["review", run.url, *words])
        assert done.exit_code == 2
        assert said in done.output
