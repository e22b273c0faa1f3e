"""A local folder: by `load`, and by the bare name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from published import TEST_ROWS, publish

from safetypairs_hf.core.errors import SafetyPairsError, VersionMismatch
from safetypairs_hf.loading.bare_name import register
from safetypairs_hf.loading.load import load


def test_load_gives_the_version_that_the_folder_holds(tmp_path: Path) -> None:
    publish(tmp_path / "pairs", "1.0.0")
    both = load("./pairs", "1.0.0", cache_dir=tmp_path)
    assert {split: len(rows) for split, rows in both.items()} == {"test": 3, "train": 1}
    assert str(both["test"].version) == "1.0.0"
    assert both["test"][0]["judges"] == [{"name": "eye", "p_unsafe_before": 0.9}]
    streamed = load(str(tmp_path / "pairs"), config="hate", split="train", streaming=True)
    assert [row["category"] for row in streamed] == [0]


def test_new_version_in_the_folder_is_not_served_from_the_old_cache(tmp_path: Path) -> None:
    for version, rows in TEST_ROWS.items():
        publish(tmp_path / "pairs", version)
        assert len(load("./pairs", version, split="test", cache_dir=tmp_path)) == rows


@pytest.mark.parametrize("asked", ["1.0.0", "v1.0.0"])
def test_folder_refuses_another_version(tmp_path: Path, asked: str) -> None:
    publish(tmp_path / "pairs", "1.1.0")
    with pytest.raises(VersionMismatch, match=r"v1\.0\.0 was asked for, but the folder \./pairs holds 1\.1\.0"):
        load("./pairs", asked)


def test_card_that_says_another_version_is_found_out(tmp_path: Path) -> None:
    publish(tmp_path / "pairs", "1.0.0")
    card = tmp_path / "pairs" / "README.md"
    card.write_text(card.read_text().replace('"1.0.0"', '"0.9.0"'))
    with pytest.raises(VersionMismatch, match=r"v1\.0\.0 was asked for, but its card states 0\.9\.0"):
        load("./pairs", "1.0.0", split="test", cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "hat"}, "has no config 'hat'; there are default, by_category, hate$"),
        ({"split": "dev"}, "default has no split 'dev'; there are test, train$"),
        ({"split": "test[:1]+dev"}, r"no split 'test\[:1\]\+dev'; there are test, train$"),
        ({"split": "dev", "streaming": True}, "no split 'dev'; there are test, train$"),
        ({"revision": "v1.0.0"}, "load takes a version, not a revision"),
        ({"version": "latest"}, "'latest' is not a version; expected three whole numbers"),
    ],
)
def test_wrong_config_split_or_version(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    publish(tmp_path / "pairs", "1.0.0")
    with pytest.raises(SafetyPairsError, match=message):
        load("./pairs", cache_dir=tmp_path, **arguments)


def test_folder_that_is_not_there_or_not_ours(tmp_path: Path) -> None:
    with pytest.raises(SafetyPairsError, match=r"no folder \./nothing; name one"):
        load("./nothing")
    (tmp_path / "theirs").mkdir()
    with pytest.raises(SafetyPairsError, match=r"theirs has no manifest\.parquet of safetypairs"):
        load("./theirs")
    with pytest.raises(
        SafetyPairsError, match=r"'pairs' is no target: .* write \./pairs for a folder, or org/pairs for"
    ):
        load("pairs")


def test_bare_name_is_the_folder_in_the_working_directory(tmp_path: Path) -> None:
    register()
    publish(tmp_path / "safetypairs", "1.1.0")
    assert len(datasets.load_dataset("safetypairs", split="test", cache_dir=tmp_path)) == 7
    assert len(datasets.load_dataset("safetypairs", split="test", revision="v1.1.0", cache_dir=tmp_path)) == 7
    assert datasets.get_dataset_config_names("safetypairs") == ["default", "by_category", "hate", "violence"]
    assert datasets.load_dataset_builder("safetypairs", "violence", cache_dir=tmp_path).config.name == "violence"
    for revision in ("v1.0.0", "main"):
        with pytest.raises(
            VersionMismatch, match=rf"{revision} was asked for, but the folder \./safetypairs holds 1\.1\.0"
        ):
            datasets.load_dataset("safetypairs", revision=revision)


def test_bare_name_is_the_folder_set_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.setenv("SAFETYPAIRS_REPO", str(publish(tmp_path / "elsewhere", "1.0.0")))
    assert len(datasets.load_dataset("safetypairs", split="test", cache_dir=tmp_path)) == 3
    assert len(load(split="test", cache_dir=tmp_path)) == 3
    monkeypatch.setenv("SAFETYPAIRS_VERSION", "1.1.0")
    with pytest.raises(VersionMismatch, match=r"1\.1\.0 was asked for, but the folder .*elsewhere holds 1\.0\.0"):
        datasets.load_dataset("safetypairs")


def test_bare_name_prepares_in_several_processes(tmp_path: Path) -> None:
    register()
    publish(tmp_path / "safetypairs", "1.1.0")
    assert len(datasets.load_dataset("safetypairs", split="test", num_proc=2, cache_dir=tmp_path)) == 7


def test_other_names_are_untouched(tmp_path: Path) -> None:
    register()
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    rows = datasets.load_dataset("csv", data_files="rows.csv", split="train", cache_dir=tmp_path)
    assert rows["a"][:] == [1, 2]


def test_register_is_idempotent_and_survives_reload(tmp_path: Path) -> None:
    publish(tmp_path / "safetypairs", "1.0.0")
    register()
    register()
    finders = [finder for finder in sys.meta_path if getattr(finder, "registers", None) == "safetypairs"]
    assert len(finders) == 1
    load_module = sys.modules["datasets.load"]
    wrapped = load_module.dataset_module_factory
    assert not hasattr(wrapped.__wrapped__, "__wrapped__")
    assert sys.modules["datasets.inspect"].dataset_module_factory.__wrapped__
    importlib.reload(load_module)
    try:
        assert load_module.dataset_module_factory is not wrapped
        assert len(load_module.load_dataset("safetypairs", split="test", cache_dir=tmp_path)) == 3
    finally:
        importlib.reload(sys.modules["datasets.inspect"])
