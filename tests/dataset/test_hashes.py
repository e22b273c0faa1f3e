"""What the manifest holds of every file and row, and that releases without it are read still."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from builds import make_run, tree

from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import failure_rows, manifest
from safetypairs_hf.dataset.config_files import config_files
from safetypairs_hf.dataset.manifest import FOLDERS, Manifest
from safetypairs_hf.dataset.manifest_head import KEY
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.loading.load import load
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.versions.verify import verify


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version with controls and failures."""
    root = tmp_path_factory.mktemp("hashes")
    run = make_run(root / "run", pairs=12, controls="true", attempts=3)
    publish(run, parse_target(str(root / "out")), parse("1.0.0"), with_failures=True)
    return root / "out"


def test_every_file_is_named_with_its_hash(folder: Path, release: Manifest) -> None:
    named = {name: file.sha256 for name, file in {**release.files, **release.sidecars}.items()}
    here = {name: sha256(data) for name, data in tree(folder).items() if name != manifest.NAME}
    assert named == here
    assert {name for name in named if name.startswith(FOLDERS)} == set(release.files)


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("data/*/*/*.parquet"))
    return {row["pair_id"]: row for path in files for row in pq.ParquetFile(path).read().to_pylist()}


def test_every_row_is_named_with_its_hash(folder: Path, release: Manifest) -> None:
    found = rows(folder)
    for entry in release.entries:
        assert entry.row_hash == row_hash(found[entry.pair_id], entry.unsafe_sha256, entry.safe_sha256)
    assert len({entry.row_hash for entry in release.entries}) == 12


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, Mapping):
        name = next(iter(value))
        return {**value, name: changed(value[name])}
    if isinstance(value, list):
        return [changed(value[0]), *value[1:]] if value else [0]
    return f"{value}!" if isinstance(value, str) else (value or 0) + 1


def test_each_column_counts_and_a_whole_number_is_a_number(folder: Path, release: Manifest) -> None:
    entry = release.entries[0]
    row, files = rows(folder)[entry.pair_id], (entry.unsafe_sha256, entry.safe_sha256)
    for column in set(row) - {"unsafe_image", "safe_image", "category"}:
        assert row_hash({**row, column: changed(row[column])}, *files) != entry.row_hash, column
    assert row_hash(row, *reversed(files)) != entry.row_hash
    judges = [{**judge, "p_unsafe_before": int(judge["p_unsafe_before"])} for judge in row["judges"]]
    assert row_hash({**row, "judges": judges}, *files) == entry.row_hash  # 1 is written as 1.0


def test_a_config_has_the_files_that_the_card_shows(folder: Path, release: Manifest) -> None:
    names = set(release.files) - {failure_rows.NAME}
    header = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    shown = {
        config["config_name"]: {
            view["split"]: {name for name in names if fnmatchcase(name, view["path"])} for view in config["data_files"]
        }
        for config in header["configs"]
    }
    assert {"default", "by_category", "controls", "failures"} < set(shown)
    assert config_files(release.files) == shown


def as_format_1(folder: Path) -> None:
    """The manifest as safetypairs-hf 0.1 wrote it before it had these hashes."""
    file = folder / manifest.NAME
    found = manifest.load(file.read_bytes())
    assert found
    file.write_bytes(manifest.dump(dataclasses.replace(found, sidecars={})))
    table = pq.read_table(file).drop_columns(["row_hash"])
    head = json.loads(table.schema.metadata[KEY]) | {"format": 1}
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, KEY: json.dumps(head)}), file)


def entries(target: str) -> list[manifest.Entry]:
    found = manifest.load(Path(target, manifest.NAME).read_bytes())
    assert found
    return found.entries


def test_a_release_upon_one_of_format_1(tmp_path: Path) -> None:
    small, large = (make_run(tmp_path / f"run-{pairs}", pairs=pairs) for pairs in (8, 12))
    target = str(tmp_path / "out")
    publish(small, parse_target(target), parse("1.0.0"))
    as_format_1(tmp_path / "out")
    report = verify(open_published(target))
    assert (report.problems, len(report.unchecked)) == ([], 1)
    assert len(load(target, "1.0.0", split="test", cache_dir=tmp_path / "cache")) == len(
        [entry for entry in entries(target) if entry.split == "test"]
    )
    publish(large, parse_target(target), parse("1.1.0"))
    assert {entry.introduced: entry.row_hash is None for entry in entries(target)} == {"1.0.0": True, "1.1.0": False}
    assert verify(open_published(target)).ok
