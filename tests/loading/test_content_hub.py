"""Content that is checked on a real Hub server: moved and stray tags, other files, other bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_fixtures import ORGS, USERS, Hub
from published import publish
from test_load_hub import Lab

from safetypairs_hf.testing.localhub.server import serve

STREAM = "len(list(load('{}', '1.1.0', split='test', streaming=True)))"
WHOLE = "load('{}', '1.1.0', split='test')"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with serve(folder / "hub", USERS, ORGS) as server:
        yield Lab(Hub(server, folder), folder / "source")


def upload(lab: Lab, repo: str, source: Path, version: str) -> None:
    """A release of a folder as it is, tagged."""
    api = lab.hub.api()
    api.create_repo(repo, repo_type="dataset", exist_ok=True)
    api.upload_folder(repo_id=repo, folder_path=source, repo_type="dataset", delete_patterns="*")
    api.create_tag(repo, tag=f"v{version}", repo_type="dataset")


@pytest.mark.parametrize("takedown", [False, True], ids=["by hand", "by a takedown"])
def test_a_tag_that_was_moved(lab: Lab, tmp_path: Path, takedown: bool) -> None:
    repo, api = f"lab/moved-{takedown}".lower(), lab.hub.api()
    for version in ("1.0.0", "1.1.0"):
        upload(lab, repo, publish(tmp_path / "source", version), version)
    old = lab.came(tmp_path / "m", [f"load('{repo}', '1.0.0', split='test')", f"load('{repo}', split='test')"])
    assert old == [3, 7]
    # The same files on a new commit, as a rewriting of history leaves them.
    before = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo, repo_type="dataset").tags}
    api.create_branch(repo, branch="draft", revision="v1.0.0", repo_type="dataset")
    api.super_squash_history(repo, branch="draft", repo_type="dataset")
    api.delete_tag(repo, tag="v1.0.0", repo_type="dataset")
    api.create_tag(repo, tag="v1.0.0", revision="draft", repo_type="dataset")
    if takedown:
        api.upload_file(path_or_fileobj=b"[{}]", path_in_repo="takedowns.json", repo_id=repo, repo_type="dataset")
    after = {tag.name: tag.target_commit for tag in api.list_repo_refs(repo, repo_type="dataset").tags}
    moved = (
        f"VersionMismatch: {repo} v1.0.0 was on commit {before['v1.0.0'][:8]} when this machine saw it, and is on "
        f'{after["v1.0.0"][:8]} now; ask its publisher why; to load it as it is, on purpose: check="warn"'
    )
    calls = [
        f"load('{repo}', '1.0.0', split='test')",
        f"len(list(load('{repo}', '1.0.0', split='test', streaming=True)))",
        "load_dataset('safetypairs', revision='v1.0.0', split='test')",
        f"load('{repo}', '1.0.0', split='test', check='warn')",
        f"load('{repo}', '1.1.0', split='test')",
    ]
    came = lab.came(tmp_path / "m", calls, SAFETYPAIRS_REPO=repo)
    assert came == ([3, 3, 3, 3, 7] if takedown else [moved, moved, moved, 3, 7])
    assert lab.came(tmp_path / "another", calls[:1]) == [3]


def test_a_takedown_does_not_excuse_other_content(lab: Lab, tmp_path: Path) -> None:
    repo, api = "lab/excused", lab.hub.api()
    upload(lab, repo, publish(tmp_path / "source", "1.0.0"), "1.0.0")
    assert lab.came(tmp_path / "m", [f"load('{repo}', '1.0.0', split='test')"]) == [3]
    (tmp_path / "source" / "takedowns.json").write_text("[{}]")
    (tmp_path / "source" / "data/train/hate/1.0.0-0.parquet").unlink()
    publish(tmp_path / "source", "1.0.0")
    shutil.copy(tmp_path / "source/data/test/hate/1.0.0-0.parquet", tmp_path / "source/data/test/hate/1.0.0-1.parquet")
    publish(tmp_path / "source", "1.0.0")
    api.delete_tag(repo, tag="v1.0.0", repo_type="dataset")
    upload(lab, repo, tmp_path / "source", "1.0.0")
    came = lab.came(tmp_path / "m", [f"load('{repo}', '1.0.0', split='test')"])
    assert came[0].startswith(f"VersionMismatch: {repo} v1.0.0 was on commit ")


def test_newest_is_the_newest_release(lab: Lab, tmp_path: Path) -> None:
    repo, api = "lab/stray", lab.hub.api()
    for version in ("1.0.0", "1.1.0"):
        upload(lab, repo, publish(tmp_path / "source", version), version)
    api.create_tag(repo, tag="v9.9.9", revision="v1.0.0", repo_type="dataset")
    says = "but its manifest states 1.0.0; tell its publisher"
    wanted = {
        f"load('{repo}', split='test')": 7,
        "load_dataset('safetypairs', split='test')": 7,
        f"load('{repo}', '9.9.9')": f"VersionMismatch: {repo} v9.9.9 was asked for, {says}",
        f"str(open_store.open_named('{repo}').version)": "1.1.0",
        f"[line.note for line in versions(open_store.open_published('{repo}'))]": [
            "no release: it is on the commit of 1.0.0",
            "",
            "",
        ],
    }
    came = lab.came(tmp_path / "m", list(wanted), SAFETYPAIRS_REPO=repo)
    assert dict(zip(wanted, came, strict=True)) == wanted
    offline = lab.came(tmp_path / "m", [f"load('{repo}', split='test')"], HF_HUB_OFFLINE="1")
    assert offline == [7]


EXTRA, MISSING = "data/test/violence/1.1.0-1.parquet", "data/test/hate/1.0.0-0.parquet"


@pytest.mark.parametrize("case", ["extra", "missing", "other release", "flipped", "whole"])
def test_other_files_on_the_hub(lab: Lab, tmp_path: Path, case: str) -> None:
    repo = f"lab/tree-{case.replace(' ', '-')}"
    source = publish(tmp_path / "source", "1.1.0")
    file = source / "data/test/violence/1.1.0-0.parquet"
    said = {
        "extra": f"{EXTRA}: is in default/test, but not in the manifest",
        "missing": f"{MISSING}: is missing from default/test",
        "other release": f"{MISSING}: its bytes on the Hub are not those that the manifest names",
        "flipped": "data/test/violence/1.1.0-0.parquet: its bytes on the Hub are not those that the manifest names",
    }
    if case == "extra":
        shutil.copy(source / MISSING, source / EXTRA)
    elif case == "missing":
        (source / MISSING).unlink()
    elif case == "other release":
        shutil.copy(file, source / MISSING)
    elif case == "flipped":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data))
    upload(lab, repo, source, "1.1.0")
    came = lab.came(tmp_path / "m", [STREAM.format(repo), WHOLE.format(repo)])
    if case == "whole":
        assert came == [7, 7]
    else:
        expected = f"VersionMismatch: {repo}@1.1.0 is not as it was published: {said[case]}"
        assert [text[: len(expected)] for text in came] == [expected] * 2


def test_bytes_that_are_damaged_on_their_way(lab: Lab, tmp_path: Path) -> None:
    """One bit in the Hub's storage, which its list does not tell; and one in the copy on this machine."""
    repo, machine = "lab/storage", tmp_path / "m"
    source = publish(tmp_path / "source", "1.1.0")
    upload(lab, repo, source, "1.1.0")
    assert lab.came(machine, [f"load('{repo}', config='violence', split='test')"]) == [4]
    copy = next(machine.rglob("data/test/violence/1.1.0-0.parquet"))
    flip(copy.resolve())
    calls = [f"load('{repo}', config='violence', split='test')", WHOLE.format(repo)]
    rows, refused = lab.came(machine, calls)
    assert rows == 4  # prepared while the copy was whole
    assert "1.1.0-0.parquet: its bytes are not those that the manifest names; the copy here is damaged: del" in refused

    data = (source / "data/test/hate/1.0.0-0.parquet").read_bytes()
    stored = [path for path in lab.hub.server.directory.rglob("*") if path.is_file() and path.read_bytes() == data]
    for path in stored:  # each repo has its own
        flip(path)
    (refused,) = lab.came(tmp_path / "other", [STREAM.format(repo)])
    assert refused.startswith(f"VersionMismatch: {repo}@1.1.0 is not as it was published: pair ")


def flip(path: Path) -> None:
    """One bit of the colour type in a PNG header, or of the pixels: an image is there still."""
    data = bytearray(path.read_bytes())
    data[bytes(data).index(b"IDAT") + 6] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
