"""A folder as a source: what is used, what is not and why, and a build from it."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builds import tree
from pictures import SIDE, encoded, picture
from PIL import Image
from test_labels import Channels

from safetypairs_hf.building import run_reader, stage_files
from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.description import describe
from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode, perceptual_hash
from safetypairs_hf.core.records import Candidate, Input, Origin, Reject
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import Version
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.sources import FolderSource, Frame, Judged, Screen
from safetypairs_hf.sources.metadata import Columns

RECIPE = str(Path(__file__).parent.parent / "recipes" / "pictures.py")
FRAME = Frame(SIDE)


def save(path: Path, image: Image.Image, kind: str = "PNG", **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image, kind, **options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subfolders of categories, one of a label that needs a mapping, and files that can't be used."""
    root = tmp_path / "pictures"
    save(root / "violence" / "b.png", picture(1))
    save(root / "violence" / "a" / "deep.jpg", picture(2, 200, 150), "JPEG", quality=90)
    save(root / "O1 hate" / "one.webp", picture(3), "WEBP", lossless=True)
    save(root / "guns" / "one.png", picture(4))
    save(root / "guns" / "two.png", picture(5).convert("P"))
    save(root / "violence" / "z-again.bmp", picture(1), "BMP")
    save(root / "violence" / "long.png", picture(6, 500, 100))
    save(root / "violence" / "small.png", picture(6, 60, 60))
    save(root / "kittens" / "tom.png", picture(7))
    save(root / "lost.png", picture(8))
    (root / "guns" / "notes.txt").write_text("words")
    whole = encoded(picture(9), "JPEG")
    (root / "guns" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "guns" / "empty.png").touch()
    save(root / "guns" / "film.gif", picture(1), "GIF", save_all=True, append_images=[picture(2)])
    return root


def source(folder: Path, **settings: object) -> FolderSource:
    return FolderSource(str(folder), **{"labels": "guns=O6", "frame": FRAME, **settings})  # type: ignore[arg-type]


def rejects(found: FolderSource) -> dict[str, str]:
    assert {reject.stage for _, reject in found.rejected_inputs()} <= {"source"}
    return {name: reject.reason for name, reject in found.rejected_inputs()}


def same(ones: list[Candidate], others: list[Candidate]) -> bool:
    return stage_files.dump("source", ones) == stage_files.dump("source", others)


def test_subfolders_are_labels(folder: Path) -> None:
    found = source(folder, license="CC0-1.0").take(0, 100)
    assert [(each.origin, each.category, each.hint) for each in found] == [
        (Origin("pictures", "O1 hate/one.webp", "CC0-1.0"), "hate", {"label": "O1 hate"}),
        (Origin("pictures", "guns/one.png", "CC0-1.0"), "weapons_substances", {"label": "guns"}),
        (Origin("pictures", "guns/two.png", "CC0-1.0"), "weapons_substances", {"label": "guns"}),
        (Origin("pictures", "violence/a/deep.jpg", "CC0-1.0"), "violence", {"label": "violence"}),
        (Origin("pictures", "violence/b.png", "CC0-1.0"), "violence", {"label": "violence"}),
    ]
    assert len({each.source_id for each in found}) == 5
    assert [each.unsafe.pixels.shape for each in found] == [(SIDE, SIDE, 3)] * 3 + [(112, 144, 3)] + [(SIDE, SIDE, 3)]
    assert found[4].unsafe.data == encode(np.asarray(picture(1))).data
    assert source(folder).categories == ("hate", "violence", "weapons_substances")
    assert source(folder).size == 5


def test_every_file_that_is_not_used_has_its_reason(folder: Path) -> None:
    assert rejects(source(folder)) == {
        "guns/empty.png": "empty",
        "guns/film.gif": "animated",
        "guns/half.jpg": "broken",
        "guns/notes.txt": "not_an_image",
        "kittens/tom.png": "unknown_label",
        "lost.png": "no_label",
        "violence/long.png": "extreme_aspect",
        "violence/small.png": "too_small",
        "violence/z-again.bmp": "duplicate",
    }
    assert dict(source(folder).rejected_inputs())["violence/z-again.bmp"].detail == "the pixels of violence/b.png"


def test_candidates_do_not_depend_on_how_they_are_taken(folder: Path) -> None:
    whole = source(folder).take(0, 5)
    assert same([*source(folder).take(3, 5)], whole[3:])
    one = source(folder)
    assert same(one.take(2, 4) + one.take(0, 2), whole[2:4] + whole[0:2])
    assert one.take(5, 9) == []


def test_a_copy_sent_to_another_process_does_not_look_again(folder: Path) -> None:
    first = source(folder)
    copy = pickle.loads(pickle.dumps(first))
    save(folder / "violence" / "aa.png", picture(11))
    assert same(copy.take(0, 5), first.take(0, 5))
    assert copy.inputs() == first.inputs()
    assert source(folder).inputs() != first.inputs()


def test_an_input_is_of_bytes_names_labels_and_licences(folder: Path) -> None:
    first = source(folder).inputs()
    assert [(each.name, each.category) for each in first] == [
        ("O1 hate/one.webp", "hate"),
        ("guns/one.png", "weapons_substances"),
        ("guns/two.png", "weapons_substances"),
        ("violence/a/deep.jpg", "violence"),
        ("violence/b.png", "violence"),
    ]
    assert len({each.digest for each in first}) == 5
    assert source(folder).inputs() == first
    assert changed(first, source(folder, labels="guns=O5").inputs()) == {"guns/one.png", "guns/two.png"}
    assert len(changed(first, source(folder, license="MIT").inputs())) == 5
    save(folder / "violence" / "b.png", picture(12))
    assert changed(first, source(folder).inputs()) == {"violence/b.png", "violence/z-again.bmp"}
    (folder / "guns" / "one.png").rename(folder / "guns" / "other.png")
    assert changed(first, source(folder).inputs()) >= {"guns/one.png", "guns/other.png"}


def changed(ones: list[Input], others: list[Input]) -> set[str]:
    return {each.name for each in {*ones} ^ {*others}}


def test_the_fingerprint_is_the_screens(folder: Path, tmp_path: Path) -> None:
    assert source(folder).fingerprint() == ""
    (tmp_path / "list.txt").write_text("sha256:" + "0" * 64 + "\n")
    screen = Screen(hash_lists=(str(tmp_path / "list.txt"),))
    assert source(folder, screen=screen).fingerprint() == screen.fingerprint() != ""


def test_places_say_what_is_taken_when(folder: Path) -> None:
    whole = source(folder)
    names = ["violence/z-again.bmp", None, "guns/two.png", "guns/no.png", "kittens/tom.png", "guns/one.png"]
    placed = whole.in_places(names)
    assert placed.size == 6
    assert [each.origin.id for each in placed.take(0, 9)] == ["violence/z-again.bmp", "guns/two.png", "guns/one.png"]
    assert same(placed.take(2, 4), whole.take(2, 3))
    # Of the equal pictures violence/b.png and violence/z-again.bmp, the one that has a place is used.
    assert [each.name for each in placed.inputs()] == [
        "violence/z-again.bmp",
        "guns/two.png",
        "guns/one.png",
        "O1 hate/one.webp",
        "violence/a/deep.jpg",
    ]
    assert dict(placed.rejected_inputs())["violence/b.png"].detail == "the pixels of violence/z-again.bmp"
    assert same(pickle.loads(pickle.dumps(placed)).take(0, 9), placed.take(0, 9))
    assert same(placed.in_places([each.name for each in whole.inputs()]).take(0, 5), whole.take(0, 5))
    assert whole.size == 5


def test_a_picture_that_changed_meanwhile_is_named(folder: Path) -> None:
    found = source(folder)
    assert found.size == 5
    save(folder / "guns" / "one.png", picture(12))
    with pytest.raises(RecipeError, match=r"guns/one\.png changed or went away since the build began"):
        found.take(0, 5)
    (folder / "guns" / "one.png").unlink()
    with pytest.raises(RecipeError, match="changed or went away"):
        found.take(0, 5)


def test_one_category_for_all(folder: Path) -> None:
    found = source(folder, labels="", category="O9")
    assert {each.category for each in found.take(0, 20)} == {"disasters"}
    assert found.size == 7
    assert found.categories == ("disasters",)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_gives_label_and_licence(folder: Path, kind: str) -> None:
    rows = [
        {"path": "violence/b.png", "what": "guns", "terms": "CC-BY-4.0"},
        {"path": "lost.png", "what": "disasters", "terms": ""},
        {"path": "kittens/tom.png", "what": "fluffy", "terms": "MIT"},
        {"path": "guns/one.png", "what": "", "terms": "MIT"},
        {"path": "gone.png", "what": "guns", "terms": "MIT"},
    ]
    if kind == "csv":
        lines = ["\ufeffpath,what,terms", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (folder / f"all.{kind}").write_text("\n".join(lines) + "\n")
    found = source(folder, metadata=f"all.{kind}", columns=Columns("path", "what", "terms"), license="CC0-1.0")
    assert [(each.origin.id, each.origin.license, each.category) for each in found.take(0, 9)] == [
        ("lost.png", "CC0-1.0", "disasters"),
        ("violence/b.png", "CC-BY-4.0", "weapons_substances"),
    ]
    said = rejects(found)
    assert said["kittens/tom.png"] == "unknown_label"
    assert said["guns/one.png"] == "no_label"
    assert said["violence/a/deep.jpg"] == "not_in_metadata"
    assert said["gone.png"] == "missing_file"
    assert f"all.{kind}" not in said


def test_metadata_of_licences_alone(folder: Path) -> None:
    (folder / "m.csv").write_text("file_name,license\nlost.png,CC-BY-4.0\n")
    (found,) = source(folder, labels="", category="hate", metadata="m.csv").take(0, 9)
    assert (found.origin.license, found.category) == ("CC-BY-4.0", "hate")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "m.csv",
            "file_name,labels\na.png,hate\n",
            "m.csv, line 2: there is no column 'label'; the nearest is 'labels'",
        ),
        ("m.csv", "file_name,label\na.png,hate,3\n", "m.csv', line 2, has 3 fields, and the head 2"),
        ("m.csv", "file_name,label\na.png\n", "m.csv', line 2, has 1 fields, and the head 2"),
        ("m.csv", "file_name,label\na.png,hate\na.png,hate\n", "m.csv, line 3: 'a.png' was named before"),
        ("m.jsonl", '{"file_name": "a.png", "label": "O1"}\n{"file_name"\n', "m.jsonl', line 2, is no JSON"),
        ("m.jsonl", "[1]\n", "m.jsonl', line 1, holds a list; expected a JSON object"),
        ("m.tsv", "file_name\tlabel\n", "m.tsv' is neither .csv nor .jsonl"),
    ],
)
def test_metadata_that_can_not_be_used(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(RecipeError) as error:
        source(folder, labels="", metadata=name).take(0, 1)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_metadata_that_is_not_there_or_not_text(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.csv' can't be read: No such file"):
        source(folder, metadata="none.csv").take(0, 1)
    (folder / "m.csv").write_bytes("file_name,label\nä.png,hate\n".encode("latin-1"))
    with pytest.raises(RecipeError, match="is not UTF-8"):
        source(folder, metadata="m.csv").take(0, 1)


def test_a_judge_gives_the_category(tmp_path: Path) -> None:
    for name, colour in (("a", (220, 0, 0)), ("b", (0, 210, 0)), ("c", (40, 30, 20)), ("d", (10, 220, 0))):
        save(tmp_path / "in" / f"{name}.png", Image.new("RGB", (SIDE, SIDE), colour))
    judged = Judged(Channels(), ("violence", "hate", "nudity"))
    found = source(tmp_path / "in", labels="", judged=judged)
    said = [(each.category, each.reject and each.reject.reason) for each in found.take(0, 4)]
    assert said == [("violence", None), ("hate", None), ("-", "no_category"), ("hate", None)]
    assert found.take(0, 4)[2].unsafe.data == b""
    assert found.categories == ("hate", "violence", "nudity")
    assert not found.holds_model


def test_a_source_holds_a_model_as_long_as_its_judge_does(folder: Path) -> None:
    class Heavy(Channels):
        holds_model = True
        released = False

        def release(self) -> None:
            type(self).released = True

    found = source(folder, labels="", judged=Judged(Heavy()))
    assert found.holds_model
    found.release()
    assert Heavy.released
    source(folder).release()


def test_what_a_hash_list_stops_leaves_no_picture(folder: Path, tmp_path: Path) -> None:
    mirrored = encode(np.asarray(picture(4))[:, ::-1].copy())
    (tmp_path / "list.txt").write_text(f"{perceptual_hash(mirrored).hex()},case 17\n")
    stopped = source(folder, screen=Screen(hash_lists=(str(tmp_path / "list.txt"),))).take(1, 2)
    (candidate,) = stopped
    assert candidate.origin.id == "guns/one.png"
    assert candidate.reject == Reject("source", "on_hash_list", "case 17")
    assert candidate.unsafe.data == b""
    assert candidate.category == "weapons_substances"
    (back,) = stage_files.load("source", stage_files.dump("source", stopped), [])
    assert (back.reject, back.origin) == (candidate.reject, candidate.origin)


def test_folders_and_settings_that_can_not_be_used(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a folder"):
        FolderSource(str(tmp_path / "none"))
    with pytest.raises(RecipeError, match="the category comes from category and from labels"):
        source(folder, category="hate")
    with pytest.raises(Exception, match="no category 'hat'; the nearest is 'hate'"):
        source(folder, labels="", category="hat")
    with pytest.raises(RecipeError, match=r"labels: no category 'wepons'"):
        source(folder, labels="guns=wepons")
    (tmp_path / "bare").mkdir()
    with pytest.raises(RecipeError, match=r"holds no image that can be used \(it is empty\); give one that does"):
        _ = source(tmp_path / "bare").size
    (tmp_path / "bare" / "words.txt").write_text("words")
    with pytest.raises(RecipeError, match=r"words\.txt: not_an_image"):
        _ = source(tmp_path / "bare").size


def test_the_recipe_file_has_settings_and_no_images(folder: Path) -> None:
    found = source(folder, judged=None)
    _ = found.size, found.screen.fingerprint()
    assert json.loads(json.dumps(describe(found)))["frame"] == {
        "class": "Frame",
        "size": SIDE,
        "min_side": None,
        "max_aspect": 3.0,
        "encoder": "pillow",
    }
    assert describe(found) == describe(source(folder))
    assert replace(found, license="MIT").license == "MIT"


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Ten pictures with a red square in two categories, one without, one on a list, and a file that is no picture."""
    root = tmp_path / "squares"
    for number in range(12):
        image = picture(20 + number)
        if number != 3:
            image.paste((255, 0, 0), (40, 24 + 4 * number, 72, 56 + 4 * number))
        save(root / ("guns" if number % 2 else "violence") / f"{number:02}.png", image)
        if number == 4:
            listed = perceptual_hash(encode(np.asarray(image))).hex()
    (root / "guns" / "notes.txt").write_text("words")
    (tmp_path / "list.txt").write_text(f"{listed},case 17\n")
    return root


def make(squares: Path, out: Path, workers: int = 1, **settings: str) -> dict[str, bytes]:
    given = {"folder": str(squares), "labels": "guns=O6", "hashes": str(squares.parent / "list.txt"), **settings}
    build(load_recipe(RECIPE, given), str(out), workers)
    return tree(out)


def test_a_build_from_a_folder(squares: Path, tmp_path: Path) -> None:
    first = make(squares, tmp_path / "run")
    run = open_run(str(tmp_path / "run"))
    funnel = {stage["stage"]: stage for stage in run_reader.funnel(run)["stages"]}
    assert (funnel["source"]["in"], funnel["source"]["out"]) == (13, 11)
    assert funnel["source"]["rejected"] == {"not_an_image": 1, "on_hash_list": 1}
    assert funnel["instruct"]["rejected"] == {"nothing_red": 1}
    assert (funnel["select"]["in"], funnel["select"]["out"]) == (10, 10)
    assert Counter(pair.category for pair in run_reader.pairs(run)) == {"violence": 5, "weapons_substances": 5}
    assert {pair.origin.license for pair in run_reader.pairs(run)} == {"CC0-1.0"}
    for name in [name for name in first if name.startswith(("edit/part-00001", "judge/part-0000"))]:
        (tmp_path / "run" / name).unlink()
    (tmp_path / "run" / "funnel.json").unlink()
    assert make(squares, tmp_path / "run") == first
    assert make(squares, tmp_path / "others", workers=2) == first


def test_a_build_against_what_is_published_brings_nothing_back(squares: Path, tmp_path: Path) -> None:
    """Of a source that was taken down neither the file, nor a smaller copy, nor a mirrored one is used again."""
    make(squares, tmp_path / "run")
    run, data = open_run(str(tmp_path / "run")), str(tmp_path / "data")
    publish(run, LocalTarget(data), Version(1, 0, 0))
    gone = next(pair for pair in run_reader.pairs(run) if pair.identity)
    assert gone.identity is not None
    takedown(LocalTarget(data), [gone.identity.pair_id], "asked for", Version(2, 0, 0))
    original = Image.fromarray(gone.unsafe.pixels)
    for name, image in (
        ("smaller", original.resize((96, 96))),
        ("mirrored", original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        ("turned", original.transpose(Image.Transpose.ROTATE_90)),
    ):
        save(squares / "guns" / f"{name}.png", image)
    fresh = picture(91)
    fresh.paste((255, 0, 0), (40, 24, 72, 56))
    save(squares / "guns" / "fresh.png", fresh)
    make(squares, tmp_path / "later", against=data)
    later = open_run(str(tmp_path / "later"))
    rejected = run_reader.funnel(later)["stages"][0]["rejected"]
    assert rejected == {"not_an_image": 1, "on_hash_list": 1, "taken_down": 4, "published": 9}
    assert [pair.origin.id for pair in run_reader.pairs(later)] == ["guns/fresh.png"]
