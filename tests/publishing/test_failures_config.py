"""The config `failures`: edits that were turned down, on request, and never those of a tested or taken-down source."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections import Counter
from pathlib import Path

import mlcroissant as mlc
import pyarrow.parquet as pq
import pytest
from builds import tree
from click.testing import CliRunner
from traced_runs import held, problems, put, rows, traced_run

import safetypairs_hf as sp
from safetypairs_hf.building import run_reader
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import card, failure_rows
from safetypairs_hf.dataset.failure_rows import Failed
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan_failures import plan_failures
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.taxonomy.nine import SLUGS

pytestmark = [  # of mlcroissant's own parts
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame"),
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `run` (two rounds, half of the edits missed, no pair in the test split) and `whole`, 1.0.0 of it."""
    folder = tmp_path_factory.mktemp("failures")
    run = traced_run(folder / "run", pairs=9, misses=0.5, rounds=2, test_fraction=0.0)
    put(run, folder / "whole", "1.0.0", with_failures=True)
    return folder


@pytest.fixture
def run(work: Path) -> RunFolder:
    return open_run(str(work / "run"))


@pytest.fixture
def copy(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "whole", tmp_path / "copy"))


def listed(folder: Path) -> list[Failed]:
    return failure_rows.load((folder / failure_rows.NAME).read_bytes())


def test_every_attempt_with_an_edited_image_is_a_row(work: Path, run: RunFolder) -> None:
    finished = open_finished(run, failures=True)
    failed = dict(finished.failures({each.failure_id for each in finished.failed}))
    found = {row["failure_id"]: row for row in rows(work / "whole", "failures")}
    assert found.keys() == failed.keys()
    stages = {stage["stage"]: stage["rejected"] for stage in run_reader.funnel(run)["stages"]}
    reasons = Counter(stages["judge"]) + Counter(stages["judge-2"])
    assert Counter(row["reason"] for row in found.values()) == reasons
    assert {row["round"] for row in found.values()} == {0, 1}
    for name, each in failed.items():
        row = found[name]
        assert each.safe and each.reject and each.instruction
        assert row["unsafe_image"]["bytes"] == each.unsafe.data
        assert row["edited_image"]["bytes"] == each.safe.data
        assert (row["instruction"], row["detail"]) == (each.instruction.text, each.reject.detail)
        assert [judge["name"] for judge in row["judges"]] == ["red-judge", "trace-judge"]
        assert row["file"] == f"failures/{SLUGS[row['category']]}/1.0.0-00000.parquet"
        assert row["source"] == each.origin._asdict()
    assert problems(work / "whole") == []


def test_real_clients_load_them(work: Path) -> None:
    data = sp.load(str(work / "whole"), version="1.0.0", config="failures")
    assert list(data) == ["train"]
    assert data["train"].num_rows == len(listed(work / "whole"))
    assert data["train"].features["category"].names == list(SLUGS)
    assert data["train"][0]["edited_image"].size == (64, 64)


def test_croissant_and_the_builder_class_read_controls_and_failures(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {name: len(rows(work / "whole", name)) for name in ("controls", "failures")}
    described = mlc.Dataset(str(work / "whole" / "croissant.json"))
    assert described.metadata.ctx.issues.errors == set()
    assert {name: len(list(described.records(name))) for name in counts} == counts
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the folder holds the files of the release alone
    monkeypatch.syspath_prepend(str(work / "whole" / "loading_script"))
    module = importlib.import_module("safetypairs")
    for name, count in counts.items():
        builder = module.SafetyPairs(name, repo=str(work / "whole"), cache_dir=str(tmp_path))
        builder.download_and_prepare()
        assert {split: data.num_rows for split, data in builder.as_dataset().items()} == {"train": count}
    assert counts["controls"] == 18
    del sys.modules["safetypairs"]


def test_the_command(work: Path, tmp_path: Path) -> None:
    words = ["publish", str(work / "run"), str(tmp_path / "out"), "--version", "1.0.0", "--with-failures"]
    count = len(listed(work / "whole"))
    done = CliRunner().invoke(group, [*words, "--dry-run"])
    assert (done.exit_code, (tmp_path / "out").exists()) == (0, False), done.output
    assert f"9 pairs added, 0 removed, 9 in all; {count} failures added; nothing was changed" in done.output
    assert CliRunner().invoke(group, words).exit_code == 0
    assert listed(tmp_path / "out") == listed(work / "whole")


def test_the_card_says_what_they_are(work: Path) -> None:
    count = len(listed(work / "whole"))
    assert [view.total.pairs for view in card.configs(held(work / "whole"))["failures"]] == [count]
    text = (work / "whole" / "README.md").read_text()
    assert f"The config `failures` has {count} edits that were turned down" in text
    assert "It is no part of the benchmark." in text
    assert f"9 pairs added, {count} failures added" in text


def test_without_the_option_there_are_none_and_a_patch_adds_them(work: Path, run: RunFolder, tmp_path: Path) -> None:
    put(run, tmp_path / "out", "1.0.0")
    assert not (tmp_path / "out" / "failures").exists()
    before = tree(tmp_path / "out")
    with pytest.raises(PublishError, match=r"version 1\.0\.0 is not above the last one, 1\.0\.0; give 1\.0\.1"):
        put(run, tmp_path / "out", "1.0.0", with_failures=True)
    put(run, tmp_path / "out", "1.0.1", with_failures=True)
    after = tree(tmp_path / "out")
    assert {name: before[name] for name in before if name.startswith("data/")} == {
        name: after[name] for name in after if name.startswith("data/")
    }
    assert {each.failure_id for each in listed(tmp_path / "out")} == {
        each.failure_id for each in listed(work / "whole")
    }
    assert not put(run, tmp_path / "out", "1.0.1", with_failures=True).done
    put(run, tmp_path / "out", "1.0.2")  # what is published stays
    assert len(listed(tmp_path / "out")) == len(listed(work / "whole"))
    assert problems(tmp_path / "out") == []
    put(run, tmp_path / "out", "2.0.0", replace=True)  # exactly what is asked for
    assert not (tmp_path / "out" / "failures").exists()
    assert problems(tmp_path / "out") == []


def test_a_takedown_takes_the_failed_edits_of_its_source(copy: Path) -> None:
    failed = listed(copy)
    sources = {each.unsafe_sha256 for each in failed}
    victim = next(entry for entry in held(copy).entries if entry.unsafe_sha256 in sources)  # a second round's success
    takedown(parse_target(str(copy)), [victim.pair_id], "asked for", parse("2.0.0"))
    stay = [each for each in failed if each.unsafe_sha256 != victim.unsafe_sha256]
    assert listed(copy) == stay
    assert len(stay) < len(failed)
    images = {sha256(row["unsafe_image"]["bytes"]) for row in rows(copy, "failures")}
    assert victim.unsafe_sha256 not in images
    assert images == {each.unsafe_sha256 for each in stay}
    assert problems(copy) == []


def test_what_was_taken_down_stays_out(copy: Path, run: RunFolder) -> None:
    failed = listed(copy)
    victim = next(e for e in held(copy).entries if e.unsafe_sha256 in {each.unsafe_sha256 for each in failed})
    takedown(parse_target(str(copy)), [victim.pair_id], "asked for", parse("2.0.0"))
    put(run, copy, "2.0.1", with_failures=True)
    assert all(each.unsafe_sha256 != victim.unsafe_sha256 for each in listed(copy))


def test_no_failure_is_of_a_source_that_is_tested_on(work: Path, run: RunFolder, tmp_path: Path) -> None:
    tested = traced_run(tmp_path / "run", pairs=9, misses=0.5, rounds=2, test_fraction=1.0)
    put(tested, tmp_path / "out", "1.0.0", with_failures=True)
    pairs = {entry.unsafe_sha256 for entry in held(tmp_path / "out").entries}
    every = {each.failure_id for each in listed(work / "whole")}
    left_out = {each.failure_id for each in listed(work / "whole") if each.unsafe_sha256 in pairs}
    assert left_out
    assert {each.failure_id for each in listed(tmp_path / "out")} == every - left_out


def test_one_that_a_new_test_pair_is_close_to_is_removed(work: Path, run: RunFolder) -> None:
    failed = listed(work / "whole")
    near = failed[0]
    close = bytes([near.unsafe_phash[0] ^ 1, *near.unsafe_phash[1:]])
    entry = held(work / "whole").entries[0].identity
    far = bytes(32)
    groups = Groups(31, 1.0)
    groups.add(entry._replace(unsafe_phash=close, safe_phash=far, family=""), "g", "test")
    plan = plan_failures((), failed, groups)
    assert near in plan.removed
    assert {each.unsafe_sha256 for each in plan.removed} == {near.unsafe_sha256}
    assert plan.kept == [each for each in failed if each not in plan.removed]
    others = Groups(31, 1.0)
    others.add(entry._replace(unsafe_phash=far, safe_phash=far), "g", "test")
    others.add(entry._replace(pair_id="0" * 16, unsafe_phash=close, safe_phash=far, family=""), "h", "train")
    assert plan_failures((), failed, others).empty


@pytest.mark.parametrize("place", [0, 0.3, 0.7])
def test_a_flipped_bit_is_found(copy: Path, place: float) -> None:
    for name in (listed(copy)[0].file, failure_rows.NAME):
        whole = (copy / name).read_bytes()
        at = int(place * len(whole))
        (copy / name).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        told = problems(copy)
        assert f"{name}: its bytes are not those that the manifest names: damaged there, or in the copy here" in told
        (copy / name).write_bytes(whole)
    assert problems(copy) == []


def test_a_row_of_another_image_is_found(copy: Path) -> None:
    path = copy / listed(copy)[0].file
    table = pq.read_table(path, partitioning=None)
    found = table.to_pylist()
    found[0]["edited_image"] = found[0]["unsafe_image"]
    found[-1]["failure_id"] = "0" * 16
    pq.write_table(type(table).from_pylist(found, table.schema), path)
    told = "\n".join(problems(copy))
    assert "the sha256 of an image is not the one in failures/manifest.parquet" in told
    assert "is in failures/manifest.parquet, but not in the file" in told
    assert "is in no row of failures/manifest.parquet, or twice here" in told
