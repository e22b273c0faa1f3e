"""croissant.json by mlcroissant itself: valid, and its records are the published rows."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pyarrow.parquet as pq
import pytest
from hub_fixtures import Hub, hub  # noqa: F401
from mlcroissant._src.operation_graph.operations.download import extract_git_info  # the reading of a repo's URL
from PIL import Image

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import croissant, manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.schema import COLUMNS, arrow_schema
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.release_date import release_date
from safetypairs_hf.taxonomy.nine import NINE, SLUGS

pytestmark = [  # of mlcroissant's own parts
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame"),
]
REPO = "lab/pairs"


@pytest.fixture(scope="module")
def folder(runs: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        for name, version, day in (("small", "1.0.0", 20_000), ("large", "1.1.0", 20_001)):
            patch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400 + 3_600))
            publish(open_run(str(runs / name)), parse_target(str(runs / "pairs")), parse(version))
    return runs / "pairs"


def read(path: Path | str, **mapping: str) -> mlc.Dataset:
    return mlc.Dataset(str(path), mapping=mapping)


def test_it_is_valid_croissant_1_1_without_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        metadata = read(folder / "croissant.json").metadata
    issues = metadata.ctx.issues
    assert issues.errors == set()
    assert issues.warnings == set()
    assert [record.getMessage() for record in caplog.records] == []
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert metadata.date_published == datetime(2024, 10, 5)  # of the version: 20,001 days after 1970


def test_a_release_that_states_no_date_has_none(release: Manifest) -> None:
    older = {name: value for name, value in release.releases[-1].items() if name != "date"}
    described = croissant.described(dataclasses.replace(release, releases=[older]), REPO)
    assert "datePublished" not in described


@pytest.mark.parametrize("text", ["soon", "-1", "1e9", "9" * 40, "\u0661"])
def test_a_date_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(PublishError, match=r"SOURCE_DATE_EPOCH is .*; expected the seconds from 1970"):
        release_date()


def test_the_responsible_ai_fields_are_read(folder: Path) -> None:
    metadata = read(folder / "croissant.json").metadata
    assert metadata.version == "1.1.0"
    assert metadata.license == ["https://spdx.org/licenses/CC0-1.0"]
    assert metadata.cite_as.startswith("@article{helbling2025safetypairs,")
    assert metadata.machine_annotation_tools == ["RedJudge"]
    assert metadata.annotations_per_item == "1 judge"
    assert all(
        (
            metadata.data_collection,
            metadata.data_collection_type,
            metadata.data_biases,
            metadata.data_limitations,
            metadata.data_use_cases,
            metadata.data_social_impact,
            metadata.personal_sensitive_information,
            metadata.data_annotation_protocol,
            metadata.data_preprocessing_protocol,
            metadata.data_release_maintenance_plan,
            metadata.data_collection_missing_data,
            metadata.data_collection_raw_data,
            metadata.data_imputation_protocol,
        )
    )


def test_the_records_of_a_folder_are_its_rows(folder: Path) -> None:
    rows = {row["pair_id"]: row for path in folder.rglob("data/**/*.parquet") for row in rows_of(path)}
    records = list(read(folder / "croissant.json").records("pairs"))
    assert {record["pairs/pair_id"].decode() for record in records} == rows.keys()
    assert len(records) == 30
    for record in records:
        row = rows[record["pairs/pair_id"].decode()]
        for member in ("unsafe_image", "safe_image"):
            assert record[f"pairs/{member}"].tobytes() == decoded(row[member]["bytes"])
        for column in ("critical_feature", "instruction", "policy", "group", "introduced"):
            assert record[f"pairs/{column}"].decode() == row[column]
        for column in ("category", "direction", "edit_box"):
            assert record[f"pairs/{column}"] == row[column]
        for column in ("source", "generator", "preservation", "review"):
            inner = {key: value for key, value in row[column].items() if key != "distances"}
            assert plain(record[f"pairs/{column}"]) == inner
        assert [plain(each) for each in record["pairs/judges"]] == row["judges"]
        assert record["pairs/preservation/distances"] == row["preservation"]["distances"]
        assert record["pairs/split"].decode() == row["split"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [{**row, "split": path.parts[-3]} for row in pq.read_table(path).to_pylist()]


def decoded(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).tobytes()


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """Keys without their path, text as text."""
    return {
        key.rsplit("/", 1)[-1]: value.decode() if isinstance(value, bytes) else value for key, value in record.items()
    }


def test_every_published_column_is_a_field(release: Manifest) -> None:
    fields = croissant.described(release, REPO)["recordSet"][0]["field"]
    assert [field["name"] for field in fields] == ["split", *COLUMNS]
    assert [field["name"] for field in fields[1:]] == arrow_schema(NINE).names
    assert all(field["description"] for field in fields)


def test_perceptual_distances_are_read_where_a_pair_has_some(release: Manifest, tmp_path: Path, folder: Path) -> None:
    path = next(folder.rglob("data/test/*/*.parquet"))
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["preservation"]["distances"] = [{"name": "lpips", "distance": 0.5}, {"name": "dists", "distance": 0.25}]
    copy = tmp_path / path.relative_to(folder)
    copy.parent.mkdir(parents=True)
    pq.write_table(table.from_pylist(rows, table.schema), copy)
    (tmp_path / "croissant.json").write_text(croissant.render(release, "./pairs")["croissant.json"])
    record = next(iter(read(tmp_path / "croissant.json").records("pairs")))
    assert [plain(each) for each in record["pairs/preservation/distances"]] == rows[0]["preservation"]["distances"]


def test_a_split_can_be_asked_for(folder: Path, release: Manifest) -> None:
    for split in ("train", "test"):
        records = list(read(folder / "croissant.json").records("pairs", filters={"pairs/split": split}))
        expected = {entry.pair_id for entry in release.entries if entry.split == split}
        assert {record["pairs/pair_id"].decode() for record in records} == expected


def test_the_categories_are_a_record_set(folder: Path) -> None:
    records = list(read(folder / "croissant.json").records("categories"))
    assert [record["categories/slug"] for record in records] == list(SLUGS)
    assert [record["categories/category"] for record in records] == list(range(9))
    assert records[0]["categories/name"] == "Hate, Humiliation, Harassment"


def test_the_text_depends_on_the_manifest_and_the_name_alone(folder: Path, release: Manifest) -> None:
    again = manifest.load(manifest.dump(release))
    assert again is not None
    assert (folder / "croissant.json").read_text() == croissant.render(again, "./pairs")["croissant.json"]


def test_text_of_others_is_only_text(release: Manifest) -> None:
    nasty = '"}, "@id": "x\n{{ 1 }}\u2028'
    last = {**release.releases[-1], "license": nasty}
    last["judging"] = {**last["judging"], "judges": [{"class": nasty}]}
    evil = Manifest(release.entries, [*release.releases[:-1], last])
    described = json.loads(croissant.render(evil, REPO)["croissant.json"])
    assert described["license"] == [nasty, "https://spdx.org/licenses/CC0-1.0"]
    assert mlc.Dataset(described).metadata.ctx.issues.errors == set()


def test_a_version_on_the_hub_is_read_over_http(hub: Hub, runs: Path) -> None:  # noqa: F811
    publish_on(hub, runs)
    for version, pairs in (("v1.0.0", 20), ("v1.1.0", 30)):
        url = f"{hub.endpoint}/datasets/{REPO}/resolve/{version}/croissant.json"
        files = hub.api().snapshot_download(REPO, repo_type="dataset", revision=version, cache_dir=hub.cache)
        data = read(url, repo=files)
        assert data.metadata.ctx.issues.errors == set()
        assert data.metadata.version == version.removeprefix("v")
        records = list(data.records("pairs"))
        assert len(records) == pairs
        assert records[0]["pairs/safe_image"].size == (64, 64)


def test_the_repo_that_it_names_is_fetched_at_its_version(hub: Hub, runs: Path, tmp_path: Path) -> None:  # noqa: F811
    """What mlcroissant does for a `git+https` file, with the real git; huggingface.co stands for the local Hub."""
    publish_on(hub, runs)
    where = {"repo_type": "dataset", "revision": "v1.0.0", "cache_dir": hub.cache}
    described = json.loads(Path(hub.api().hf_hub_download(REPO, "croissant.json", **where)).read_text())
    url, ref = extract_git_info(described["distribution"][0]["contentUrl"])
    assert (url, ref) == (f"https://huggingface.co/datasets/{REPO}", "refs/tags/v1.0.0")
    instead = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_VALUE_0": "https://huggingface.co/"}
    env = {**os.environ, **instead, "GIT_CONFIG_KEY_0": f"url.{hub.endpoint}/.insteadOf", "GIT_LFS_SKIP_SMUDGE": "1"}
    for command in (["clone", "-q", url, "repo"], ["-C", "repo", "fetch", "-q", "origin", f"{ref}:mine"]):
        subprocess.run(["git", *command], cwd=tmp_path, env=env, check=True)
    subprocess.run(["git", "-C", "repo", "checkout", "-q", "mine"], cwd=tmp_path, env=env, check=True)
    assert json.loads((tmp_path / "repo" / "croissant.json").read_text())["version"] == "1.0.0"


def publish_on(hub: Hub, runs: Path) -> None:  # noqa: F811
    code = (
        "from safetypairs_hf.core.run_folder import open_run\n"
        "from safetypairs_hf.publishing.publish import publish\n"
        "from safetypairs_hf.publishing.open_target import parse_target\n"
        "from safetypairs_hf.core.version import parse\n"
        "for run, version in (('small', '1.0.0'), ('large', '1.1.0')):\n"
        f"    publish(open_run(run), parse_target('{REPO}'), parse(version))"
    )
    hub.run_python(code, cwd=runs)
