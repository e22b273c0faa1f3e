"""What differs between two versions: hand-made manifests, folders, and versions on a real Hub."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from builds import make_run, tree
from hub_fixtures import Hub, hub  # noqa: F401
from PIL import Image

from safetypairs_hf.core.errors import VersionMismatch
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.versions.diff import KINDS, Difference, compare, diff, draw

REPO = "lab/safetypairs"
OLD, NEW = Version(1, 2, 3), Version(1, 3, 0)
COLUMNS = ("pair_id", "unsafe_sha256", "safe_sha256", "category", "split", "group", "review")


def table(*rows: str) -> pa.Table:
    """Rows such as "a unsafe1 safe1 hate test g unreviewed"; the file is data/<split>/<category>/1.parquet."""
    cells = [row.split() for row in rows]
    columns = {name: [row[index] for row in cells] for index, name in enumerate(COLUMNS)}
    columns["file"] = [f"data/{row[4]}/{row[3]}/1.parquet" for row in cells]
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


BASE = ("a u1 s1 hate test a -", "b u2 s2 hate test b -", "c u3 s3 sexual train c -")


@pytest.mark.parametrize(
    ("rows", "kinds", "least"),
    [
        (BASE, [], None),
        ((*BASE, "d u4 s4 nudity test d -"), [("added", "d", None)], "1.3.0"),
        (BASE[:2], [("removed", "c", None)], "2.0.0"),
        ((*BASE[:2], "x u3 s3 hate train c -"), [("relabelled", "x", "c")], "2.0.0"),
        ((*BASE[:2], "x u3 s9 sexual train c -"), [("re-edited", "x", "c")], "2.0.0"),
        ((*BASE[:2], "c u3 s3 sexual train c confirmed"), [("re-reviewed", "c", None)], "1.2.4"),
        ((*BASE[:2], "c u3 s3 sexual test c -"), [("moved", "c", None)], "2.0.0"),
        ((*BASE[:2], "c u3 s3 sexual train a -"), [("moved", "c", None)], "2.0.0"),
        ((*BASE[:2], "x u9 s3 sexual train c -"), [("added", "x", None), ("removed", "c", None)], "2.0.0"),
    ],
)
def test_each_kind(rows: tuple[str, ...], kinds: list[tuple[str, str, str | None]], least: str | None) -> None:
    found = compare(table(*BASE), table(*rows), OLD, NEW).to_dict()
    assert [(each["kind"], each["pair_id"], each.get("was", {}).get("pair_id")) for each in found["pairs"]] == kinds
    assert found["least"] == least
    assert found["counts"] == {kind: sum(each[0] == kind for each in kinds) for kind in KINDS}


def test_policy_pairs_are_added_removed_and_swapped_and_never_matched_by_their_image() -> None:
    """An image has many of them, and may be the unsafe member of a pair of images too."""

    def version(*rows: str) -> pa.Table:
        found = table(*rows)
        names = [f"policy_pairs/{split}/1.parquet" for split in found["split"].to_pylist()]
        same = pc.equal(found["unsafe_sha256"], found["safe_sha256"])
        file = pc.if_else(same, pa.array(names), found["file"])
        return found.set_column(found.schema.get_field_index("file"), "file", file)

    images = "a i s hate test g -", "b i2 s2 hate test h -"
    before = version(*images[:1], "c i i hate test g -", "d i i sexual test g -", "e i i nudity test g -")
    after = version(*images[1:], "c i i sexual test g -", "e i i nudity test g -", "f i i hate test g -")
    found = compare(before, after, OLD, NEW)
    assert [(change.kind, change.row.pair_id) for change in found.changes] == [
        ("added", "b"),
        ("added", "f"),
        ("removed", "a"),
        ("removed", "d"),
        ("swapped", "c"),
    ]
    told = found.to_dict()
    assert told["policy_pairs"] == {**dict.fromkeys(KINDS, 0), "added": 1, "removed": 1, "swapped": 1}
    assert told["counts"] == {**dict.fromkeys(KINDS, 0), "added": 2, "removed": 2, "swapped": 1}
    of_images = {**dict.fromkeys(KINDS, 0), "added": 1, "removed": 1}
    assert found.counts(of_policies=False) == {"hate": of_images}
    assert [line.split() for line in str(found).split("\n") if " hate" in line] == [
        ["hate", "1", "1", "0", "0", "0"],
        ["hate", "1", "0", "0"],
    ]
    assert found.least == parse("2.0.0")


def test_a_relabel_is_told_by_the_category_it_has_now() -> None:
    found = compare(table(*BASE), table(*BASE[:2], "x u3 s3 hate train c -"), OLD, NEW)
    assert found.to_dict()["pairs"] == [
        {
            "kind": "relabelled",
            "pair_id": "x",
            "file": "data/train/hate/1.parquet",
            "category": "hate",
            "split": "train",
            "group": "c",
            "review": "-",
            "was": {"pair_id": "c", "file": "data/train/sexual/1.parquet", "category": "sexual"},
        }
    ]
    assert found.counts() == {"hate": {**dict.fromkeys(KINDS, 0), "relabelled": 1}}


def test_an_image_that_is_used_twice_is_matched_once() -> None:
    before = table("a u s1 hate test g -", "b u s2 hate test g -")
    after = table("c u s3 hate test g -", "d u s4 hate test g -", "e u s5 hate test g -")
    found = [(change.kind, change.row.pair_id) for change in compare(before, after, OLD, NEW).changes]
    assert found == [("added", "e"), ("re-edited", "c"), ("re-edited", "d")]


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [("1.0.0", "1.1.0", True), ("1.0.0", "1.0.1", False), ("1.0.0", "3.0.0", True), ("1.1.0", "1.0.0", None)],
)
def test_whether_the_step_is_large_enough(old: str, new: str, allowed: bool | None) -> None:
    rows = (*BASE, "d u4 s4 nudity test d -")
    assert compare(table(*BASE), table(*rows), parse(old), parse(new)).allowed is allowed


def test_changes_make_the_new_version_of_the_old_one() -> None:
    """On random versions, each pair of both is accounted for exactly once."""
    rng = random.Random(5)

    def version() -> dict[str, str]:
        rows = {}
        for _ in range(rng.randrange(40)):
            unsafe, safe, category = rng.randrange(12), rng.randrange(3), rng.choice(["hate", "sexual", "nudity"])
            key = f"{unsafe}-{safe}-{category}"
            rows[key] = f"{key} u{unsafe} s{unsafe}-{safe} {category} test g {rng.randrange(2)}"
        return rows

    for _ in range(200):
        before, after = version(), version()
        changes = compare(table(*before.values()), table(*after.values()), OLD, NEW).changes
        ids = [change for change in changes if change.kind not in ("re-reviewed", "moved")]
        left = [change.old.pair_id for change in ids if change.old]
        came = [change.new.pair_id for change in ids if change.new]
        assert sorted(left) == sorted(before.keys() - after.keys())
        assert sorted(came) == sorted(after.keys() - before.keys())
        reviewed = {change.row.pair_id for change in changes if change.kind == "re-reviewed"}
        assert reviewed == {key for key in before.keys() & after.keys() if before[key] != after[key]}
        counts = Difference(OLD, NEW, changes, NEW).counts()
        assert sum(number for kinds in counts.values() for number in kinds.values()) == len(changes)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `small` (20 pairs) and `large` (30), and folders `one` (1.0.0) and `two` (1.1.0) of them."""
    folder = tmp_path_factory.mktemp("diff")
    make_run(folder / "small", pairs=20)
    make_run(folder / "large", pairs=30)
    for name, runs in (("one", ["small"]), ("two", ["small", "large"])):
        for minor, run in enumerate(runs):
            publish(open_run(str(folder / run)), parse_target(str(folder / name)), Version(1, minor, 0))
    return folder


def editions(work: Path) -> tuple[Edition, Edition]:
    return open_named(str(work / "one")), open_named(f"{work / 'two'}@1.1.0")


def safetypairs(cwd: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def test_two_folders(work: Path) -> None:
    found = diff(*editions(work))
    assert {change.kind for change in found.changes} == {"added"}
    assert (len(found.changes), str(found.least), found.allowed) == (10, "1.1.0", True)
    ids = set(open_named(str(work / "two")).table["pair_id"].to_pylist())
    assert {change.row.pair_id for change in found.changes} <= ids
    told = safetypairs(work, "diff", "./one", "./two")
    assert told.returncode == 0
    assert "least version for this after 1.0.0: 1.1.0; 1.1.0 is large enough" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    same = safetypairs(work, "diff", "./one", "./one")
    assert same.stdout == "./one@1.0.0 (20 pairs) to ./one@1.0.0 (20 pairs): no pair differs\n"


def test_other_columns_take_a_major_version(work: Path, tmp_path: Path) -> None:
    """The same pairs as an older safetypairs-hf with other columns published them."""
    shutil.copytree(work / "one", tmp_path / "old")
    path = tmp_path / "old" / "manifest.parquet"
    made = manifest.load(path.read_bytes())
    assert made is not None
    made.releases[-1] |= {"schema": "0" * 16, "code": "safetypairs-hf 0.0.9"}
    path.write_bytes(manifest.dump(made))
    before = tree(tmp_path / "old")

    found = diff(open_named(str(tmp_path / "old")), open_named(str(work / "one"))).to_dict()
    assert (found["pairs"], found["schema_changed"], found["least"]) == ([], True, "2.0.0")
    told = safetypairs(tmp_path, "diff", "./old", str(work / "two"))
    assert told.stdout.endswith(
        "the columns differ\nleast version for this after 1.0.0: 2.0.0; 1.1.0 is too small a step\n"
    )
    refused = safetypairs(tmp_path, "publish", str(work / "large"), "./old", "--version", "2.0.0")
    assert refused.returncode == 1
    assert refused.stderr == (
        "safetypairs: ./old 1.0.0 has other columns than this safetypairs-hf writes, and 20 of its pairs would stay; "
        "publish with safetypairs-hf 0.0.9, which wrote it, or to a new target\n"
    )
    assert tree(tmp_path / "old") == before


def steepest(image: Image.Image) -> int:
    """The largest difference of two neighbours in a row, away from the frame that is drawn around the edit box."""
    import numpy as np

    pixels = np.asarray(image)[:, :40].astype(int)
    return int(np.abs(np.diff(pixels, axis=1)).max())


def test_the_sheet_blurs_unsafe_members_until_asked(work: Path, tmp_path: Path) -> None:
    old, new = editions(work)
    found = diff(old, new)
    assert draw(found, old, new, tmp_path / "blurred.png") == 10
    assert draw(found, old, new, tmp_path / "shown.png", show_unsafe=True) == 10
    blurred, shown = (Image.open(tmp_path / f"{name}.png").convert("RGB") for name in ("blurred", "shown"))
    assert blurred.size == shown.size
    # A pair is 220 pixels of the unsafe member, 4 of paper and 220 of the safe one, below 20 of head and 40 of caption.
    unsafe, safe = (12, 72, 232, 292), (236, 72, 456, 292)
    assert blurred.crop(safe).tobytes() == shown.crop(safe).tobytes()
    assert blurred.crop(unsafe).tobytes() != shown.crop(unsafe).tobytes()
    # The squares of the image have hard edges; the largest step between two neighbours tells whether any is left.
    assert 3 * steepest(blurred.crop(unsafe)) < steepest(shown.crop(unsafe))
    nothing = diff(old, old)
    assert draw(nothing, old, old, tmp_path / "nothing.png") == 0
    assert not (tmp_path / "nothing.png").exists()


def test_a_folder_has_one_version(work: Path) -> None:
    with pytest.raises(VersionMismatch, match=r"holds 1\.1\.0, not 1\.0\.0"):
        open_named(f"{work / 'two'}@1.0.0")


def test_mistakes_are_one_line(work: Path) -> None:
    (work / "empty").mkdir(exist_ok=True)
    cases = [
        (("diff", "./one"), 2, "Give a target and two versions"),
        (("diff", "./one", "./nowhere"), 1, "no folder ./nowhere"),
        (("diff", "./two", "1.0.0", "1.1.0"), 1, "holds 1.1.0, not 1.0.0"),
        (("diff", "./two", "one", "1.1.0"), 1, "'one' is not a version"),
        (("diff", "./one", "./empty"), 1, "./empty has no version yet"),
        (("diff", "./one", "./small"), 1, "./small is a run, which has no version yet; publish it"),
        (("diff", "./one", "./two", "--sheet", "/proc/sheet.png"), 1, "cannot write the sheet /proc/sheet.png"),
    ]
    for words, code, message in cases:
        failed = safetypairs(work, *words)
        assert failed.returncode == code, failed
        assert message in failed.stderr
        assert code == 2 or failed.stderr.count("\n") == 1, failed.stderr


def test_versions_on_the_hub(work: Path, hub: Hub) -> None:  # noqa: F811
    env = hub.env()
    for run, version in (("small", "1.0.0"), ("large", "1.1.0")):
        assert safetypairs(work, "publish", run, REPO, "--version", version, env=env).returncode == 0
    api = hub.api()
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(REPO, repo_type="dataset").tags}
    listed = json.loads(safetypairs(work, "versions", REPO, "--json", env=env).stdout)
    assert [(line["version"], line["pairs"], line["added"], line["commit"]) for line in listed] == [
        ("1.1.0", 30, 10, tags["v1.1.0"]),
        ("1.0.0", 20, 20, tags["v1.0.0"]),
    ]
    found = json.loads(safetypairs(work, "diff", REPO, "1.0.0", "1.1.0", "--json", env=env).stdout)
    assert found == diff(*editions(work)).to_dict()
    mixed = safetypairs(work, "diff", f"{REPO}@1.0.0", "./two", "--sheet", "hub.png", env=env)
    assert (mixed.returncode, mixed.stderr) == (0, "")
    assert "10 changed pairs drawn in hub.png" in mixed.stdout

    api.delete_tag(REPO, tag="v1.0.0", repo_type="dataset")
    api.create_tag(REPO, tag="v7.0.0", repo_type="dataset")
    api.create_tag(REPO, tag="nightly", repo_type="dataset")
    told = safetypairs(work, "versions", REPO, env=env).stdout
    lines = {line.split()[0]: line for line in told.splitlines() if line.startswith((" 1", " 7", " n"))}
    assert list(lines) == ["7.0.0", "1.1.0", "1.0.0"]
    assert "(no release)" in lines["7.0.0"]
    assert told.splitlines()[-1] == "v7.0.0 is no release: it is on the commit of 1.1.0"
    assert "no tag" in lines["1.0.0"]
    assert tags["v1.1.0"][:12] in lines["1.1.0"]
    gone = safetypairs(work, "diff", REPO, "1.0.0", "1.1.0", env=env)
    assert gone.returncode == 1
    assert gone.stderr == f"safetypairs: {REPO} has no 1.0.0; its versions are 1.1.0, 7.0.0\n"
    for target, message in (("lab/none", "no dataset lab/none"), ("lab/empty", "lab/empty has no version yet")):
        api.create_repo("lab/empty", repo_type="dataset", exist_ok=True)
        for words in (("verify", target), ("diff", f"{target}@1.0.0", "./two")):
            failed = safetypairs(work, *words, env=env)
            assert failed.returncode == 1
            assert message in failed.stderr
            assert failed.stderr.count("\n") == 1
