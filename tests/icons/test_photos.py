"""The user's own photographs: good ones used and converted faithfully, the others skipped with a reason."""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.icons import IconScenes
from safetypairs_hf.icons.photos import Photo, pick, scan

SIDE = 200


def photo(seed: int = 0) -> Image.Image:
    """A smooth picture that decodes and compresses like a photograph."""
    knots = np.random.default_rng(seed).integers(40, 215, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(knots).resize((280, SIDE), Image.Resampling.BICUBIC)


def bomb(path: Path) -> None:
    """A PNG of a few bytes whose header says 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "deep" / "er").mkdir(parents=True)
    photo(1).save(root / "good.jpg", quality=90)
    photo(2).save(root / "deep" / "er" / "good.png")
    photo(3).convert("CMYK").save(root / "cmyk.jpg")
    sixteen = np.linspace(0, 65535, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)
    Image.fromarray(sixteen).save(root / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(4).save(root / "turned.jpg", exif=exif)
    Image.new("P", (SIDE, SIDE), 3).save(root / "palette.png")
    Image.new("LA", (SIDE, SIDE), (0, 0)).save(root / "alpha.png")
    photo(7).save(root / "phone.jpg", format="MPO", save_all=True, append_images=[photo(8)])
    (root / "empty.jpg").touch()
    (root / "notes.txt").write_text("not a picture")
    whole = (root / "good.jpg").read_bytes()
    (root / "broken.jpg").write_bytes(whole[: len(whole) // 2])
    data = (root / "deep" / "er" / "good.png").read_bytes()
    (root / "broken.png").write_bytes(data[: len(data) // 2])
    photo(5).save(root / "moving.gif", save_all=True, append_images=[photo(6)])
    photo(5).save(root / "moving.webp", save_all=True, append_images=[photo(6)])
    Image.new("RGB", (SIDE, 20)).save(root / "thin.png")
    bomb(root / "bomb.png")
    (root / "link.jpg").symlink_to(root / "nowhere")
    return root


def test_good_files_are_used_and_the_others_named_with_their_reason(folder: Path) -> None:
    found = scan(str(folder), SIDE)
    assert [Path(photo.path).relative_to(folder).as_posix() for photo in found.photos] == [
        *("alpha.png", "cmyk.jpg", "deep/er/good.png", "good.jpg"),
        *("palette.png", "phone.jpg", "sixteen.png", "turned.jpg"),
    ]
    assert {name: reject.reason for name, reject in found.rejects} == {
        "bomb.png": "oversized",
        "broken.jpg": "broken",
        "broken.png": "broken",
        "empty.jpg": "empty",
        "link.jpg": "not_a_file",
        "moving.gif": "animated",
        "moving.webp": "animated",
        "notes.txt": "not_an_image",
        "thin.png": "too_small",
    }
    assert {reject.stage for _, reject in found.rejects} == {"source"}


def test_every_file_of_the_folder_is_used_or_rejected(folder: Path) -> None:
    found = scan(str(folder), SIDE)
    assert len(found.photos) + len(found.rejects) == sum(len(files) for _, _, files in os.walk(folder))


def decoded(path: Path) -> Image.Image:
    """A photograph as it is used behind a scene."""
    return pick(Photo(os.fspath(path), ""), SIDE)


def test_sixteen_bits_are_scaled_not_clipped(folder: Path) -> None:
    pixels = np.asarray(decoded(folder / "sixteen.png"))
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[-1, -1].tolist() == [255, 255, 255]
    assert pixels[SIDE // 2, 0, 0] == 128


def test_a_turned_photograph_is_put_upright(folder: Path) -> None:
    upright = photo(4).transpose(Image.Transpose.ROTATE_270)
    turned = decoded(folder / "turned.jpg")
    assert turned.size == (SIDE, 280)
    assert np.abs(np.asarray(turned, dtype=int) - np.asarray(upright, dtype=int)).mean() < 4


def test_cmyk_has_the_colours_of_the_original(folder: Path) -> None:
    difference = np.asarray(decoded(folder / "cmyk.jpg"), dtype=int) - np.asarray(photo(3), dtype=int)
    assert np.abs(difference).mean() < 4


def test_what_is_transparent_becomes_white(folder: Path) -> None:
    assert np.asarray(decoded(folder / "alpha.png")).min() == 255


def test_the_two_orders_of_bytes_of_a_16_bit_tiff_read_alike(tmp_path: Path) -> None:
    levels = np.full((SIDE, SIDE), 0x8123, dtype=np.uint16)
    for name, order in (("little.tif", "I;16"), ("big.tif", "I;16B")):
        data = levels.astype("<u2" if order == "I;16" else ">u2").tobytes()
        Image.frombytes(order, (SIDE, SIDE), data).save(tmp_path / name)
        assert np.unique(np.asarray(decoded(tmp_path / name))).tolist() == [0x81]


def scenes(folder: Path) -> IconScenes:
    return IconScenes(0, SIDE, str(folder))


def same(one: list[Candidate], other: list[Candidate]) -> bool:
    return [c.unsafe.data for c in one] == [c.unsafe.data for c in other]


def test_scenes_on_photographs_name_the_file_and_no_licence(folder: Path) -> None:
    source = scenes(folder)
    candidates = source.take(0, 8)
    hashes = {photo.sha256[:16] for photo in scan(str(folder), SIDE).photos}
    assert {candidate.origin.id.split("@")[1] for candidate in candidates} == hashes
    assert [candidate.family for candidate in candidates] == [c.origin.id.split("@")[1] for c in candidates]
    assert {candidate.origin.license for candidate in candidates} == {"NOASSERTION"}
    assert {candidate.unsafe.pixels.shape for candidate in candidates} == {(SIDE, SIDE, 3)}
    assert len(source.rejected_inputs()) == 9


def test_a_copy_sent_to_another_process_does_not_scan_again(folder: Path) -> None:
    source = scenes(folder)
    copy = pickle.loads(pickle.dumps(source))
    (folder / "late.jpg").write_bytes((folder / "good.jpg").read_bytes())
    assert same(source.take(3, 6), copy.take(3, 6))
    assert copy.fingerprint() == source.fingerprint()
    assert scenes(folder).fingerprint() != source.fingerprint()


def test_a_photograph_that_went_away_is_named(folder: Path) -> None:
    source = scenes(folder)
    source.rejected_inputs()
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(RecipeError, match="could be read when the build began"):
        source.take(0, 1)


def test_folders_that_can_not_be_used(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a folder"):
        IconScenes(0, SIDE, str(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RecipeError, match="it is empty"):
        IconScenes(0, SIDE, str(empty)).take(0, 1)
    (empty / "notes.txt").write_text("words")
    with pytest.raises(RecipeError, match=r"notes\.txt: not_an_image"):
        IconScenes(0, SIDE, str(empty)).rejected_inputs()
