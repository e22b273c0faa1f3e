"""Layouts: those with names, files of one's own, and what a plan made of them takes for a pair."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.importing.import_pairs import Opened, open_pairs
from safetypairs_hf.importing.layout import layout_of
from safetypairs_hf.importing.reading_plan import Said

NAMES = ["contrasafe-vl", "policyshiftbench", "safe-vs-unsafe-image-edits", "safeeditbench"]


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 40)).save(file, "PNG")
    return file.getvalue()


BYTES = picture()


def named(opened: Opened) -> dict[str, str]:
    """Each pair's name, and its direction."""
    return {pair.name: pair.texts["direction"] for pair in opened.pairs}


def left_out(opened: Opened) -> dict[str, str]:
    return {name: reject.reason for name, reject in opened.rejects}


def run(*words: str) -> str:
    done = CliRunner().invoke(group, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_named_ones_are_listed_and_shown() -> None:
    assert [each.name for each in sp.layouts()] == NAMES
    listed = run("layouts").splitlines()
    assert [line.split()[0] for line in listed] == NAMES
    assert all(len(line) <= 80 for line in listed)
    assert [each["name"] for each in json.loads(run("layouts", "--json"))] == NAMES
    shown = run("layouts", "ContraSafe-VL").splitlines()
    assert shown[0] == "contrasafe-vl: images that make one question unsafe or safe"
    assert "dataset: DeeWoo/ContraSafe-VL" in shown
    assert "  partner         pair_data_id" in shown
    assert "  Yes             unsafe" in shown
    assert "license: research-use-only" in shown
    first = "  safetypairs import DeeWoo/ContraSafe-VL --layout contrasafe-vl \\"
    assert shown[-3:] == ["example:", first, "      --category SLUG --out runs/mine"]
    assert all(len(line) <= 80 for line in shown)
    values = json.loads(run("layouts", "safeeditbench", "--json"))
    assert values["reading"]["columns"]["within"] == "policy_name"
    assert values["example"] == "safetypairs import tyodd/SafeEditBench --layout safeeditbench --out runs/mine"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_of_one_is_a_layout_of_ones_own(name: str, tmp_path: Path) -> None:
    values = json.loads(run("layouts", name, "--json"))
    written = {**values, **values.pop("reading")}
    file = tmp_path / "own.yaml"
    file.write_text(
        json.dumps({key: each for key, each in written.items() if key not in ("name", "reading", "example")})
    )
    assert sp.layout(file).said == sp.layout(name).said


def test_the_layout_of_a_dataset_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sources = ("tyodd/safeeditbench", "hf://datasets/Advait-s06/safe-vs-unsafe-image-edits-batch2@main", "lab/own", [])
    found = [layout_of(source) for source in sources]
    assert [each and each.name for each in found] == ["safeeditbench", "safe-vs-unsafe-image-edits", None, None]
    (tmp_path / "tyodd" / "SafeEditBench").mkdir(parents=True)
    assert layout_of("tyodd/SafeEditBench") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no layout 'safeedit.bench'; the nearest is 'safeeditbench'; there are contrasafe-vl, "),
        (
            "colums: {unsafe: a}",
            "there is no 'colums'; the nearest is 'columns'; there are about, paper, access, note, ",
        ),
        ("columns: {unsave: a}", "columns: there is no 'unsave'; the nearest is 'unsafe'; there are unsafe, safe, "),
        ("columns: before", "columns is 'before'; expected a mapping"),
        ("kind: pair", "kind: there is no 'pair'; the nearest is 'pairs'; there are pairs, images"),
        ("needs: [policy]", "needs: there is no 'policy'; "),
        ("needs: category", "needs is 'category'; expected a list, such as [need]"),
        ("about: [a]", "about is ['a']; expected a text"),
        ("pair_pattern: '('", "is no regular expression"),
        ("- a", "is no mapping; expected YAML such as 'columns: {unsafe: before, safe: after}'"),
        ("category: a\ncategory: b", ", line 2, has the key 'category' a second time; "),
        ("a: &x b\nc: *x", " uses an alias (*x); write the lines out"),
        ("a: [", " is no YAML: "),
        (b"about: \xff", "is not UTF-8 (at byte 7); save it as that; expected YAML"),
        ("", "is no mapping; "),
    ],
)
def test_a_fault_is_one_line_with_what_is_expected(text: str | bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError) as caught:
        sp.layout("safeedit.bench" if text is None else file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert text is None or str(file) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"own\.yaml can't be read: No such file"):
        sp.layout(tmp_path / "own.yaml")


def test_options_go_before_a_layout_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("columns: {unsafe: worse, safe: better, id: no}\ncategory: hate\nlicense: MIT\nneeds: [license]\n")
    rows = [{"worse": BYTES, "better": BYTES, "other": BYTES, "no": 1}]
    opened = open_pairs(rows, Said(columns={"safe": "other"}, category="O6"), layout=file)
    assert opened.plan.columns == {"unsafe": "worse", "safe": "other", "id": "no"}
    assert [(pair.name, pair.texts["category"]) for pair in opened.pairs] == [("1", "weapons_substances")]
    assert opened.plan.license == "MIT"
    assert sp.layout(file).example == f"safetypairs import SOURCE --layout {file} --license ID --out runs/mine"


def test_a_source_that_is_laid_out_otherwise_is_named() -> None:
    rows = [{"image": BYTES, "image_path": "a_safe.png", "label": "safe"}]
    said = r"it has no column 'policy_name', 'safety_label', 'policy' \(the columns are image, image_path, label\)"
    with pytest.raises(RecipeError, match=f"^objects is not laid out as safeeditbench: {said}"):
        open_pairs(rows, layout="safeeditbench")
    with pytest.raises(RecipeError, match="it has no column 'policy_name', 'policy' "):
        open_pairs(rows, Said(columns={"label": "label"}), layout="safeeditbench")


def test_the_sources_own_licence_counts_more_than_a_layouts() -> None:
    laid = sp.layout("safeeditbench")
    assert laid.for_source("").license == "cc-by-4.0"
    assert laid.for_source("mit").license == "mit"
    assert laid.for_source("mit").columns == laid.said.columns


def judged(path: str, label: str, policy: str) -> dict[str, Any]:
    return {
        "image": BYTES,
        "image_path": path,
        "safety_label": label,
        "policy_name": policy,
        "policy": f"It is {policy}.",
    }


def test_images_are_a_pair_under_one_policy_and_the_edited_one_tells_the_direction() -> None:
    """Also by the names that the card of SafeEditBench has: x.jpg, and x_edited.jpg."""
    rows = [
        judged("a.jpg", "unsafe", "L1"),
        judged("a_edited.jpg", "safe", "L1"),
        judged("a.jpg", "safe", "L2"),
        judged("a_edited.jpg", "unsafe", "L2"),
        judged("test/b_unsafe.png", "unsafe", "L1"),
        judged("test/b_safe.png", "safe", "L1"),
        judged("test/b_unsafe.png", "unsafe", "L2"),
        judged("b_safe.png", "safe", "L2"),
    ]
    opened = open_pairs(rows, layout="safeeditbench")
    assert named(opened) == {"L1/a": "unsafe_to_safe", "L2/a": "safe_to_unsafe", "L1/test/b": "unsafe_to_safe"}
    assert left_out(opened) == {"L2/test/b": "missing_half", "L2/b": "missing_half"}
    assert opened.taxonomy.slugs == ("l1", "l2")


def query(name: str | None, label: str, partner: str | None, edited: bool | None) -> dict[str, Any]:
    meta = {"is_edited": edited, "source_dataset": ""}
    return {
        "id": name,
        "images": BYTES,
        "has_safety_risk": label,
        "pair_data_id": partner,
        "image_meta": json.dumps(meta),
    }


def test_of_two_rows_one_has_to_name_the_other() -> None:
    rows = [
        query("a", "Yes", "b", None),
        query("b", "No", "a", None),
        query("c", "Yes", None, None),
        query("d", "No", "c", None),
        query("e", "No", "c", None),
        query("f", "No", "g", None),
        query("h", "Yes", "i", None),
        query("i", "Yes", "h", None),
        query("k", "Perhaps", "l", None),
        query("m", "Yes", None, None),
        query(None, "Yes", "m", None),
    ]
    columns = {"image": "images", "edited": "image_meta"}
    opened = open_pairs(rows, Said(columns=columns, category="hate"), layout="contrasafe-vl")
    assert list(named(opened)) == ["a & b", "c & d", "c & e"]
    assert left_out(opened) == {
        "row 8": "unknown_label",
        "row 10": "no_pair",
        "row 9": "no_pair",
        "f & g": "missing_half",
        "h & i": "missing_half",
    }


def test_the_direction_follows_from_which_member_was_edited() -> None:
    known = [(True, False), (False, True), (True, True), (False, False), (None, None)]
    rows = [
        {"image": BYTES, "label": label, "pair": str(number), "edited": each}
        for number, both in enumerate(known)
        for label, each in zip(("unsafe", "safe"), both, strict=True)
    ]
    opened = open_pairs(rows, Said(columns={"edited": "edited"}, category="hate"))
    assert list(named(opened).values()) == [
        "safe_to_unsafe",
        "unsafe_to_safe",
        "both_regenerated",
        "unknown",
        "unknown",
    ]
    assert "direction: unknown" not in opened.understood
