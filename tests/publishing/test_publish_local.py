"""Releases into a local folder, read back with the real `datasets`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builds import make_run, tree
from huggingface_hub import constants
from local_races import local_races

import safetypairs_hf as sp
from safetypairs_hf.building import run_reader
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.core import file_digests
from safetypairs_hf.core.errors import PublishError, SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import check, parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.schema import DIRECTIONS
from safetypairs_hf.dataset.sidecars import SIDECARS
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan import make_plan
from safetypairs_hf.publishing.publish import Published, publish
from safetypairs_hf.publishing.relabel import relabel
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.publishing.target import Change, Head
from safetypairs_hf.reviewing import decisions
from safetypairs_hf.reviewing.decisions import Decision
from safetypairs_hf.taxonomy.nine import SLUGS


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "small", pairs=40), make_run(folder / "large", pairs=60)


def release(run: RunFolder, folder: Path, version: str, **options: bool) -> Published:
    return publish(run, parse_target(str(folder)), parse(version), **options)


def refused(message: str, run: RunFolder, folder: Path, version: str, **options: bool) -> None:
    """This release raises a PublishError that matches `message`, and changes nothing."""
    before = tree(folder)
    with pytest.raises(PublishError, match=message):
        release(run, folder, version, **options)
    assert tree(folder) == before


def read(folder: Path) -> Manifest:
    found = manifest.load((folder / "manifest.parquet").read_bytes())
    assert found is not None
    return found


def test_what_is_published_is_what_was_drawn(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    from datasets import load_dataset

    small, _ = runs
    release(small, tmp_path / "out", "1.0.0")
    drawn = {item.entrant.identity.pair_id: item for item in run_reader.selected(small)}
    candidates = {c.identity.pair_id: c for c in run_reader.pairs(small) if c.identity}
    data = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    seen = {}
    for split, rows in data.items():
        for row in rows:
            seen[row["pair_id"]] = row
            candidate = candidates[row["pair_id"]]
            item = drawn[row["pair_id"]]
            assert (split, row["group"]) == (item.split, item.group)
            assert rows.features["category"].int2str(row["category"]) == candidate.category
            assert row["unsafe_image"].tobytes() == candidate.unsafe.pixels.tobytes()
            assert candidate.safe is not None
            assert row["safe_image"].tobytes() == candidate.safe.pixels.tobytes()
            assert row["edit_box"] == list(candidate.edit_box or ())
            assert row["policy"] == f"{candidate.category}@1.0"
            assert row["source"]["license"] == "CC0-1.0"
            assert row["judges"] == [{"name": "red-judge", "p_unsafe_before": 1.0, "p_unsafe_after": 0.0}]
            assert row["preservation"] == {"ssim_outside": 1.0, "changed_fraction": 0.0625, "distances": []}
            assert row["review"] == {"status": "unreviewed", "reviewers": 0, "agreement": None}
            assert (row["direction"], row["introduced"]) == (0, "1.0.0")
    assert seen.keys() == drawn.keys()


def test_every_config_and_split_loads_streaming_or_not(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset

    release(runs[0], tmp_path / "out", "1.0.0")
    path, cache = str(tmp_path / "out"), str(tmp_path / "cache")
    totals = read(tmp_path / "out").totals()
    names = get_dataset_config_names(path)
    assert names[:2] == ["default", "by_category"]
    assert len(names) == 11
    for name in names:
        data = load_dataset(path, name, cache_dir=cache)
        stream = load_dataset(path, name, streaming=True)
        assert {split: len(rows) for split, rows in data.items()} == {
            split: sum(1 for _ in rows) for split, rows in stream.items()
        }
        if name == "by_category":
            assert {s: len(rows) for s, rows in data.items()} == {s: t.pairs for s, t in totals["test"].items()}
        elif name != "default":
            assert {s: len(rows) for s, rows in data.items()} == {s: totals[s][name].pairs for s in data}
    default = load_dataset(path, cache_dir=cache)
    assert {s: len(rows) for s, rows in default.items()} == {
        s: sum(total.pairs for total in totals[s].values()) for s in totals
    }


def test_a_release_adds_files_and_touches_none(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    small, large = runs
    release(small, tmp_path / "out", "1.0.0")
    before, first = tree(tmp_path / "out"), read(tmp_path / "out")
    published = release(large, tmp_path / "out", "1.1.0")
    after, second = tree(tmp_path / "out"), read(tmp_path / "out")
    assert (len(published.plan.added), len(published.plan.removed)) == (20, 0)
    data = [name for name in before if name.startswith("data/")]
    assert all(after[name] == before[name] for name in data)
    assert all("/1.1.0-" in name for name in after.keys() - before.keys())
    assert [e for e in second.entries if e.introduced == "1.0.0"] == first.entries
    assert {e.introduced for e in second.entries} == {"1.0.0", "1.1.0"}
    assert [r["version"] for r in second.releases] == ["1.0.0", "1.1.0"]


def test_a_removal_rewrites_only_its_own_files(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    small, large = runs
    release(large, tmp_path / "out", "1.0.0")
    before, first = tree(tmp_path / "out"), read(tmp_path / "out")
    published = release(small, tmp_path / "out", "2.0.0", replace=True)
    after, second = tree(tmp_path / "out"), read(tmp_path / "out")
    gone = {entry.pair_id for entry in published.plan.removed}
    assert len(gone) == 20
    touched = {entry.file for entry in first.entries if entry.pair_id in gone}
    untouched = [name for name in before if name.startswith("data/") and name not in touched]
    assert all(after[name] == before[name] for name in untouched)
    assert [e for e in first.entries if e.pair_id not in gone] == second.entries
    for file in {entry.file for entry in second.entries}:
        ids = pq.read_table(tmp_path / "out" / file, columns=["pair_id"]).column(0).to_pylist()
        assert ids == [entry.pair_id for entry in second.entries if entry.file == file]
    assert {name for name in after if name.startswith("data/")} == {entry.file for entry in second.entries}


def test_the_same_release_twice_is_a_no_op(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    again = release(runs[0], tmp_path / "out", "1.0.0")
    assert (again.done, again.where) == (False, f"{tmp_path / 'out'} holds 1.0.0 already")
    assert tree(tmp_path / "out") == before


def test_the_same_run_gives_the_same_bytes(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)  # the card and the manifest name their target
        publish(RunFolder(runs[0].root), parse_target("./pairs"), parse("1.0.0"))
    assert tree(tmp_path / "a" / "pairs") == tree(tmp_path / "b" / "pairs")


def test_a_dry_run_changes_nothing(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    published = release(runs[0], tmp_path / "out", "1.0.0", dry_run=True)
    assert len(published.plan.added) == 40
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("version", "run", "replace", "message"),
    [
        ("1.0.0", 1, False, "version 1.0.0 is not above the last one, 1.0.0; give 1.1.0 or more"),
        ("0.9.0", 0, False, "version 0.9.0 is not above the last one, 1.0.0; give 1.0.1 or more"),
        ("1.0.1", 1, False, "version 1.0.1 is too small a step from 1.0.0: 20 pairs are added; give 1.1.0 or more"),
    ],
)
def test_versions_that_are_refused(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, version: str, run: int, replace: bool, message: str
) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    with pytest.raises(PublishError) as caught:
        release(runs[run], tmp_path / "out", version, replace=replace)
    assert str(caught.value) == message
    assert tree(tmp_path / "out") == before


def test_a_removal_needs_a_major_version(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[1], tmp_path / "out", "1.0.0")
    with pytest.raises(
        PublishError, match=r"1\.5\.0 is too small a step from 1\.0\.0: 20 pairs are removed; give 2\.0"
    ):
        release(runs[0], tmp_path / "out", "1.5.0", replace=True)


def test_a_patch_renews_the_card_alone(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    release(runs[0], tmp_path / "out", "1.0.1")
    after = tree(tmp_path / "out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"README.md", "CHANGELOG.md", "croissant.json", "manifest.parquet"}
    assert "Version **1.0.1**, 40 pairs" in after["README.md"].decode()


def test_every_file_of_a_release_is_known_as_ours(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    first, second, third, *_ = (entry.pair_id for entry in read(tmp_path / "out").entries)
    takedown(parse_target(str(tmp_path / "out")), [first], "x", parse("2.0.0"))
    folder = RunFolder(str(tmp_path / "review"))
    decisions.append(folder, Decision(second, "accept", "", "", None, "safe", "anna", decisions.now(), 1.0))
    release(folder, tmp_path / "out", "2.0.1")
    relabel(str(tmp_path / "out"), [{"pair_id": third, "action": "swap", "reason": "x", "by": "R1"}], "3.0.0")
    assert {name for name in tree(tmp_path / "out") if not name.startswith("data/")} == SIDECARS


def test_units_without_a_new_pair_are_not_read(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    """All but a few pairs are published; the edited images of units that hold none of these few are gone."""
    release(runs[1], tmp_path / "out", "1.0.0")
    shutil.copytree(runs[1].root, tmp_path / "run")
    run = RunFolder(str(tmp_path / "run"))
    last = run_reader.selected(run)[-1].entrant.identity.pair_id
    smaller = Manifest([entry for entry in read(tmp_path / "out").entries if entry.pair_id != last])
    head = Head(parse_target(str(tmp_path / "out")), smaller)
    plan = make_plan(open_finished(run), head, parse("1.1.0"))
    assert list(plan.added) == [last]
    parts = sorted((tmp_path / "run" / "edit").iterdir())
    assert len(parts) > 2
    for part in parts:
        judged = run.rows(f"judge/{part.name}", ["identity"])
        if last not in {row["identity"]["pair_id"] for row in judged if row["identity"]}:
            part.unlink()
    found = list(open_finished(run).pairs(plan.added.keys()))
    assert [candidate.identity and candidate.identity.pair_id for candidate, _ in found] == [last]
    assert found[0][0].safe is not None
    assert list(open_finished(run).pairs(())) == []


@pytest.mark.parametrize("text", ["1.0", "v1", "1.0.0-rc1", "01.0.0", "latest", ""])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(PublishError, match="expected three whole numbers"):
        parse(text)


def test_a_version_has_a_bound() -> None:
    assert parse("999999.0.0").major == 999999
    with pytest.raises(PublishError, match="none of its three numbers may be above 999999"):
        parse("1000000.0.0")


@pytest.mark.parametrize("files", [{"thesis.tex": "dear"}, {"manifest.parquet": "mine"}, {"README.md": "# mine"}])
def test_a_folder_that_is_not_ours_is_left_alone(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, files: dict[str, str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    refused("holds files that safetypairs did not write", runs[0], folder, "1.0.0")


def test_targets_that_are_none(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PublishError, match=r"is the dataset in the package, .*; write \./safetypairs for a folder"):
        parse_target("safetypairs")
    monkeypatch.setenv("SAFETYPAIRS_REPO", "lab/set")
    with pytest.raises(PublishError, match=r"it means lab/set here, but only for reading"):
        parse_target("safetypairs")
    for text in ("a/b/c", "org/na me", ""):
        with pytest.raises(PublishError, match="is no target"):
            parse_target(text)
    (tmp_path / "org" / "name").mkdir(parents=True)
    with pytest.raises(PublishError, match=r"could be a Hub id too; for the folder write \./org/name"):
        parse_target("org/name")
    with pytest.raises(PublishError, match="are for the Hub"):
        parse_target("./here", private=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(PublishError, match="is a file; a target is a folder"):
        release(runs[0], tmp_path / "file", "1.0.0")


def test_a_release_killed_between_its_renames_is_undone(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.replaced")
    assert parse_target(str(tmp_path / "out")).head().version == parse("1.0.0")
    assert tree(tmp_path / "out") == before


def test_of_two_publishers_the_second_is_told(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    """Both read the same head; the one that commits later must not undo the other's version."""
    small, large = runs
    release(small, tmp_path / "out", "1.0.0")
    late = parse_target(str(tmp_path / "out"))
    late.head()
    release(large, tmp_path / "out", "1.1.0")
    before = tree(tmp_path / "out")
    with pytest.raises(PublishError, match=r"somebody else published to .* meanwhile; nothing was changed"):
        late.commit(Change(parse("1.2.0"), "late", {}, []))
    assert tree(tmp_path / "out") == before


def test_a_killed_release_leaves_the_old_version_and_no_litter(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    (tmp_path / ".out.new-killed").mkdir()
    release(runs[1], tmp_path / "out", "1.1.0")
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.lock"}


def test_publishers_with_temporary_folders_of_their_own_lose_nothing(tmp_path: Path) -> None:
    """Containers that share a volume have each a /tmp; the benchmark `faults` runs 200 of these races."""
    assert [race for race in local_races(tmp_path, races=4) if race.lost] == []


def test_a_lock_that_another_user_made(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become two other users")
    shared = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to other users
    try:
        shared.chmod(0o777)
        publisher = (
            "import os, sys\n"
            "from safetypairs_hf.publishing.local_target import LocalTarget\n"
            "from safetypairs_hf.publishing.target import Change\n"
            "from safetypairs_hf.core.version import parse\n"
            "os.umask(0o077)\n"
            "os.setuid(int(sys.argv[1]))\n"
            "target = LocalTarget(sys.argv[2])\n"
            "target.head()\n"
            "print(target.commit(Change(parse('1.0.0'), 'x', {}, [])))\n"
        )
        for user in ("60001", "60002"):
            where = shared / "pairs"
            command = [sys.executable, "-c", publisher, user, str(where)]
            done = subprocess.run(command, cwd="/", capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (0, f"{where}\n"), done.stderr
    finally:
        shutil.rmtree(shared)


def test_a_lock_whose_holder_was_killed_lapses(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from safetypairs_hf.publishing.local_target import LocalTarget\n"
        "LocalTarget(sys.argv[1])._lock.acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")])
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / ".out.lock").exists()
    assert release(runs[0], tmp_path / "out", "1.0.0").done


def test_a_lock_that_cannot_be_made_is_one_line(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    (tmp_path / ".out.lock").mkdir()
    with pytest.raises(PublishError, match=r"cannot lock .*out: .*nothing was changed"):
        release(runs[0], tmp_path / "out", "1.0.0")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
def test_a_folder_where_no_file_can_be_made_is_one_line(runs: tuple[RunFolder, RunFolder]) -> None:
    with pytest.raises(PublishError, match=r"cannot lock /proc/pairs: .*nothing was changed"):
        release(runs[0], Path("/proc/pairs"), "1.0.0")


def test_a_release_into_the_folder_you_stand_in(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with pytest.raises(PublishError, match="it is the current folder; run this from another folder"):
        publish(RunFolder(runs[0].root), parse_target("."), parse("1.0.0"))
    assert tree(tmp_path / "out") == {}


def test_a_full_disk_changes_nothing(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the write fails in the middle, for real, with an OSError."""
    release(runs[0], tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from safetypairs_hf.cli import main\n"
        "import safetypairs_hf.publishing.publish\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))\n"
        f"main(['publish', {runs[1].root!r}, './out', '--version', '1.1.0'])\n"
    )
    failed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("safetypairs: cannot write the release's files: ")
    assert failed.stderr.count("\n") == 1
    assert tree(tmp_path / "out") == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", ".out.lock"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PublishError, match=r"cannot write .*nothing was changed"):
        release(runs[0], tmp_path / "locked" / "out", "1.0.0")


def test_a_near_duplicate_joins_the_published_group_and_split(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path
) -> None:
    """A second run of the same scenes with other splits: what is published stays where it is."""
    release(runs[0], tmp_path / "out", "1.0.0")
    first = {entry.pair_id: entry for entry in read(tmp_path / "out").entries}
    other = make_run(tmp_path / "other", pairs=60, test_fraction=0.1)
    release(other, tmp_path / "out", "1.1.0")
    second = {entry.pair_id: entry for entry in read(tmp_path / "out").entries}
    assert all(second[pair_id] == entry for pair_id, entry in first.items())
    new = [entry for pair_id, entry in second.items() if pair_id not in first]
    assert len(new) == 20
    assert sum(entry.split == "train" for entry in new) > 12  # these go by the new fraction


def test_a_relabelled_pair_needs_replace_and_a_major_version(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    """The head has the first pair in another category than the run: its id is another, its images are the same."""
    small, _ = runs
    release(small, tmp_path / "out", "1.0.0")
    held = read(tmp_path / "out")
    first, *rest = held.entries
    other = next(slug for slug in SLUGS if slug != first.category)
    old = first._replace(category=other, pair_id="0" * 16, group="f" * 16, split="train")
    head = Head(parse_target(str(tmp_path / "out")), Manifest([old, *rest], held.releases))
    finished = open_finished(small)
    with pytest.raises(PublishError) as caught:
        make_plan(finished, head, parse("1.1.0"))
    assert str(caught.value) == (
        f"1 pair of the run is published in another category (the first, {old.pair_id}, is in {other}, here in "
        f"{first.category}); to relabel, use --replace and version 2.0.0 or more"
    )
    plan = make_plan(finished, head, parse("2.0.0"), replace=True)
    assert (plan.counts, plan.summary) == ((0, 0, 1), "1 relabelled")
    assert plan.relabelled == {old.pair_id: first.pair_id}
    place = plan.added[first.pair_id]
    assert (place.category, place.group, place.split) == (first.category, "f" * 16, "train")  # it never moves
    with pytest.raises(PublishError, match=r"1\.1\.0 is too small a step from 1\.0\.0: 1 pair is relabelled; give 2"):
        check(parse("1.1.0"), plan.last, *plan.counts)


def test_a_run_that_nobody_reviewed(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    message = "^20 of 20 pairs lack the required review: 20 unreviewed .*; continue with: safetypairs review "
    refused(message, runs[1], tmp_path / "out", "1.1.0", require_review=True)


def test_a_data_file_that_we_did_not_write(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    (tmp_path / "out" / "data" / "test" / "mine.parquet").write_text("mine")
    refused(r"did not write \(data/test/mine\.parquet\)", runs[1], tmp_path / "out", "1.1.0")


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "croissant.json", "data"])
def test_what_somebody_changed_is_not_built_upon(runs: tuple[RunFolder, RunFolder], tmp_path: Path, name: str) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    changed = read(tmp_path / "out").entries[0].file if name == "data" else name
    data = bytearray((tmp_path / "out" / changed).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "out" / changed).write_bytes(data)
    message = rf"was changed after v1\.0\.0 by somebody else: {changed}; a release would overwrite that: restore it"
    refused(message, runs[1], tmp_path / "out", "1.1.0")
    data[len(data) // 2] ^= 1
    (tmp_path / "out" / changed).write_bytes(data)
    assert release(runs[1], tmp_path / "out", "1.1.0").done


@pytest.mark.parametrize("name", ["evil.py", "more.parquet", "old/more.parquet", ".huggingface.yaml"])
def test_a_file_that_changes_what_is_loaded(runs: tuple[RunFolder, RunFolder], tmp_path: Path, name: str) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    (tmp_path / "out" / "LICENSE").write_text("theirs")
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_text("mine")
    refused(rf"which change what is loaded from it \({name}\); delete them", runs[1], tmp_path / "out", "1.1.0")
    (tmp_path / "out" / name).unlink()
    assert release(runs[1], tmp_path / "out", "1.1.0").done
    assert (tmp_path / "out" / "LICENSE").read_text() == "theirs"


def test_a_release_reads_no_file_again_that_it_did_not_change(
    runs: tuple[RunFolder, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(file_digests, "_SETTLED_AFTER", -1.0)
    release(runs[0], tmp_path / "out", "1.0.0")
    release(runs[0], tmp_path / "out", "1.0.1")
    read_again: list[Path] = []
    digest = file_digests.file_sha256
    monkeypatch.setattr(file_digests, "file_sha256", lambda path: read_again.append(path) or digest(path))
    release(runs[0], tmp_path / "out", "1.0.2")
    assert {path.suffix for path in read_again} == {".md", ".json", ".yaml", ".py"}


def test_a_manifest_of_a_newer_safetypairs(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    path = tmp_path / "out" / "manifest.parquet"
    table = pq.read_table(path)
    head = {**json.loads(table.schema.metadata[b"safetypairs"]), "format": 5}
    pq.write_table(table.replace_schema_metadata({"safetypairs": json.dumps(head)}), path)
    message = r"a newer safetypairs-hf wrote this manifest\.parquet \(format 5"
    refused(message, runs[1], tmp_path / "out", "1.1.0")


def test_a_damaged_manifest_is_one_line(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    release(runs[0], tmp_path / "out", "1.0.0")
    path = tmp_path / "out" / "manifest.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(PublishError, match=r"^manifest\.parquet can't be read: .*; restore the version") as caught:
        release(runs[1], tmp_path / "out", "1.1.0")
    assert "\n" not in str(caught.value)


def test_the_card_says_what_the_manifest_says(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    import yaml

    release(runs[0], tmp_path / "out", "1.0.0")
    text = (tmp_path / "out" / "README.md").read_text()
    header = yaml.safe_load(text.split("---\n")[1])
    totals = read(tmp_path / "out").totals()
    assert header["license"] == ["cc0-1.0"]
    assert header["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in header["configs"] if config.get("default")] == ["default"]
    sizes = {info["config_name"]: info["splits"] for info in header["dataset_info"]}
    assert {split["name"]: split["num_examples"] for split in sizes["hate"]} == {
        split: total["hate"].pairs for split, total in totals.items() if "hate" in total
    }
    for split, total in totals.items():
        assert f"split: {split}" in text
        assert f" {sum(t.pairs for t in total.values())} |" in text
    assert "| judge | 60 | 54 | 6 too_faint |" in text
    assert "Squares." in text


def test_a_missing_file_is_noticed_when_loading(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    from datasets import load_dataset
    from datasets.exceptions import ExpectedMoreSplitsError, NonMatchingSplitsSizesError

    release(runs[1], tmp_path / "out", "1.0.0")
    victim = next((tmp_path / "out" / "data" / "test").glob("*/*.parquet"))
    victim.unlink()
    with pytest.raises((NonMatchingSplitsSizesError, ExpectedMoreSplitsError)):
        load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))


def test_an_unfinished_run_is_not_published(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    shutil.copytree(runs[0].root, tmp_path / "run")
    (tmp_path / "run" / "funnel.json").unlink()
    with pytest.raises(Exception, match="is not finished; run the command that started it again"):
        release(RunFolder(str(tmp_path / "run")), tmp_path / "out", "1.0.0")


def test_every_file_tells_the_features(runs: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    """Those that no Arrow type tells stand in the file; the types give `datasets` the others."""
    from datasets import ClassLabel, Features, Image, List, Value

    release(runs[0], tmp_path / "out", "1.0.0")
    for file in (tmp_path / "out" / "data").rglob("*.parquet"):
        schema = pq.read_schema(file)
        declared = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert set(declared) == {"category", "direction", "unsafe_image", "safe_image"}
        features = Features.from_arrow_schema(schema)
        assert list(features) == schema.names
        assert features["category"] == ClassLabel(names=list(SLUGS))
        assert features["direction"] == ClassLabel(names=list(DIRECTIONS))
        assert features["unsafe_image"] == features["safe_image"] == Image()
        assert features["edit_box"] == List(Value("int32"))
        assert features["judges"] == List(
            {"name": Value("string"), "p_unsafe_before": Value("float64"), "p_unsafe_after": Value("float64")}
        )
        assert features["source"] == {key: Value("string") for key in ("dataset", "id", "license")}


def test_a_folder_says_which_version_it_holds_and_that_it_is_no_predictions(tmp_path: Path) -> None:
    target = str(tmp_path / "pairs")
    first = publish(make_run(tmp_path / "run", pairs=4), parse_target(target), parse("1.0.0"))
    assert str(first).endswith(f"\nat {target}")
    second = publish(make_run(tmp_path / "more", pairs=6), parse_target(target), parse("1.1.0"))
    assert str(second).endswith(f"\nat {target}, which holds 1.1.0 alone: 1.0.0 is no longer there")
    with pytest.raises(SafetyPairsError, match=r"holds 1\.1\.0 alone; ask for 1\.1\.0$"):
        sp.load(target, version="1.0.0")
    with pytest.raises(SafetyPairsError, match=r"pairs is a dataset; give predictions on it, such as the file that"):
        sp.score(target)
    text = (tmp_path / "pairs" / "README.md").read_text()
    assert "| `violence` (O2)" in text and "| `disasters` (O9)" not in text
    assert "3 categories of the taxonomy have no pair in this version." in text
    assert "disasters" not in text.partition("## Load")[0].partition("Content warning")[2].lower()
