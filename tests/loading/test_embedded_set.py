"""The set that the package carries: what comes, and from which of the places that the bare name can mean."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from published import publish

from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.cli import main
from safetypairs_hf.core import embedded_set, resources
from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.dataset.store.embedded_store import EmbeddedStore
from safetypairs_hf.loading import pinned
from safetypairs_hf.loading.load import load
from safetypairs_hf.versions.verify import verify
from safetypairs_hf.versions.versions import versions

# What a version is can never change: scores name it. A new version is a new line.
MANIFESTS = {"1.0.0": "0d605a5a154d8ae9e1b1d8811889968aba6302313666cbe97cb1e61de1167345"}
PAIRS = 270


def test_every_version_is_whole_and_as_it_was_released() -> None:
    assert [str(version) for version in embedded_set.versions()] == list(MANIFESTS)
    for version in embedded_set.versions():
        file = embedded_set.folder(version) / "manifest.parquet"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == MANIFESTS[str(version)]
        report = verify(EmbeddedStore(), version)
        assert report.ok, report.problems
        assert report.pairs >= PAIRS
        assert report.size < 10e6


def test_the_recipe_still_makes_these_pairs(tmp_path: Path) -> None:
    """A smaller draw is part of a larger one, so a few pairs stand for all; `make embedded` compares every byte."""
    loaded = load_recipe("signs", {"pairs": "9", "size": "256", "controls": "false"})
    build(loaded, str(tmp_path / "run"), workers=1)
    table = EmbeddedStore().open(None).table.select(["pair_id", "unsafe_sha256", "safe_sha256"])
    held = {tuple(row.values()) for row in table.to_pylist()}
    pairs = [each.entrant.identity for each in open_finished(open_run(str(tmp_path / "run"))).drawn]
    assert len(pairs) == 9
    assert {(pair.pair_id, pair.unsafe_sha256, pair.safe_sha256) for pair in pairs} <= held


CODE = """
import safetypairs_hf as sp
from datasets import load_dataset
whole = load_dataset("safetypairs")
print({split: len(rows) for split, rows in whole.items()}, len(load_dataset("safetypairs", "disasters", split="test")))
print(next(iter(load_dataset("safetypairs", split="test", streaming=True)))["pair_id"] == whole["test"][0]["pair_id"])
print([len(each) for each in (sp.load(split="test"), load_dataset("safetypairs@1.0.0", split="test"))])
"""


def test_it_is_handed_out_offline_with_one_line_and_where_nothing_can_be_written(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": "/proc/none",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = EmbeddedStore().open(embedded_set.versions()[0]).table.select(["split", "category"]).to_pylist()
    splits = {split: sum(row["split"] == split for row in table) for split in ("train", "test")}
    disasters = table.count({"split": "test", "category": "disasters"})
    assert done.stdout.splitlines() == [f"{splits} {disasters}", "True", str([splits["test"]] * 2)]
    assert done.stderr == (
        f"safetypairs@{embedded_set.versions()[-1]} is the dataset included in safetypairs-hf: drawn signs, no "
        "photographs; to use another, name a folder or org/name, or set SAFETYPAIRS_REPO\n"
    )


def test_evaluate_without_data_runs_on_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "colour-and-clutter", "--out", "p.parquet", "--limit", "4", "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["signature"].startswith(f"data:safetypairs@{embedded_set.versions()[-1]}|split:test|n:4|")
    with pytest.raises(SystemExit) as ended:
        main(["score", "p.parquet", "--data", "safetypairs", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["signature"] == found["signature"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that carries two versions of a small set: 3 pairs in test, and 7."""
    for version in ("1.0.0", "1.1.0"):
        publish(tmp_path / "site" / "_data" / "embedded" / version / "safetypairs", version)
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "site")
    return tmp_path / "site" / "_data" / "embedded"


def rows(data: object) -> int:
    assert isinstance(data, datasets.Dataset)
    return len(data)


def test_a_new_version_stands_beside_the_old_one(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    pinned.tell_embedded.cache_clear()
    assert rows(load(split="test")) == 7
    assert rows(load(split="test", version="1.0.0")) == rows(load("safetypairs@1.0.0", split="test")) == 3
    assert rows(datasets.load_dataset("safetypairs", split="test")) == 7
    assert rows(datasets.load_dataset("safetypairs", split="test", revision="v1.0.0")) == 3
    said = [record.getMessage().split(" ")[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["safetypairs@1.1.0", "safetypairs@1.0.0"]
    assert [line.version for line in versions(EmbeddedStore())] == ["1.1.0", "1.0.0"]
    for revision, line in (
        ("v1.2.0", "safetypairs has no 1.2.0; the versions that this safetypairs-hf carries are 1.0.0, 1.1.0; "),
        ("main", "main was asked for, but the package has only 1.0.0, 1.1.0"),
    ):
        with pytest.raises(VersionMismatch) as caught:
            datasets.load_dataset("safetypairs", revision=revision)
        assert str(caught.value).startswith(line)


def test_a_folder_goes_first_then_what_is_set(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "other", "1.0.0")
    monkeypatch.setenv("SAFETYPAIRS_REPO", "./other")
    assert rows(load(split="test")) == rows(datasets.load_dataset("safetypairs", split="test")) == 3
    monkeypatch.setenv("SAFETYPAIRS_REPO", "safetypairs")
    assert rows(load(split="test")) == 7
    (tmp_path / "safetypairs").mkdir()
    with pytest.raises(SafetyPairsError, match=r"; a folder \./safetypairs comes before the dataset in the package"):
        load()
    publish(tmp_path / "safetypairs", "1.0.0")
    assert rows(load(split="test")) == rows(datasets.load_dataset("safetypairs", split="test")) == 3


def test_a_damaged_or_incomplete_installation_is_told(package: Path) -> None:
    file = package / "1.1.0" / "safetypairs" / "data" / "test" / "violence" / "1.1.0-0.parquet"
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(VersionMismatch, match=r"^safetypairs@1\.1\.0 is not as it was published: data/test/violence/"):
        load()
    for path in sorted(package.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(SafetyPairsError, match="this installation has lost its set 'safetypairs'; install"):
        load()
