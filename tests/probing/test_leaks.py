"""Test pairs in training data: the file, another encoding, another size, turned and mirrored; in every form of data."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hub_fixtures import Hub, hub  # noqa: F401
from PIL import Image

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.cli.probe import command
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.probing.leaks import find_leaks
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish

pytest.importorskip("fontawesomefree")


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    folder = tmp_path_factory.mktemp("leaks")
    build(load_recipe("icons", {"pairs": "18", "size": "256", "test_fraction": "0.5"}), str(folder / "run"), 1)
    publish(open_run(str(folder / "run")), parse_target(str(folder / "data")), parse("1.0.0"))
    return open_named(str(folder / "data"))


@pytest.fixture(scope="module")
def shown(version: Edition) -> tuple[str, bytes]:
    """A test pair's id, and the file of its unsafe member."""
    row = next(row for row in version.table.to_pylist() if row["split"] == "test")
    (found,) = version.rows(row["file"], [row["pair_id"]], ["pair_id", "unsafe_image"])
    return row["pair_id"], found["unsafe_image"]["bytes"]


def saved(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


CHANGES: dict[str, tuple[Callable[[Image.Image], bytes], str]] = {
    "encoded-anew": (lambda image: saved(image, "JPEG"), "near-duplicate"),
    "smaller": (lambda image: saved(image.resize((100, 100), Image.Resampling.LANCZOS)), "near-duplicate"),
    "larger": (lambda image: saved(image.resize((500, 500))), "near-duplicate"),
    "mirrored": (lambda image: saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), "turned or mirrored"),
    "turned": (lambda image: saved(image.transpose(Image.Transpose.ROTATE_90)), "turned or mirrored"),
    "transposed": (lambda image: saved(image.transpose(Image.Transpose.TRANSVERSE)), "turned or mirrored"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_test_image_is_found_however_it_was_changed(
    version: Edition, shown: tuple[str, bytes], tmp_path: Path, change: str
) -> None:
    pair_id, content = shown
    make, how = CHANGES[change]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.png").write_bytes(make(Image.open(io.BytesIO(content))))
    (tmp_path / "noise.png").write_bytes(saved(noise(1)))
    found = find_leaks(str(tmp_path), version)
    assert found.images == 2 and not found.unreadable
    assert {leak.how for leak in found.found} == {how} and {leak.image for leak in found.found} == {"deep/a.png"}
    nearest = min(found.found, key=lambda leak: leak.bits)
    assert nearest.pair_id == pair_id and 0 <= nearest.bits <= 31


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def test_train_pairs_are_no_leak_and_test_pairs_are(version: Edition, tmp_path: Path) -> None:
    folder = version.target
    assert find_leaks(f"{folder}/data/train", version).found == []
    found = find_leaks(f"{folder}/data/test", version)
    tests = [row["pair_id"] for row in version.table.to_pylist() if row["split"] == "test"]
    assert sorted((leak.pair_id, leak.member, leak.how) for leak in found.found) == sorted(
        (pair_id, member, "same file") for pair_id in tests for member in ("safe", "unsafe")
    )
    assert found.pairs == len(tests) and found.images == 2 * len(tests)
    assert f"{len(tests)} test pairs are in the training data: " in str(found)
    assert json.loads(json.dumps(found.to_dict()))["found"][0]["how"] == "same file"


def test_the_command_ends_with_1_where_there_is_a_leak(version: Edition, tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--leaks", f"{version.target}/data/test", f"{version.target}@1.0.0", "--json"])
    assert done.exit_code == 1 and len(json.loads(done.stdout)["found"]) == json.loads(done.stdout)["images"]
    clean = CliRunner().invoke(command, ["--leaks", f"{version.target}/data/train", version.target])
    assert clean.exit_code == 0 and clean.stdout.startswith("No leak: ")


def test_every_form_of_training_data(version: Edition, shown: tuple[str, bytes], tmp_path: Path) -> None:
    import datasets

    pair_id, content = shown
    (tmp_path / "image.png").write_bytes(content)
    table = pa.table({"n": [0, 1], "photo": [saved(noise(0)), content], "other": [b"no image", None]})
    pq.write_table(table, tmp_path / "raw.parquet")
    nested = pa.table({"images": [[{"bytes": content, "path": None}, {"bytes": saved(noise(2)), "path": "x"}]]})
    pq.write_table(nested, tmp_path / "nested.parquet")
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        entry = tarfile.TarInfo("7.png")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    features = datasets.Features({"image": datasets.Image()})
    rows = datasets.Dataset.from_dict({"image": [{"bytes": content, "path": None}]}, features=features)
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "saved")
    names = {
        "image.png": "image.png",
        "raw.parquet": "raw.parquet, row 1, photo",
        "nested.parquet": "nested.parquet, row 0, images 0",
        "shard.tar": "shard.tar, 7.png",
        "saved": "train row 0, image",
    }
    for data, name in names.items():
        (leak,) = find_leaks(str(tmp_path / data), version).found
        assert (leak.pair_id, leak.member, leak.how, leak.image) == (pair_id, "unsafe", "same file", name)


def test_a_dataset_on_the_hub_is_streamed_and_a_private_one_refused(hub: Hub, version: Edition) -> None:  # noqa: F811
    files = sorted(Path(version.target).glob("data/test/*/*.parquet"))[:2]
    api = hub.api()
    api.create_repo("lab/photos", repo_type="dataset", private=True)
    for number, file in enumerate(files):
        name = f"data/train-{number}.parquet"
        api.upload_file(path_or_fileobj=file, path_in_repo=name, repo_id="lab/photos", repo_type="dataset")
    words = [sys.executable, "-m", "safetypairs_hf", "probe", "--leaks", "lab/photos", version.target]
    for user in ("alice", "bob"):
        done = subprocess.run(words, env=hub.env(user), cwd=hub.home, capture_output=True, text=True)
        assert done.returncode == 1
        if user == "alice":
            rows = sum(pq.read_metadata(file).num_rows for file in files)
            assert f"{2 * rows} images of lab/photos" in done.stdout and "same file of the unsafe image" in done.stdout
        else:
            assert "lab/photos" in done.stderr and done.stdout == "" and done.stderr.count("\n") == 1


def test_what_cannot_be_read_is_said(version: Edition, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and nothing more")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "notes.txt").write_text("no image")
    paths = pa.table({"image": [{"bytes": None, "path": "/etc/hostname"}]})
    pq.write_table(paths, tmp_path / "paths.parquet")
    found = find_leaks(str(tmp_path), version)
    assert [name for name, _ in found.unreadable] == ["broken.parquet", "broken.png", "paths.parquet, row 0, image"]
    assert found.images == 0 and "Not looked at: 3 that could not be read; the first: broken.parquet (" in str(found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("nowhere/at/all", "there is no nowhere/at/all; name a folder"),
        ("notes.txt", "notes.txt is neither an image nor a .parquet or .tar file"),
        (".", r"\. holds no image; expected image files"),
    ],
)
def test_mistakes_are_one_line(
    version: Edition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, said: str
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafetyPairsError, match=said):
        find_leaks(data, version)
    with pytest.raises(SafetyPairsError, match="has no pairs in split 'validation'"):
        find_leaks(data, version, "validation")
