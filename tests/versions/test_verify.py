"""A published version is found whole, and one flipped bit, or one wrong word anywhere, is found too."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import make_run
from hub_fixtures import Hub, hub  # noqa: F401
from PIL import Image

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Entry, Manifest
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.dataset.takedowns import listed
from safetypairs_hf.publishing import staging
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.versions.verify import Report, verify

REPO = "lab/safetypairs"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `small` (20 pairs) and `large` (30), and the folder `whole` with 1.0.0 and 1.1.0 of them."""
    folder = tmp_path_factory.mktemp("verify")
    for minor, (name, pairs) in enumerate((("small", 20), ("large", 30))):
        run = make_run(folder / name, pairs=pairs)
        publish(run, parse_target(str(folder / "whole")), Version(1, minor, 0))
    return folder


@pytest.fixture
def copy(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "whole", tmp_path / "copy"))


def check(folder: Path) -> Report:
    return verify(open_published(str(folder)))


def entries(folder: Path) -> list[Entry]:
    found = manifest.load((folder / manifest.NAME).read_bytes())
    assert found
    return found.entries


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_whole_version(work: Path) -> None:
    report = check(work / "whole")
    assert report.problems == []
    data = [path for path in files(work / "whole") if "data" in path.parts]
    assert (report.pairs, report.files) == (30, len(data))
    assert report.size == sum(path.stat().st_size for path in data)


def test_one_flipped_bit_anywhere_is_found_and_its_file_is_named(copy: Path) -> None:
    rng = random.Random(11)
    beside = [path for path in files(copy) if "data" not in path.relative_to(copy).parts]
    for path in [*beside, *rng.sample(sorted((copy / "data").rglob("*.parquet")), 3)]:
        whole = path.read_bytes()
        # Where pages, headers, the footer and the page index are, and anywhere else.
        places = [0, 5, len(whole) - 1, len(whole) - 6, *(rng.randrange(len(whole)) for _ in range(3))]
        places += [rng.randrange(len(whole) - 4000, len(whole)) for _ in range(3)] if path.parts[-4] == "data" else []
        for place in places if len(whole) > 6 else [0]:
            bit = 1 << rng.randrange(8)
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            name = path.relative_to(copy).as_posix()
            try:
                found = check(copy).problems
                assert any(problem.file in (name, "README.md") for problem in found), (name, place, bit, found)
            except SafetyPairsError as error:
                assert name == manifest.NAME, (name, place, bit)
                assert manifest.NAME in str(error)
                assert "\n" not in str(error)
        path.write_bytes(whole)
    assert check(copy).problems == []


@pytest.mark.parametrize("member", ["unsafe", "safe"])
def test_a_flipped_bit_in_an_image_is_told_with_its_pair(copy: Path, member: str) -> None:
    entry = entries(copy)[7]
    path = copy / entry.file
    rows = {row["pair_id"]: row for row in pq.read_table(path).to_pylist()}
    data, whole = rows[entry.pair_id][f"{member}_image"]["bytes"], path.read_bytes()
    place = whole.index(data) + len(data) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    told = {(problem.file, problem.pair_id, problem.what) for problem in check(copy).problems}
    assert (entry.file, entry.pair_id, f"the sha256 of its {member} image is not the manifest's") in told
    assert {pair_id for _, pair_id, _ in told} == {"", entry.pair_id}
    assert {file for file, _, _ in told} == {entry.file}


def rewritten(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """The file with other rows, as somebody with pyarrow would write it."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, table.schema), path)


def swap(rows: list[dict[str, Any]]) -> None:
    rows[0]["unsafe_image"], rows[0]["safe_image"] = rows[0]["safe_image"], rows[0]["unsafe_image"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[0].update(category=(rows[0]["category"] + 1) % 9), "category is '"),
        (lambda rows: rows[0].update(category=99), "category is 99, and the manifest says"),
        (lambda rows: rows[0].update(pair_id="0" * 16), "is in no row of the manifest, or twice here"),
        (lambda rows: rows[0].update(group="other"), "group is 'other', and the manifest says"),
        (lambda rows: rows[0].update(introduced="9.9.9"), "introduced is '9.9.9', and the manifest says"),
        (lambda rows: rows[0].update(edit_box=[0, 0, 64, 64]), "edit_box is [0, 0, 64, 64], and the pixels that"),
        (lambda rows: rows[0].update(edit_box=None), "a value of its row is missing or broken"),
        (lambda rows: rows[0]["unsafe_image"].update(bytes=b"no image"), "its unsafe image does not decode"),
        (lambda rows: rows[0]["preservation"].update(changed_fraction=0.5), "changed_fraction is 0.5, and 0.0625"),
        (swap, "the PDQ hash of its unsafe image is not the manifest's"),
        (swap, "its id is not the hash of its images and category"),
        (lambda rows: rows.pop(), "is in the manifest, but not in the file"),
        (lambda rows: rows.append(rows[0]), "is in no row of the manifest, or twice here"),
        (lambda rows: rows[0].update(instruction="Another."), "its bytes are not those that the manifest names"),
    ],
)
def test_a_wrong_row(copy: Path, change: Callable[[list[dict[str, Any]]], None], message: str) -> None:
    path = copy / entries(copy)[0].file
    whole = path.stat().st_size
    rewritten(path, change)
    if message.startswith("its bytes"):  # of the same size, so that only the hash can tell
        path.write_bytes(path.read_bytes()[:whole].ljust(whole, b"\0"))
    assert any(message in problem.what for problem in check(copy).problems), check(copy).problems


def test_a_file_and_a_manifest_that_agree_on_another_text(copy: Path) -> None:
    """Only the hash of the row can tell: the manifest has the new hash of the file."""
    name = entries(copy)[0].file
    rewritten(copy / name, lambda rows: rows[0]["judges"][0].update(p_unsafe_after=0.5))
    data = (copy / name).read_bytes()

    def agree(found: Manifest) -> Manifest:
        files = found.files | {name: manifest.FileHash(sha256(data), len(data))}
        return dataclasses.replace(found, files=files)

    told = with_manifest(copy, agree)
    assert any("its row is not the one that was published" in line for line in told), told


def jpeg(data: bytes, quality: int = 95) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("unsafe", "safe", "says"),
    [
        (jpeg, lambda data: data, r"unsafe JPEG RGB, .*; safe PNG RGB"),
        (jpeg, lambda data: jpeg(data, 50), r"unsafe JPEG RGB, quantisation .*; safe JPEG RGB, quantisation "),
    ],
)
def test_members_in_different_encodings(
    copy: Path, unsafe: Callable[[bytes], bytes], safe: Callable[[bytes], bytes], says: str
) -> None:
    def other(rows: list[dict[str, Any]]) -> None:
        for column, encode in (("unsafe_image", unsafe), ("safe_image", safe)):
            rows[0][column]["bytes"] = encode(rows[0][column]["bytes"])

    rewritten(copy / entries(copy)[0].file, other)
    told = [problem.what for problem in check(copy).problems]
    assert any(re.search(f"encoded differently, which reveals the label: {says}", what) for what in told), told


def test_files_that_no_release_wrote(copy: Path) -> None:
    for name in ("evil.py", "copy.py", "more.parquet", ".hidden", "notes/a.txt", ".git/config", ".gitattributes"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("x")
    assert [str(problem) for problem in check(copy).problems] == [
        ".hidden: is no file of the release",
        "copy.py: is a script of the dataset's name: `datasets` 4 and later refuse to load it all",
        "evil.py: is no file of the release",
        "more.parquet: is no file of the release",
        "notes/a.txt: is no file of the release",
    ]


TEXTS = ["README.md", "CHANGELOG.md", "croissant.json", "eval.yaml", "loading_script/safetypairs.py"]


@pytest.fixture
def by_another(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """1.0.0 as an earlier safetypairs-hf published it."""
    with monkeypatch.context() as patch:
        patch.setattr(staging, "installed", lambda name: "0.0.9")
        publish(open_run(str(work / "small")), parse_target(str(tmp_path / "copy")), Version(1, 0, 0))
    return tmp_path / "copy"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_checked_whatever_code_wrote_it(by_another: Path, name: str) -> None:
    assert check(by_another).ok
    path = by_another / name
    text = path.read_text()
    path.write_text(text.rstrip() + " \n\n")
    assert [str(problem) for problem in check(by_another).problems] == [f"{name}: was changed since it was published"]
    path.unlink()
    assert f"{name}: is missing" in [str(problem) for problem in check(by_another).problems]
    path.write_text(text)
    assert check(by_another).ok


def test_what_was_not_checked_is_said_and_is_not_ok(by_another: Path) -> None:
    """A manifest of format 1 has no hash of a text."""
    with_manifest(by_another, lambda found: dataclasses.replace(found, sidecars={}))
    report = check(by_another)
    assert (report.problems, report.ok) == ([], False)
    said = safetypairs(None, by_another.parent, "verify", "./copy")
    assert said.returncode == 1
    first, last = said.stdout.splitlines()
    assert first.startswith("not checked: the texts beside the data (README.md, croissant.json and others): ")
    assert last.endswith(": not all was checked")


def test_a_wrong_schema(copy: Path) -> None:
    first, second = sorted({entry.file for entry in entries(copy)})[:2]
    table = pq.read_table(copy / first)
    pq.write_table(table.drop_columns(["policy"]), copy / first)
    pq.write_table(pq.read_table(copy / second).replace_schema_metadata({}), copy / second)
    told = [str(problem) for problem in check(copy).problems]
    assert any(line.startswith(f"{first}: its columns are pair_id, category") for line in told)
    assert f"{second}: its features for `datasets` are not those of the published columns" in told


def test_files_that_are_missing_or_too_many(copy: Path) -> None:
    name = entries(copy)[0].file
    shutil.copy(copy / name, copy / "data" / "extra.parquet")
    (copy / name).unlink()
    (copy / "CHANGELOG.md").unlink()
    (copy / "README.md").unlink()
    told = [str(problem) for problem in check(copy).problems]
    assert "data/extra.parquet: is in no row of the manifest" in told
    assert "README.md: is missing" in told
    assert any(line.startswith(f"{name}: is missing, and ") for line in told)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_examples: ", "num_examples: 1", "is said to be 1"),
        ("version: 1.1.0", "version: 1.0.0", "is of version 1.0.0, not 1.1.0"),
        ("description: manifest ", "description: manifest 0", "was changed since it was published: line "),
        ("data/test/*/*.parquet", "data/test/hate/*.parquet", "the config default leaves out data/test/"),
        ("\n# ", "\n# Not ", "was changed since it was published: line "),
        ("---\n", "", "has no YAML header: its first line is not ---"),
    ],
)
def test_a_wrong_card(copy: Path, old: str, new: str, message: str) -> None:
    card = (copy / "README.md").read_text()
    assert old in card
    (copy / "README.md").write_text(card.replace(old, new, 1))
    assert any(message in problem.what for problem in check(copy).problems), check(copy).problems


def with_manifest(folder: Path, change: Callable[[Manifest], Manifest]) -> list[str]:
    """What is found once the manifest is another (the card then is of another manifest, too)."""
    found = manifest.load((folder / manifest.NAME).read_bytes())
    assert found
    (folder / manifest.NAME).write_bytes(manifest.dump(change(found)))
    return [str(problem) for problem in check(folder).problems]


def changed(found: Manifest, index: int, **values: Any) -> Manifest:
    rows = list(found.entries)
    rows[index] = rows[index]._replace(**values)
    return Manifest(rows, found.releases, found.takedowns, found.files)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "train"}, ": it is train, "),
        ({"category": "hate"}, ", hate, and lies in data/"),
        ({"introduced": "1.2.0"}, ": it was introduced in 1.2.0, which is no release up to this one"),
        ({"unsafe_phash": b"\0" * 32}, ": the PDQ hash of its unsafe image is not the manifest's"),
        ({"safe_sha256": "0" * 64}, ": the sha256 of its safe image is not the manifest's"),
        ({"size": 1}, ": the size of its images is not the manifest's"),
    ],
)
def test_a_wrong_row_of_the_manifest(copy: Path, values: dict[str, Any], message: str) -> None:
    index = next(n for n, e in enumerate(entries(copy)) if e.split == "test" and e.category != "hate")
    pair_id = entries(copy)[index].pair_id
    told = with_manifest(copy, lambda found: changed(found, index, **values))
    assert any(f"pair {pair_id}" in line and message in line for line in told), told


def test_a_group_in_two_splits_and_a_pair_twice(copy: Path) -> None:
    rows = entries(copy)
    train = next(index for index, entry in enumerate(rows) if entry.split == "train")
    group = next(entry.group for entry in rows if entry.split == "test")
    told = with_manifest(copy, lambda found: changed(found, train, group=group))
    assert f"manifest.parquet: group {group} lies in two splits" in told
    told = with_manifest(copy, lambda found: changed(found, train, pair_id=rows[0].pair_id))
    assert f"manifest.parquet, pair {rows[0].pair_id}: it occurs more than once" in told


def test_a_pair_that_was_taken_down_is_back(copy: Path) -> None:
    pair_id = entries(copy)[0].pair_id
    takedown = listed(entries(copy)[0], "asked", Version(1, 1, 0))
    told = with_manifest(copy, lambda found: Manifest(found.entries, found.releases, [takedown], found.files))
    assert f"manifest.parquet, pair {pair_id}: it was taken down, but is in the version" in told


def safetypairs(hub: Hub | None, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:  # noqa: F811
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    env = hub.env() if hub else None
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def test_the_command(copy: Path) -> None:
    whole = safetypairs(None, copy.parent, "verify", "./copy")
    size = check(copy).size
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout == f"./copy@1.1.0: 30 pairs, {check(copy).files} data files, {size:,} bytes: ok\n"
    (copy / "data" / "more.txt").write_text("x")
    broken = safetypairs(None, copy.parent, "verify", "./copy")
    assert (broken.returncode, broken.stderr) == (1, "")
    first, last = broken.stdout.splitlines()
    assert first == "data/more.txt: is in no row of the manifest"
    assert last.endswith(": 1 problem")
    found = json.loads(safetypairs(None, copy.parent, "verify", "./copy", "--json").stdout)
    assert found["problems"] == [{"file": "data/more.txt", "pair_id": "", "what": "is in no row of the manifest"}]
    assert (found["ok"], found["version"], found["pairs"]) == (False, "1.1.0", 30)


def test_on_the_hub(work: Path, hub: Hub) -> None:  # noqa: F811
    for run, version in (("small", "1.0.0"), ("large", "1.1.0")):
        assert safetypairs(hub, work, "publish", run, REPO, "--version", version).returncode == 0
    newest = safetypairs(hub, work, "verify", REPO)
    assert (newest.returncode, newest.stderr) == (0, "")
    assert newest.stdout.endswith(": ok; splits as in 1.0.0\n")
    assert safetypairs(hub, work, "verify", REPO, "--version", "1.0.0").stdout.startswith(f"{REPO}@1.0.0: 20 pairs")
    none = safetypairs(hub, work, "verify", REPO, "--version", "1.2.0")
    assert none.stderr == f"safetypairs: {REPO} has no 1.2.0; its versions are 1.0.0, 1.1.0\n"

    # A later version in which a pair changed its split, and one whose tag is another version's.
    api = hub.api()
    file = api.hf_hub_download(REPO, manifest.NAME, repo_type="dataset", revision="v1.1.0", cache_dir=hub.cache)
    found = manifest.load(Path(file).read_bytes())
    assert found
    index = next(n for n, entry in enumerate(found.entries) if entry.introduced == "1.0.0" and entry.split == "test")
    moved = changed(found, index, split="train")
    api.upload_file(path_or_fileobj=manifest.dump(moved), path_in_repo=manifest.NAME, repo_id=REPO, repo_type="dataset")
    api.create_tag(REPO, tag="v1.1.1", repo_type="dataset")
    assert safetypairs(hub, work, "verify", REPO).stdout.startswith(f"{REPO}@1.1.0: ")  # the newest release
    told = safetypairs(hub, work, "verify", f"{REPO}@1.1.1")
    assert told.returncode == 1
    pair_id = found.entries[index].pair_id
    for version in ("1.0.0", "1.1.0"):
        line = f"manifest.parquet, pair {pair_id}: it is in another split than in {version}"
        assert line in told.stdout.splitlines()
    lines = told.stdout.splitlines()
    assert "manifest.parquet: it is of version 1.1.0, and its tag says 1.1.1" in lines
    assert "manifest.parquet: 1.1.1 is too small a step from 1.1.0; 2.0.0 is the least" in lines

    # One bit in the Hub's own storage.
    entry = found.entries[0]
    stored = found.files[entry.file]
    path = next(path for path in hub.server.directory.rglob(stored.sha256) if path.is_file())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    shutil.rmtree(hub.cache)
    told = safetypairs(hub, work, "verify", REPO, "--version", "1.1.0")
    assert told.returncode == 1
    line = f"{entry.file}: its bytes are not those that the Hub lists: damaged there, or in the copy here"
    assert line in told.stdout.splitlines()


def test_nothing_to_verify(work: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos" / "unsafe").mkdir(parents=True)
    for target, message in (
        ("./empty", "./empty has no version yet"),
        ("./nowhere", "no folder ./nowhere"),
        (str(work / "small"), "small is a run, which has no version yet; publish it, and name what was published: "),
        ("./photos", "not published by safetypairs, or is damaged"),
        ("name", "'name' is no target"),
    ):
        failed = safetypairs(None, tmp_path, "verify", target)
        assert failed.returncode == 1
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1
