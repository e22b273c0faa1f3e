"""The inputs of a run, one by one: a folder that gains images keeps its run; what changed or went is named."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builds import make_run, tree
from PIL import Image

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.build import build, claim
from safetypairs_hf.building.inputs import PLACES
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import FUNNEL, RECIPE, RunFolder, open_run

PICTURES = str(Path(__file__).parent.parent / "recipes" / "pictures.py")


def picture(number: int) -> bytes:
    """A smooth picture of 128 x 128 pixels with a red square in it, as PNG."""
    knots = np.random.default_rng(number).integers(20, 235, (24, 24, 3), dtype=np.uint8)
    image = Image.fromarray(knots).resize((128, 128), Image.Resampling.BICUBIC)
    image.paste((255, 0, 0), (40, 24 + 4 * (number % 16), 72, 56 + 4 * (number % 16)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def add(folder: Path, name: str, number: int) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(picture(number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures in two categories; the recipe takes four to a unit, so that the last unit is not full."""
    for number in range(10):
        add(tmp_path / "pictures", f"{'weapons' if number % 2 else 'violence'}/{number:02}.png", number)
    return tmp_path / "pictures"


def settings(folder: Path, **given: object) -> dict[str, str]:
    return {"folder": str(folder), "labels": "weapons=O6", **{name: str(value) for name, value in given.items()}}


def make(folder: Path, out: Path, workers: int = 1, **given: object) -> dict[str, bytes]:
    build(load_recipe(PICTURES, settings(folder, **given)), str(out), workers)
    return tree(out)


def parts(files: dict[str, bytes]) -> dict[str, bytes]:
    """The parts that are of units; the draw is of the whole run."""
    return {name: data for name, data in files.items() if "/part-" in name and not name.startswith("select/")}


def drawn(out: Path) -> list[str]:
    """What the run's pairs were made of, in the order of the sources."""
    run = open_run(str(out))
    ids = {item.entrant.source_id for item in run_reader.selected(run)}
    return [pair.origin.id for pair in run_reader.pairs(run) if pair.source_id in ids]


def places(out: Path) -> Iterator[str | None]:
    for each in json.loads((out / PLACES).read_text()):
        yield each and each["name"]


def test_an_image_that_was_added_is_new_work_of_the_same_run(folder: Path, tmp_path: Path) -> None:
    """Its name comes before all others, and the others keep their units."""
    before = make(folder, tmp_path / "run")
    old = drawn(tmp_path / "run")
    assert len(old) == 10
    add(folder, "violence/000.png", 50)
    after = make(folder, tmp_path / "run")
    assert drawn(tmp_path / "run") == [*old, "violence/000.png"]
    assert parts(before).items() < parts(after).items()
    new = {name.partition("/")[2] for name in parts(after).keys() - parts(before).keys()}
    assert new == {"part-00003.parquet"}
    assert list(places(tmp_path / "run")) == [*sorted(old), None, None, "violence/000.png"]
    assert after[RECIPE] == before[RECIPE]
    assert run_reader.funnel(open_run(str(tmp_path / "run")))["stages"][0]["in"] == 11


def test_a_run_that_gained_images_resumes_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "run")
    add(folder, "weapons/000.png", 50)
    make(folder, tmp_path / "run")
    for number in range(6):
        add(folder, f"violence/a{number}.png", 60 + number)
    whole = make(folder, tmp_path / "run")
    assert len(drawn(tmp_path / "run")) == 17
    assert len(list(places(tmp_path / "run"))) == 22  # 10, then 1 from place 12 on, then 6 from place 16 on
    assert make(folder, tmp_path / "run") == whole
    for name in parts(whole):
        if not name.startswith("source/") or "part-00004" in name:
            (tmp_path / "run" / name).unlink()
    (tmp_path / "run" / FUNNEL).unlink()
    assert make(folder, tmp_path / "run", workers=2) == whole


def test_a_gain_ends_what_was_finished(folder: Path, tmp_path: Path) -> None:
    """So that a build that is killed after it has not a funnel that says that the run is."""
    make(folder, tmp_path / "run")
    run, loaded = open_run(str(tmp_path / "run")), load_recipe(PICTURES, settings(folder))
    claim(run, loaded)
    assert run.has(FUNNEL)
    add(folder, "violence/000.png", 50)
    claim(run, load_recipe(PICTURES, settings(folder)))
    assert not run.has(FUNNEL)


def test_images_that_changed_or_went_after_they_were_used_are_named(folder: Path, tmp_path: Path) -> None:
    whole = make(folder, tmp_path / "run")
    add(folder, "violence/02.png", 70)
    (folder / "weapons" / "03.png").unlink()
    (folder / "weapons" / "05.png").write_text("words")
    (folder / "violence" / "04.png").write_bytes((folder / "violence" / "00.png").read_bytes())
    with pytest.raises(RunError) as error:
        make(folder, tmp_path / "run")
    assert str(error.value) == (
        f"{tmp_path}/run used inputs of which 4 changed or disappeared: violence/02.png (changed), violence/04.png "
        "(changed), weapons/03.png (gone), weapons/05.png (changed); restore them, or name another --out"
    )
    assert tree(tmp_path / "run") == whole
    for number in (2, 3, 4, 5):
        add(folder, f"{'weapons' if number % 2 else 'violence'}/{number:02}.png", number)
    assert make(folder, tmp_path / "run") == whole


def test_no_more_than_five_are_named(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "run")
    for number in range(7):
        (folder / f"{'weapons' if number % 2 else 'violence'}/{number:02}.png").unlink()
    said = r"which 7 changed or disappeared: (violence/0[0246]\.png \(gone\), ){4}weapons/01\.png \(gone\) and 2 more; "
    with pytest.raises(RunError, match=said):
        make(folder, tmp_path / "run")


def test_another_label_is_a_change(folder: Path, tmp_path: Path) -> None:
    """Of a metadata file: what it says of an image is what the image's candidate is made of."""
    rows = [f"violence/{number:02}.png,{label}" for number, label in ((0, "violence"), (2, "knife"), (4, "violence"))]
    about = tmp_path / "about.csv"

    def go_on() -> None:
        about.write_text("\n".join(["file_name,label", *rows]) + "\n")
        recipe = tmp_path / "labelled.py"
        text = Path(PICTURES).read_text()
        recipe.write_text(text.replace("labels=labels, license", f"labels=labels, metadata={str(about)!r}, license"))
        build(load_recipe(str(recipe), settings(folder, labels="knife=O6,gun=O6")), str(tmp_path / "run"), 1)

    go_on()
    rows.append("weapons/01.png,gun")
    go_on()
    assert drawn(tmp_path / "run") == ["violence/00.png", "violence/02.png", "violence/04.png", "weapons/01.png"]
    rows[1] = "violence/02.png,gun"  # the same category by another word, which an instructor reads
    with pytest.raises(RunError, match=r"of which 1 changed or disappeared: violence/02\.png \(changed\); restore"):
        go_on()


def test_an_image_that_was_not_used_may_change_and_go(folder: Path, tmp_path: Path) -> None:
    before = make(folder, tmp_path / "run", pairs=2)  # two units of the three
    assert "source/part-00001.parquet" in before and "source/part-00002.parquet" not in before
    (folder / "weapons" / "07.png").unlink()
    add(folder, "weapons/09.png", 90)
    after = make(folder, tmp_path / "run", pairs=100)
    assert parts(before).items() < parts(after).items()
    names = list(places(tmp_path / "run"))
    assert names[8:] == [None, "weapons/09.png"]
    assert len(drawn(tmp_path / "run")) == 9
    add(folder, "weapons/07.png", 7)
    make(folder, tmp_path / "run")
    assert list(places(tmp_path / "run")) == [*names, None, None, "weapons/07.png"]


def test_a_unit_may_lose_all_that_it_would_have_had(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "run", pairs=2)
    for name in ("07", "09"):
        (folder / "weapons" / f"{name}.png").unlink()
    make(folder, tmp_path / "run")
    assert len(drawn(tmp_path / "run")) == 8


def test_an_image_of_a_new_category(folder: Path, tmp_path: Path) -> None:
    before = make(folder, tmp_path / "run")
    add(folder, "hate/0.png", 50)
    recorded = (tmp_path / "run" / PLACES).read_bytes()
    after = make(folder, tmp_path / "run")
    assert parts(before).items() < parts(after).items()
    assert json.loads(after[RECIPE])["parts"]["categories"] == ["hate", "violence", "weapons_substances"]
    assert len(drawn(tmp_path / "run")) == 11
    (tmp_path / "run" / PLACES).write_bytes(recorded)  # as a kill between the two leaves it
    (tmp_path / "run" / FUNNEL).unlink()
    assert make(folder, tmp_path / "run") == after


def test_the_only_image_of_a_category_may_go_before_it_is_used(folder: Path, tmp_path: Path) -> None:
    add(folder, "zoo on fire/0.png", 50)
    given = {"pairs": 2, "labels": "weapons=O6,zoo on fire=O9"}
    before = make(folder, tmp_path / "run", **given)
    assert json.loads(before[RECIPE])["parts"]["categories"] == ["violence", "weapons_substances", "disasters"]
    (folder / "zoo on fire" / "0.png").unlink()
    after = make(folder, tmp_path / "run", **given)
    assert json.loads(after[RECIPE])["parts"]["categories"] == ["violence", "weapons_substances"]
    assert len(drawn(tmp_path / "run")) == 2


def test_a_changed_recipe_is_still_another_one(folder: Path, tmp_path: Path) -> None:
    make(folder, tmp_path / "run")
    add(folder, "hate/0.png", 50)
    with pytest.raises(RunError, match=r"another recipe \(parts\.source\.frame\.size: 128 -> 112\); name another"):
        make(folder, tmp_path / "run", size=112)
    (tmp_path / "list.txt").write_text("sha256:" + "0" * 64 + "\n")
    with pytest.raises(RunError, match=r"another recipe \(inputs:  -> [0-9a-f.]+; parts\.source\.screen"):
        make(folder, tmp_path / "run", hashes=str(tmp_path / "list.txt"))


def test_of_equal_pictures_the_one_that_the_run_has_stays(folder: Path, tmp_path: Path) -> None:
    before = make(folder, tmp_path / "run")
    add(folder, "violence/000.png", 2)  # comes before violence/02.png, and has its pixels
    after = make(folder, tmp_path / "run")
    assert parts(after) == parts(before)
    [reject] = run_reader.rejected_inputs(open_run(str(tmp_path / "run")))
    assert reject["input"] == "violence/000.png"
    assert (reject["reason"], reject["detail"]) == ("duplicate", "the pixels of violence/02.png")
    assert run_reader.funnel(open_run(str(tmp_path / "run")))["stages"][0]["rejected"] == {"duplicate": 1}


def test_a_file_that_was_repaired_is_new_work(folder: Path, tmp_path: Path) -> None:
    (folder / "violence" / "half.png").write_bytes(picture(50)[:900])
    make(folder, tmp_path / "run")
    assert [row["reason"] for row in run_reader.rejected_inputs(open_run(str(tmp_path / "run")))] == ["broken"]
    add(folder, "violence/half.png", 50)
    make(folder, tmp_path / "run")
    assert run_reader.rejected_inputs(open_run(str(tmp_path / "run"))) == []
    assert len(drawn(tmp_path / "run")) == 11


def test_units_that_are_not_full_are_not_a_hopeless_recipe(folder: Path, tmp_path: Path) -> None:
    """An image a day makes a unit a day; patience is with sources, not with units."""
    for number in range(12):
        add(folder, f"violence/a{number:02}.png", 40 + number)
        run = RunFolder(str(tmp_path / "run"))
        claim(run, load_recipe(PICTURES, settings(folder, unit_size=300)))
    make(folder, tmp_path / "run", unit_size=300)
    assert len(drawn(tmp_path / "run")) == 22


def test_what_is_not_drawn_any_more_has_no_controls(tmp_path: Path) -> None:
    """The draw is even: a new picture of the category that ran dry is drawn in another's stead."""
    for number in range(4):
        add(tmp_path / "in", f"weapons/{number}.png", number)
    add(tmp_path / "in", "violence/0.png", 20)
    given = {"pairs": 4, "unit_size": 1, "controls": "true"}
    make(tmp_path / "in", tmp_path / "run", **given)
    assert drawn(tmp_path / "run") == ["violence/0.png", "weapons/0.png", "weapons/1.png", "weapons/2.png"]
    add(tmp_path / "in", "violence/1.png", 21)
    files = make(tmp_path / "in", tmp_path / "run", **given)
    assert drawn(tmp_path / "run") == ["violence/0.png", "weapons/0.png", "weapons/1.png", "violence/1.png"]
    controls = sorted(name.partition("-0")[2] for name in files if name.startswith("controls/"))
    assert controls == [f"000{unit}.parquet" for unit in (0, 1, 2, 5)]
    [stage] = [stage for stage in json.loads(files[FUNNEL])["stages"] if stage["stage"] == "controls"]
    assert stage["in"] == 12


@pytest.mark.parametrize("text", [None, "[1]", '[{"name": "a.png"}]'])
def test_a_record_that_is_lost_or_damaged(folder: Path, tmp_path: Path, text: str | None) -> None:
    make(folder, tmp_path / "run")
    path = tmp_path / "run" / PLACES
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(RunError, match=r"inputs\.json (is missing|can't be read).*; restore it, or name another"):
        make(folder, tmp_path / "run")


def test_a_source_that_does_not_list_its_inputs_records_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9)
    assert PLACES not in run.files()
