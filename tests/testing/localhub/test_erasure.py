"""Large files: listed with their paths, and removed for good with or without their history."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hub_fixtures import Hub
from huggingface_hub import CommitOperationAdd, GitRefInfo, HfApi
from huggingface_hub.errors import EntryNotFoundError

PAIRS = {"repo_id": "lab/pairs", "repo_type": "dataset"}


@pytest.fixture
def api(hub: Hub) -> HfApi:
    """A repo whose history holds three large files, one of them only on a branch and one only in the past."""
    client = hub.api()
    client.create_repo(**PAIRS)

    def commit(revision: str = "main", **files: bytes) -> str:
        operations = [CommitOperationAdd(name.replace("_", "."), data) for name, data in files.items()]
        return client.create_commit(**PAIRS, operations=operations, commit_message="x\n\ny", revision=revision).oid

    commit(a_txt=b"text")
    client.create_tag(**PAIRS, tag="before")
    commit(a_bin=b"\0first", d_bin=b"\0deleted")
    client.create_tag(**PAIRS, tag="after", tag_message="an annotated one")
    client.delete_file("d.bin", **PAIRS)
    client.create_branch(**PAIRS, branch="other")
    commit("other", b_bin=b"\0branch")
    return client


def oid(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_are_listed_with_a_path_and_a_ref(api: HfApi) -> None:
    found = {file.filename: file for file in api.list_lfs_files(**PAIRS)}
    assert {(name, file.ref, file.file_oid, file.size) for name, file in found.items()} == {
        ("a.bin", "refs/heads/main", oid(b"\0first"), 6),
        ("d.bin", "refs/heads/main", oid(b"\0deleted"), 8),
        ("b.bin", "refs/heads/other", oid(b"\0branch"), 7),
    }
    assert all(file.oid == file.file_oid for file in found.values())


def test_history_is_rewritten(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    before = {ref.name: ref.target_commit for ref in refs(api)}
    history = api.list_repo_commits(**PAIRS, revision="other")
    gone = [file for file in api.list_lfs_files(**PAIRS) if file.filename == "a.bin"]
    api.permanently_delete_lfs_files(**PAIRS, lfs_files=gone)

    assert sorted(file.filename for file in api.list_lfs_files(**PAIRS)) == ["b.bin", "d.bin"]
    after = {ref.name: ref.target_commit for ref in refs(api)}
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] == after[name]} == {"before"}
    names = {name: sorted(api.list_repo_files(**PAIRS, revision=name)) for name in after}
    base = [".gitattributes", "a.txt"]
    assert names == {"main": base, "other": [*base, "b.bin"], "before": base, "after": [*base, "d.bin"]}
    rewritten = api.list_repo_commits(**PAIRS, revision="other")
    for old, new in zip(history, rewritten, strict=True):
        assert vars(old) | {"commit_id": ""} == vars(new) | {"commit_id": ""}
    assert [item.commit_id for item in rewritten[-2:]] == [item.commit_id for item in history[-2:]]
    for revision in ("main", "after"):
        with pytest.raises(EntryNotFoundError):
            api.hf_hub_download(**PAIRS, filename="a.bin", revision=revision, cache_dir=tmp_path)
    kept = api.hf_hub_download(**PAIRS, filename="d.bin", revision="after", cache_dir=tmp_path)
    assert Path(kept).read_bytes() == b"\0deleted"
    git = ["git", "-C", str(hub.server.directory / "repos/datasets/lab/pairs/git")]
    tag = subprocess.run([*git, "cat-file", "-p", "refs/tags/after"], capture_output=True, text=True, check=True).stdout
    assert f"object {after['after']}" in tag and "an annotated one" in tag
    subprocess.run([*git, "fsck", "--strict"], check=True, capture_output=True)
    commit = api.create_commit(**PAIRS, operations=[CommitOperationAdd("a.bin", b"\0first")], commit_message="again")
    assert Path(api.hf_hub_download(**PAIRS, filename="a.bin", revision=commit.oid, cache_dir=tmp_path)).exists()


def test_without_its_history_a_file_leaves_its_pointers(api: HfApi, tmp_path: Path) -> None:
    before = {ref.name: ref.target_commit for ref in refs(api)}
    api.permanently_delete_lfs_files(**PAIRS, lfs_files=list(api.list_lfs_files(**PAIRS)), rewrite_history=False)
    assert list(api.list_lfs_files(**PAIRS)) == []
    assert {ref.name: ref.target_commit for ref in refs(api)} == before
    assert "a.bin" in api.list_repo_files(**PAIRS)
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(**PAIRS, filename="a.bin", cache_dir=tmp_path)


def test_a_whole_folder_goes(api: HfApi) -> None:
    operations = [CommitOperationAdd("p/q/r.bin", b"\0nested"), CommitOperationAdd("p/s.txt", b"kept")]
    api.create_commit(**PAIRS, operations=operations, commit_message="x")
    gone = [file for file in api.list_lfs_files(**PAIRS) if file.filename == "p/q/r.bin"]
    api.permanently_delete_lfs_files(**PAIRS, lfs_files=gone)
    tree = [item.path for item in api.list_repo_tree(**PAIRS, recursive=True)]
    assert tree == [".gitattributes", "a.bin", "a.txt", "p", "p/s.txt"]


def refs(api: HfApi) -> list[GitRefInfo]:
    found = api.list_repo_refs(**PAIRS)
    return [*found.branches, *found.tags]
