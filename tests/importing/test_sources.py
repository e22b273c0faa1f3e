"""Whatever form pairs come in, the same pairs come out."""

from __future__ import annotations

import base64
import csv
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from own_pairs import encoded, files, lay, members, pairs_of
from PIL import Image

import safetypairs_hf as sp
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.records import Box

NUMBERS = range(5)


def _png(pixels: Any) -> bytes:
    """The file of a published member, made by Pillow alone."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def expected() -> set[str]:
    return {
        content_id(*(sha256(_png(pixels)) for pixels in members(number)), "weapons_substances") for number in NUMBERS
    }


def _folders(folder: Path) -> Any:
    return lay(folder / "two", NUMBERS)


def _suffixes(folder: Path) -> Any:
    (folder / "flat").mkdir()
    for number in NUMBERS:
        for name, data in zip(("unsafe", "safe"), files(number), strict=True):
            (folder / "flat" / f"p{number:03}_{name}.png").write_bytes(data)
    return folder / "flat"


def _csv(folder: Path) -> Any:
    lay(folder / "images", NUMBERS)
    with (folder / "pairs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "unsafe_image", "safe_image"])
        rows.writerows([f"p{n:03}", f"images/unsafe/p{n:03}.png", f"./images/safe/p{n:03}.png"] for n in NUMBERS)
    return folder / "pairs.csv"


def _uris(folder: Path) -> Any:
    uris = [[f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in files(n)] for n in NUMBERS]
    lines = (json.dumps({"id": f"p{n:03}", "unsafe": uris[n][0], "safe": uris[n][1]}) for n in NUMBERS)
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    return folder / "pairs.jsonl"


def _image_rows() -> datasets.Dataset:
    labels = datasets.ClassLabel(names=["safe", "unsafe"])
    features = datasets.Features({"image": datasets.Image(), "pair_id": datasets.Value("string"), "label": labels})
    rows = [
        {"image": {"bytes": data, "path": None}, "pair_id": f"p{number:03}", "label": label}
        for label in (1, 0)  # all unsafe members come first
        for number in NUMBERS
        for data in [files(number)[1 - label]]
    ]
    return datasets.Dataset.from_list(rows, features=features)


def _parquet(folder: Path) -> Any:
    (folder / "data").mkdir()
    for number, (first, stop) in enumerate([(0, 4), (4, 6), (6, 7), (7, 10)]):  # more than are open at once
        rows = _image_rows().select(range(first, stop))
        rows.to_parquet(folder / "data" / f"part-{number}.parquet", batch_size=3)
    return folder / "data"


def _saved(folder: Path) -> Any:
    datasets.DatasetDict({"train": _image_rows()}).save_to_disk(folder / "saved")
    return folder / "saved"


def _tar(folder: Path) -> Any:
    with tarfile.open(folder / "pairs.tar", "w") as tar:
        for number in NUMBERS:
            for name, data in zip(("unsafe.png", "safe.png"), files(number), strict=True):
                _add(tar, f"p{number:03}.{name}", data)
            _add(tar, f"p{number:03}.json", json.dumps({"id": f"p{number:03}"}).encode())
    return folder / "pairs.tar"


def _tar_of_images(folder: Path) -> Any:
    with tarfile.open(folder / "images.tar", "w") as tar:
        for number in NUMBERS:
            for name, data in zip(("unsafe", "safe"), files(number), strict=True):
                _add(tar, f"some/p{number:03}_{name}.png", data)
    return folder / "images.tar"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _objects(folder: Path) -> Iterator[dict[str, Any]]:
    for number in NUMBERS:
        unsafe, safe = (Image.fromarray(pixels) for pixels in members(number))
        yield {"id": f"p{number:03}", "unsafe": unsafe, "safe": safe}


def _dataset(folder: Path) -> Any:
    return _image_rows()


@pytest.mark.parametrize(
    "make",
    [_folders, _suffixes, _csv, _uris, _parquet, _saved, _tar, _tar_of_images, _objects, _dataset],
    ids=lambda make: make.__name__.strip("_"),
)
def test_every_form_gives_the_same_pairs(make: Any, tmp_path: Path) -> None:
    done = sp.import_pairs(make(tmp_path), tmp_path / "run", category="O6", workers=1)
    found = pairs_of(tmp_path / "run")
    assert {pair.identity.pair_id for pair in found.values() if pair.identity} == expected()
    assert (done.pairs, done.rejected) == (5, {})
    assert {name.rpartition("/")[2] for name in found} == {f"p{number:03}" for number in NUMBERS}


def test_a_pair_is_what_its_row_says_and_what_nobody_says_is_unknown(tmp_path: Path) -> None:
    unsafe, safe = files(1)
    rows = [
        {
            "unsafe": unsafe,
            "safe": safe,
            "category": "fire",
            "critical_feature": "a blaze",
            "edit_prompt": "put it out",
            "unsafe_caption": "burning",
            "license": "CC0-1.0",
            "direction": "safe_to_unsafe",
            "editor": "klein",
            "uid": 7.0,
        },
        dict(zip(("unsafe", "safe"), files(2), strict=True), category="O6"),
    ]
    sp.import_pairs(rows, tmp_path / "run", said=_said(category_map={"fire": "disasters"}), license="MIT", name="mine")
    pairs = pairs_of(tmp_path / "run")
    first, second = pairs["7"], pairs["row 1"]
    assert (first.category, second.category) == ("disasters", "weapons_substances")
    assert first.origin == ("mine", "7", "CC0-1.0")
    assert second.origin == ("mine", "row 1", "MIT")
    assert first.instruction == ("a blaze", "put it out", None, "burning", "")
    assert first.generator == ("", "klein", "", None, None)
    assert first.finished == ("safe_to_unsafe", "", sha256(unsafe), sha256(safe), "")
    assert second.instruction == ("", "", None, "", "")
    assert second.generator is None
    assert second.finished and second.finished.direction == "unknown"
    assert first.edit_box == Box(8, 20, 24, 40)
    assert first.preservation == (1.0, 16 * 20 / 64**2, ())


def _said(**values: Any) -> Any:
    from safetypairs_hf.importing.reading_plan import Said

    return Said(**values)


def test_subfolders_that_are_called_as_categories_say_the_category(tmp_path: Path) -> None:
    for number, name in enumerate(("O6", "disasters", "kittens")):
        lay(tmp_path / "in" / name / "train", [number])
    done = sp.import_pairs(tmp_path / "in", tmp_path / "run", workers=1)
    pairs = pairs_of(tmp_path / "run")
    assert {name: pair.category for name, pair in pairs.items()} == {
        "O6/train/p000": "weapons_substances",
        "disasters/train/p001": "disasters",
    }
    assert done.rejected == {"unknown_label": 1}


def test_no_path_of_this_machine_is_in_a_name(tmp_path: Path) -> None:
    lay(tmp_path / "in", NUMBERS)
    rows = [{"image": str(path), "path": str(path)} for path in sorted((tmp_path / "in").rglob("*.png"))]
    sp.import_pairs(rows, tmp_path / "run", category="O6", image="image")
    assert sorted(pairs_of(tmp_path / "run")) == [f"p{number:03}" for number in NUMBERS]


def test_a_table_of_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [dict(zip(("unsafe", "safe"), files(number), strict=True), group=float("nan")) for number in range(2)]
    done = sp.import_pairs(pandas.DataFrame(rows), tmp_path / "run", said={"category": "O6"})
    assert done.pairs == 2
    assert {pair.family for pair in pairs_of(tmp_path / "run").values()} == {""}


def test_images_are_turned_upright_before_sizes_are_compared(tmp_path: Path) -> None:
    unsafe, safe = members(3, 80, 48)
    turned = Image.fromarray(safe).transpose(Image.Transpose.ROTATE_90)  # as a camera on its side stores it
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, format="PNG", exif=exif)
    row = {"unsafe": encoded(unsafe), "safe": buffer.getvalue()}
    sp.import_pairs([row], tmp_path / "run", category="O6")
    (pair,) = pairs_of(tmp_path / "run").values()
    assert pair.safe and (pair.safe.pixels == safe).all()
    assert pair.edit_box == Box(8, 20, 24, 40)
