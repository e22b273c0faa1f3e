"""What `load` and the bare name hand out is what was published, or an error."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from published import held, publish

from safetypairs_hf.core import file_digests
from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.loading.bare_name import register
from safetypairs_hf.loading.load import load
from safetypairs_hf.versions.verify import verify

FILE = "data/test/hate/1.0.0-0.parquet"
CHANGED = r"is not as it was published: .*its bytes are not those that the manifest names"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory of checks of the test's own."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def flip(path: Path) -> None:
    """Flip one bit in the middle of the first image."""
    data = bytearray(path.read_bytes())
    image = pq.read_table(path)["unsafe_image"][0].as_py()["bytes"]
    data[bytes(data).index(image) + len(image) // 2] ^= 4
    path.write_bytes(bytes(data))


def rewrite(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, table.schema), path)


def swap(path: Path) -> None:
    def swapped(rows: list[dict[str, Any]]) -> None:
        rows[0]["unsafe_image"], rows[0]["safe_image"] = rows[0]["safe_image"], rows[0]["unsafe_image"]

    rewrite(path, swapped)


def relabel_text(path: Path) -> None:
    rewrite(path, lambda rows: rows[0]["judges"][0].update(p_unsafe_before=0.1))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("damage", [flip, swap, relabel_text])
@pytest.mark.parametrize("seen", [False, True], ids=["new", "loaded before"])
def test_other_bytes_are_an_error(tmp_path: Path, damage: Callable[[Path], None], streaming: bool, seen: bool) -> None:
    publish(tmp_path / "pairs", "1.0.0")
    if seen:
        load("./pairs", cache_dir=tmp_path / "cache")
    damage(tmp_path / "pairs" / FILE)
    with pytest.raises(VersionMismatch, match=rf"^\./pairs@1\.0\.0 {CHANGED}; see: safetypairs verify"):
        load("./pairs", streaming=streaming, cache_dir=tmp_path / "cache")
    register()
    with pytest.raises(VersionMismatch, match=CHANGED):
        Path("safetypairs").symlink_to("pairs")
        datasets.load_dataset("safetypairs", streaming=streaming, cache_dir=tmp_path / "cache")


def other_release(folder: Path) -> None:
    """The data of 1.1.0 under a file name of 1.0.0."""
    other = publish(folder.parent / "other", "1.1.0")
    shutil.copy(other / "data/test/violence/1.1.0-0.parquet", folder / FILE)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.copy(folder / FILE, folder / "data/test/hate/more.parquet"), "but not in the manifest"),
        (lambda folder: (folder / FILE).unlink(), "config hate|is missing from default/test"),
        (other_release, "its bytes are not those that the manifest names"),
    ],
    ids=["extra", "missing", "of another release"],
)
def test_other_files_are_an_error(
    tmp_path: Path, damage: Callable[[Path], None], message: str, streaming: bool
) -> None:
    folder = publish(tmp_path / "pairs", "1.1.0")
    damage(folder)
    with pytest.raises(VersionMismatch, match=message):
        load("./pairs", streaming=streaming, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_card_that_names_other_files(tmp_path: Path, streaming: bool) -> None:
    card = publish(tmp_path / "pairs", "1.0.0") / "README.md"
    card.write_text(card.read_text().replace("data/train/*/*.parquet", "data/test/*/*.parquet"))
    with pytest.raises(VersionMismatch, match=r"is in default/train, but not in the manifest \(and 1 more\)"):
        load("./pairs", streaming=streaming, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("option", [{"data_files": {"train": "data/test/*/*.parquet"}}, {"data_dir": "data/test"}])
def test_options_that_name_other_rows(tmp_path: Path, option: dict[str, Any]) -> None:
    register()
    publish(tmp_path / "safetypairs", "1.0.0")
    for call in (lambda: load("./safetypairs", **option), lambda: datasets.load_dataset("safetypairs", **option)):
        with pytest.raises(SafetyPairsError, match=f"{next(iter(option))} would read other rows"):
            call()


def colours(rows: Any) -> list[tuple[int, ...]]:
    return [row["unsafe_image"].getpixel((0, 0)) for row in rows]


@pytest.mark.parametrize("by", ["load", "load_dataset", "load_dataset of the bare name"])
def test_a_folder_that_was_repaired_gives_the_right_rows(tmp_path: Path, by: str) -> None:
    """Repaired as `rsync -t` does it, with the times that the files had."""
    register()
    folder = publish(tmp_path / "safetypairs", "1.0.0")
    path, whole = folder / FILE, (folder / FILE).read_bytes()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    rewrite(path, lambda rows: rows[0].update(unsafe_image=rows[1]["unsafe_image"]))
    os.utime(path, ns=times)
    wrong = datasets.load_dataset(str(folder), split="test", cache_dir=tmp_path / "cache")
    assert colours(wrong)[:2] == [(1, 255, 0), (1, 255, 0)]
    assert colours(load("./safetypairs", split="test", check="warn", cache_dir=tmp_path / "cache"))[0] == (1, 255, 0)
    path.write_bytes(whole)
    os.utime(path, ns=times)
    right = {
        "load": lambda: load("./safetypairs", split="test", cache_dir=tmp_path / "cache"),
        "load_dataset": lambda: datasets.load_dataset(str(folder), split="test", cache_dir=tmp_path / "cache"),
        "load_dataset of the bare name": lambda: datasets.load_dataset(
            "safetypairs", split="test", cache_dir=tmp_path / "cache"
        ),
    }[by]()
    assert colours(right)[:2] == [(0, 255, 0), (1, 255, 0)]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_row_with_a_path_reads_no_file(tmp_path: Path, streaming: bool) -> None:
    """Its publisher is not honest, so the manifest names the very bytes."""
    secret = tmp_path / "secret.png"
    shutil.copy(Path(__file__).parents[2] / "docs" / "pair.png", secret)
    folder = publish(tmp_path / "pairs", "1.0.0")
    rewrite(folder / FILE, lambda rows: rows[0].update(unsafe_image={"bytes": None, "path": str(secret)}))
    found = manifest.load((folder / manifest.NAME).read_bytes())
    assert found
    whole = pq.read_table(folder / FILE).filter([False, True, True])
    named = held_with_row(folder, found.releases, whole)
    (folder / manifest.NAME).write_bytes(manifest.dump(named))
    for check in ("error", "warn"):
        with pytest.raises(SafetyPairsError, match=r"unsafe_image holds no image, but the path of a file on the"):
            for row in load("./pairs", split="test", streaming=streaming, check=check, cache_dir=tmp_path / "cache"):
                row["unsafe_image"].load()


def held_with_row(folder: Path, releases: list[dict[str, Any]], whole: Any) -> manifest.Manifest:
    """The manifest of the folder, worked out without the row that has no bytes; the file's hash is that of all."""
    data = (folder / FILE).read_bytes()
    pq.write_table(whole, folder / FILE)
    found = held(folder, releases)
    (folder / FILE).write_bytes(data)
    of_file = manifest.FileHash(sha256(data), len(data))
    return manifest.Manifest(found.entries, releases, files=found.files | {FILE: of_file})


def test_autoload_reads_no_folder_that_is_not_ours(tmp_path: Path) -> None:
    register()
    (tmp_path / "safetypairs").mkdir()
    (tmp_path / "safetypairs" / "rows.csv").write_text("a\n1\n")
    with pytest.raises(SafetyPairsError, match=r"safetypairs has no manifest\.parquet of safetypairs"):
        datasets.load_dataset("safetypairs")
    assert datasets.load_dataset("./safetypairs", split="train", cache_dir=tmp_path / "cache")["a"][:] == [1]


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def test_a_clone_without_lfs_says_what_to_type(tmp_path: Path) -> None:
    folder = publish(tmp_path / "pairs", "1.0.0")
    (folder / FILE).write_text(POINTER)
    advice = r"is a pointer of Git LFS and no data; in the clone run: git lfs pull"
    with pytest.raises(VersionMismatch, match=f"{FILE}: {advice}"):
        load("./pairs", cache_dir=tmp_path / "cache")
    assert f"{FILE}: {advice}" in [str(problem) for problem in verify(open_published("./pairs")).problems]
    (folder / manifest.NAME).write_text(POINTER)
    for call in (lambda: load("./pairs"), lambda: load("./pairs", "1.0.0"), lambda: open_published("./pairs").newest()):
        with pytest.raises(SafetyPairsError, match=rf"pairs(/|: )manifest\.parquet {advice}"):
            call()


def test_an_edit_on_purpose_is_loaded_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    publish(tmp_path / "pairs", "1.0.0")
    swap(tmp_path / "pairs" / FILE)
    with caplog.at_level(logging.WARNING):
        rows = load("./pairs", split="test", check="warn", cache_dir=tmp_path / "cache")
    assert colours(rows)[0] == (0, 0, 0)
    assert "pairs@1.0.0 is not as it was published" in caplog.text
    with pytest.raises(VersionMismatch, match=CHANGED):
        load("./pairs", split="test", cache_dir=tmp_path / "cache")
    with pytest.raises(SafetyPairsError, match="check is 'no'; expected one of error, warn"):
        load("./pairs", check="no")


def test_a_file_is_read_once_for_its_hash(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    digest = file_digests.file_sha256
    monkeypatch.setattr(file_digests, "file_sha256", lambda path: read.append(path.name) or digest(path))
    monkeypatch.setattr(file_digests, "_SETTLED_AFTER", -1.0)
    publish(tmp_path / "pairs", "1.0.0")
    for config in ("default", "hate", "default"):
        load("./pairs", config=config, cache_dir=tmp_path / "cache")
    assert len(read) == 2
    os.utime(tmp_path / "pairs" / FILE)
    load("./pairs", cache_dir=tmp_path / "cache")
    assert len(read) == 3


def test_a_memory_that_cannot_be_written_means_a_check_each_time(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where the folder would be")
    read: list[str] = []
    digest = file_digests.file_sha256
    monkeypatch.setattr(file_digests, "file_sha256", lambda path: read.append(path.name) or digest(path))
    publish(tmp_path / "pairs", "1.0.0")
    for _ in range(2):
        load("./pairs", cache_dir=tmp_path / "cache")
    assert len(read) == 4
    home.unlink()
    (home / "safetypairs-hf" / "digests").mkdir(parents=True)
    load("./pairs", cache_dir=tmp_path / "cache")
    for file in (home / "safetypairs-hf" / "digests").iterdir():
        file.write_text("{")
    load("./pairs", cache_dir=tmp_path / "cache")
    assert len(read) == 8


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path, home: Path) -> None:
    """It may change again within the same tick of the clock, with the same size."""
    (tmp_path / "file").write_bytes(b"one")
    future = time.time() + 3600
    os.utime(tmp_path / "file", (future, future))
    file_digests.digests({"file": tmp_path / "file"}, "place")
    assert not list(home.rglob("*.json")) or not json.loads(next(home.rglob("*.json")).read_text())["found"]


def test_a_long_check_says_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_digests, "_REPORTED_AFTER", 0.0)
    publish(tmp_path / "pairs", "1.0.0")
    with caplog.at_level(logging.WARNING):
        load("./pairs", cache_dir=tmp_path / "cache")
    assert "pairs: 0.00 GB were checked in 0 s; later loads need not do it again" in caplog.text
