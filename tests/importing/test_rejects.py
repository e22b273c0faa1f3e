"""Bad input gets a line, and the rest goes on; where nothing can go on, the line says what to type."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from own_pairs import encoded, files, ground, lay, members, pairs_of
from PIL import Image

import safetypairs_hf as sp
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.importing.reading_plan import Said


def spoil(folder: Path) -> Path:
    """A folder of pairs 0 to 8; 0, 7 and 8 are whole."""
    unsafe, safe = lay(folder, range(9)) / "unsafe", folder / "safe"
    (safe / "p001.png").unlink()
    (safe / "p002.jpg").write_bytes(encoded(ground(50), "JPEG"))
    (unsafe / "p003.png").write_bytes(files(3)[0][:900])
    frames = [Image.fromarray(ground(number)) for number in (60, 61)]
    frames[0].save(unsafe / "p004.png", save_all=True, append_images=frames[1:])
    (safe / "p005.png").write_bytes(encoded(ground(5, 64, 60)))
    shutil.copy(unsafe / "p006.png", safe / "p006.png")
    shutil.copy(unsafe / "p007.png", unsafe / "p009.png")
    (safe / "p009.png").write_bytes(encoded(ground(70)))
    (folder / "notes.txt").write_text("about these pairs")
    return folder


def test_what_is_no_pair_is_named_with_its_reason(tmp_path: Path) -> None:
    done = sp.import_pairs(spoil(tmp_path / "mine"), tmp_path / "run", category="O6", workers=1)
    assert {name: reject.reason for name, reject in done.left_out} == {
        "notes.txt": "no_match",
        "p001": "missing_half",
        "p002": "two_safe_members",
        "p003": "broken",
        "p004": "animated",
        "p005": "other_size",
        "p006": "unchanged",
        "p009": "image_in_two_pairs",
    }
    assert sorted(pairs_of(tmp_path / "run")) == ["p000", "p007", "p008"]
    assert (done.pairs, sum(done.rejected.values())) == (3, 8)


def test_what_a_row_says_wrongly_is_its_own_fault(tmp_path: Path) -> None:
    lay(tmp_path / "in" / "images", range(8))
    (tmp_path / "secret.png").write_bytes(files(1)[0])
    lines = [
        "id,unsafe,safe,category,split,direction",
        "ok,images/unsafe/p000.png,images/safe/p000.png,O6,dev,unsafe_to_safe",
        "out,../secret.png,images/safe/p001.png,O6,train,",
        f"far,{tmp_path / 'secret.png'},images/safe/p001.png,O6,train,",
        "web,https://example.org/a.png,images/safe/p001.png,O6,train,",
        "gone,images/unsafe/p999.png,images/safe/p001.png,O6,train,",
        "bare,images/unsafe/p002.png,,O6,train,",
        "odd,images/unsafe/p003.png,images/safe/p003.png,gambling,train,",
        "none,images/unsafe/p004.png,images/safe/p004.png,,train,",
        "part,images/unsafe/p005.png,images/safe/p005.png,O6,holdout,",
        "way,images/unsafe/p006.png,images/safe/p006.png,O6,train,backwards",
        "ok,images/unsafe/p007.png,images/safe/p007.png,O6,train,",
        "uri,data:image/png;base64,xx,images/safe/p007.png,O6,train,",
    ]
    lines[-1] = 'uri,"data:image/png;base64,xx!",images/safe/p007.png,O6,train,'
    (tmp_path / "in" / "pairs.csv").write_text("\n".join(lines))
    said = Said(columns={"unsafe": "unsafe", "safe": "safe", "direction": "direction"})
    done = sp.import_pairs(tmp_path / "in" / "pairs.csv", tmp_path / "run", said=said, workers=1)
    assert done.rejected == {
        "outside_source": 3,
        "missing_file": 1,
        "no_image": 1,
        "unknown_label": 1,
        "no_label": 1,
        "unknown_split": 1,
        "unknown_direction": 1,
        "same_id": 1,
        "broken": 1,
    }
    assert list(pairs_of(tmp_path / "run")) == ["ok"]


GIVE = "give --category SLUG for every pair, or --category-map VALUE=SLUG"


def rows(**more: Any) -> list[dict[str, Any]]:
    return [dict(zip(("unsafe", "safe"), files(number), strict=True), **more) for number in (1, 2)]


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (rows(), {}, r"nothing says the category; give --category SLUG"),
        (rows(kind="O6"), {"said": Said(columns={"category": "kin"})}, r"no column 'kin'; the nearest is 'kind'"),
        (
            rows(kind="knives"),
            {"said": Said(columns={"category": "kind"})},
            rf"row 0: unknown_label \('knives' is no category; {GIVE}\)",
        ),
        (rows(), {"category": "O77"}, r"no category 'O77'"),
        (rows(), {"category": "O6", "unsafe": "safe"}, r"unsafe is the column .safe.; name the column of safe, too"),
        (rows(), {"category": "O6", "fit": "stretch"}, r"fit: there is no 'stretch'; there are resize, pad, crop"),
        (rows(), {"category": "O6", "judging": "maybe"}, r"judging: there is no 'maybe'"),
        ([{"a": 1}], {"category": "O6"}, r"no column holds images; say which: --image COLUMN"),
        ([], {"category": "O6"}, r"no column holds images"),
        (["x.png"], {"category": "O6"}, r"expected rows that are dicts"),
        (7, {"category": "O6"}, r"the source is of type int; give a path, org/name"),
        ("no/such/place", {"category": "O6"}, r"there is no source 'no/such/place'; give a folder"),
        (
            [{"image": files(1)[0], "name": name} for name in ("a.png", "b.png", "c.png", "d.png")],
            {"category": "O6", "said": Said(columns={"pair": "name"}, pair_pattern="(.+)_(safe|unsafe)")},
            r"matches no value of 'name'; it did not match 'a.png', 'b.png', 'c.png'; give another",
        ),
        (
            [{"image": files(1)[0], "name": "a.png"}],
            {"category": "O6"},
            r"nothing says which two images are a pair; the first are a.png; lay them as unsafe/NAME",
        ),
        (
            [{"image": data, "pair": "a", "label": word} for data, word in zip(files(1), ("bad", "good"), strict=True)],
            {"category": "O6", "label": "label"},
            r"gives no pair: row 0: unknown_label \('bad' is no label: expected unsafe or safe; say which of them it "
            r"means: --label-map bad=unsafe, or =safe\)",
        ),
    ],
)
def test_a_source_that_gives_nothing_says_what_to_type(
    source: Any, arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SafetyPairsError, match=message) as raised:
        sp.import_pairs(source, tmp_path / "run", **arguments)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"unsafe,safe\na.png\n", "line 2, has 1 fields, and the head 2"),
        ("a.csv", b"unsafe,safe\n\xff\xfe,b.png\n", r"a.csv is not UTF-8 \(at byte \d+\); save it as that"),
        ("a.jsonl", b'{"unsafe": "a.png"}\n{"unsafe": \n', "line 2, is no JSON"),
        ("a.jsonl", b"[1]\n", "line 1, holds a list; expected a JSON object"),
        ("a.parquet", b"PAR1", "a.parquet can't be read: ArrowInvalid"),
        ("a.tar", b"\x1f\x8bxx", "the tar '.*a.tar' can't be read: ReadError: .*; unpack what is compressed"),
        ("a.zip", b"", "is a .zip; expected .parquet, .csv, .jsonl, .tar"),
    ],
)
def test_a_damaged_table_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SafetyPairsError, match=message):
        sp.import_pairs(tmp_path / name, tmp_path / "run", category="O6")


def reference(pixels: Any, how: str, width: int, height: int) -> Any:
    """The image in another size, pixel by pixel; "crop" and "pad" alone."""
    import numpy as np

    found = np.full((height, width, 3), 127, np.uint8)
    x, y = (pixels.shape[1] - width) // 2, (pixels.shape[0] - height) // 2
    if how == "pad":
        x, y = -((width - pixels.shape[1]) // 2), -((height - pixels.shape[0]) // 2)
    for row in range(height):
        for column in range(width):
            if 0 <= row + y < pixels.shape[0] and 0 <= column + x < pixels.shape[1]:
                found[row, column] = pixels[row + y, column + x]
    return found


@pytest.mark.parametrize(("how", "size"), [("crop", (60, 48)), ("pad", (71, 64)), ("resize", (32, 32))])
def test_members_of_other_sizes_are_fitted_as_asked(how: str, size: tuple[int, int], tmp_path: Path) -> None:
    other = (32, 32) if how == "resize" else (71, 48)
    pictures = members(1, 60, 64)[0] if how != "resize" else members(1)[0], ground(2, *other)
    row = dict(zip(("unsafe", "safe"), map(encoded, pictures), strict=True))
    sp.import_pairs([row], tmp_path / "run", category="O6", fit=how)
    (pair,) = pairs_of(tmp_path / "run").values()
    assert pair.safe
    for made, given in ((pair.unsafe, pictures[0]), (pair.safe, pictures[1])):
        assert made.pixels.shape == (size[1], size[0], 3)
        if how != "resize":
            assert (made.pixels == reference(given, how, *size)).all()
    if how == "resize":
        assert (pair.safe.pixels == pictures[1]).all()


def test_other_shapes_are_not_resized_to_one(tmp_path: Path) -> None:
    row = {"unsafe": encoded(ground(1, 64, 64)), "safe": encoded(ground(2, 64, 60))}
    done = sp.import_pairs([row], tmp_path / "run", category="O6", fit="resize")
    assert done.rejected == {"other_shape": 1}
