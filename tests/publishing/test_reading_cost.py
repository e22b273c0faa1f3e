"""What a reader fetches, counted by the local Hub: pairs of random noise, about 212 kB each, in two versions."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hub_fixtures import Hub, hub  # noqa: F401
from noise import noise_run

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.shards import FILE_BYTES, GROUP_BYTES, PAIRS_A_FILE, Shards, rewrite_without
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.testing.localhub.app import Logged

REPO = "lab/safetypairs"
SIDE = 188
PAIR = 2 * 3 * SIDE * SIDE
ROLES = ("unsafe", "safe")
FOOTER_READ = 65536  # what pyarrow reads first, from the end of a file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    noise_run(folder / "small", 90, SIDE)
    noise_run(folder / "large", 108, SIDE)
    # Every pair in one category (the pairs between are dropped), so that its test split is more than one file.
    noise_run(folder / "many", 9 * 60, SIDE, {number for number in range(9 * 60) if number % 9 not in (0,)})
    return folder


def release(hub: Hub, runs: Path, run: str, version: str, xet: bool = False) -> None:  # noqa: F811
    command = [sys.executable, "-m", "safetypairs_hf", "publish", run, REPO, "--version", version]
    # A home of its own, so that the reader's cache holds only what the reader asked for.
    env = {**hub.env(xet=xet), "HF_HOME": str(hub.home.with_name("publisher"))}
    subprocess.run(command, cwd=runs, env=env, check=True, capture_output=True)


def data_reads(hub: Hub, since: int) -> list[Logged]:  # noqa: F811
    """The requests for the content of data files since the log had `since` entries, but for those of no byte."""
    reads = [entry for entry in hub.server.log[since:] if entry.method == "GET" and "/resolve/" in entry.path]
    return [entry for entry in reads if "/data/" in entry.path and entry.bytes_sent]


def sizes(entries: list[Logged]) -> list[tuple[str, int]]:
    return [(entry.path.split("/data/")[1], entry.bytes_sent) for entry in entries]


def names(entries: list[Logged]) -> set[str]:
    return {entry.path.split("/data/")[1] for entry in entries}


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(
            "from datasets import load_dataset; data = load_dataset({repo!r}, 'hate', split='test', streaming=True)",
            marks=pytest.mark.thorough,
        ),
        "import safetypairs_hf as sp; data = sp.load({repo!r}, config='hate', split='test', streaming=True)",
    ],
)
def test_a_stream_of_a_category_reads_only_its_files_and_a_little_before_the_first_pair(
    hub: Hub,  # noqa: F811
    runs: Path,
    opened: str,
) -> None:
    release(hub, runs, "many", "1.0.0")
    opened = opened.format(repo=REPO)
    files = {item.path: item.size for item in hub.api().list_repo_tree(REPO, "data/test/hate", repo_type="dataset")}
    assert len(files) == 3
    start = len(hub.server.log)
    assert len(hub.run_python(f"{opened}; print(next(iter(data))['pair_id'])").strip().splitlines()[-1]) == 16
    reads = data_reads(hub, start)
    # `datasets` looks at the footer of the first file of the first split, for the columns.
    assert [(name, size) for name, size in sizes(reads) if name.startswith("train/")] == [
        ("train/hate/1.0.0-00000.parquet", FOOTER_READ)
    ]
    first = [(name, size) for name, size in sizes(reads) if name.startswith("test/")]
    assert {name for name, _ in first} == {"test/hate/1.0.0-00000.parquet"}
    assert first[0][1] == FOOTER_READ
    assert len(first) == 2 and PAIR < first[1][1] < GROUP_BYTES + PAIR
    start = len(hub.server.log)
    hub.run_python(f"{opened}; print(len(list(data)))")
    reads = data_reads(hub, start)
    assert {name for name in names(reads) if not name.startswith("train/hate/")} == {
        name.removeprefix("data/") for name in files
    }
    assert sum(files.values()) < sum(size for _, size in sizes(reads)) < sum(files.values()) + 4 * FOOTER_READ


@pytest.mark.parametrize("xet", [False, True])
def test_an_upgrade_downloads_only_what_is_new(hub: Hub, runs: Path, xet: bool) -> None:  # noqa: F811
    release(hub, runs, "small", "1.0.0", xet)
    load = f"from datasets import load_dataset; print(load_dataset({REPO!r}, revision='v1.0.0').num_rows)"
    hub.run_python(load, xet=xet)
    release(hub, runs, "large", "1.1.0", xet)
    start = len(hub.server.log)
    hub.run_python(load.replace("v1.0.0", "v1.1.0"), xet=xet)
    after = hub.server.log[start:]
    new = 18 * PAIR
    if xet:  # content comes by ranges of xorbs, which say nothing of files
        served = sum(entry.bytes_sent for entry in after)
        assert new < served < 1.05 * new
    else:
        reads = data_reads(hub, start)
        assert {name.rsplit("/")[-1] for name in names(reads)} == {"1.1.0-00000.parquet"}
        assert new < sum(entry.bytes_sent for entry in reads) < 1.02 * new


def test_groups_close_by_bytes_and_files_by_pairs(tmp_path: Path, runs: Path) -> None:
    """Groups close with the pair that brings them to GROUP_BYTES, whatever its size."""
    publish(noise_run(tmp_path / "run", 9, 100), parse_target(str(tmp_path / "seed")), parse("1.0.0"))
    row = pq.read_table(next((tmp_path / "seed" / "data").rglob("*.parquet"))).to_pylist()[0]
    for size, expected in ((100_000, [[3], [3, 3, 1]]), (GROUP_BYTES, [[1], [1] * 6]), (10, [[7]])):
        members = {f"{member}_image": {"bytes": b"x" * size, "path": None} for member in ("unsafe", "safe")}
        pairs = sum(map(sum, expected))
        with Shards(tmp_path / str(size), "1.0.0", NINE) as shards:
            made = sorted({shards.add({**row, **members}, "test", "hate") for _ in range(pairs)})
        assert made == [f"data/test/hate/1.0.0-{number:05d}.parquet" for number in range(len(expected))]
        assert [groups(tmp_path / str(size) / name) for name in made] == expected
    large = {f"{member}_image": {"bytes": b"x" * (FILE_BYTES // 2), "path": None} for member in ("unsafe", "safe")}
    with Shards(tmp_path / "large", "1.0.0", NINE) as shards:
        assert len({shards.add({**row, **large}, "test", "hate") for _ in range(3)}) == 3
    with Shards(tmp_path / "many", "1.0.0", NINE) as shards:
        made_names = [shards.add({**row, **members}, "test", "hate") for _ in range(PAIRS_A_FILE + 1)]
    assert [made_names.count(name) for name in sorted(set(made_names))] == [PAIRS_A_FILE, 1]


def groups(file: Path) -> list[int]:
    """The rows of each row group."""
    found = pq.read_metadata(file)
    return [found.row_group(index).num_rows for index in range(found.num_row_groups)]


def stored(folder: Path, *files: Path) -> int:
    """The bytes that hf-xet newly stores in `folder` for the last of `files`, after the others."""
    from hf_xet import XetSession

    for file in files:
        commit = XetSession().new_upload_commit(endpoint=f"local://{folder}")
        commit.start_upload_file(str(file))
        new: int = commit.wait_to_finish().dedup_metrics.new_bytes
    return new


def test_a_file_less_a_pair_stores_only_the_row_group_that_held_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    publish(noise_run(tmp_path / "run", 9, 100), parse_target(str(tmp_path / "seed")), parse("1.0.0"))
    row = pq.read_table(next((tmp_path / "seed" / "data").rglob("*.parquet"))).to_pylist()[0]
    noise = random.Random(7)
    with Shards(tmp_path, "1.0.0", NINE) as shards:
        for number in range(24):
            members = {f"{member}_image": {"bytes": noise.randbytes(100_000), "path": None} for member in ROLES}
            name = shards.add({**row, **members, "pair_id": f"{number:016x}"}, "test", "hate")
    assert groups(tmp_path / name) == [3] * 7
    less = tmp_path / "less.parquet"
    rewrite_without(tmp_path / name, less, [f"{10:016x}"])  # the first of its group
    assert groups(less) == [3, 3, 2, 3, 3, 3, 3]
    (tmp_path / "store").mkdir()
    new = stored(tmp_path / "store", tmp_path / name, less)
    # Less than the two pairs left in the group, whose end is found again; and the footer.
    assert new < 2 * 200_000 + pq.read_metadata(less).serialized_size + 10_000
