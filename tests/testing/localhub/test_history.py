"""Commits, branches, tags, pull requests, trees."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_fixtures import Hub
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, get_session
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

PAIRS = {"repo_id": "lab/pairs", "repo_type": "dataset"}


def add(path: str, data: bytes = b"x") -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def files(api: HfApi, revision: str = "main") -> list[str]:
    return sorted(set(api.list_repo_files(**PAIRS, revision=revision)) - {".gitattributes"})


@pytest.fixture
def api(hub: Hub) -> HfApi:
    client = hub.api()
    client.create_repo(**PAIRS)
    return client


def commit(api: HfApi, *operations: object, message: str = "change", **options: object) -> str:
    return api.create_commit(**PAIRS, operations=operations, commit_message=message, **options).oid  # type: ignore


def test_add_change_copy_delete(api: HfApi) -> None:
    first = commit(api, add("a.txt", b"1"), add("d/b.txt", b"2"), add("d/e/c.bin", b"\0"), add("empty.bin", b""))
    assert files(api) == ["a.txt", "d/b.txt", "d/e/c.bin", "empty.bin"]
    second = commit(
        api,
        CommitOperationDelete("a.txt"),
        CommitOperationCopy("d/e/c.bin", "copy.bin"),
        CommitOperationCopy("d/b.txt", "copy.txt"),
        add("d/b.txt", b"3"),
    )
    assert files(api) == ["copy.bin", "copy.txt", "d/b.txt", "d/e/c.bin", "empty.bin"]
    commit(api, CommitOperationDelete("d/", is_folder=True), message="gone\n\nwith a reason")
    assert files(api) == ["copy.bin", "copy.txt", "empty.bin"]
    assert files(api, first) == ["a.txt", "d/b.txt", "d/e/c.bin", "empty.bin"]
    titles = [(item.title, item.authors) for item in api.list_repo_commits(**PAIRS)]
    assert titles[0][0] == "gone" and [title for title, _ in titles][1:] == ["change", "change", "initial commit"]
    assert titles[0][1] == ["alice"]
    assert len(api.list_repo_commits(**PAIRS, revision=second)) == 3


def test_a_folder_is_deleted_as_a_file(api: HfApi) -> None:
    commit(api, add("d/a.txt"), add("d/e/b.txt"), add("d.txt"))
    commit(api, CommitOperationDelete("d"))
    assert files(api) == ["d.txt"]


def test_commits_as_html(api: HfApi) -> None:
    commit(api, add("a.txt"), message="<b> & more\n\nwhy <i>")
    assert [item.formatted_title for item in api.list_repo_commits(**PAIRS)] == [None, None]
    newest = api.list_repo_commits(**PAIRS, formatted=True)[0]
    assert (newest.title, newest.formatted_title) == ("<b> & more", "&lt;b&gt; &amp; more")
    assert newest.formatted_message == "why &lt;i&gt;"


def test_what_cannot_be_done_changes_nothing(api: HfApi) -> None:
    head = commit(api, add("d/a.txt"))
    for wrong in (
        [CommitOperationDelete("none.txt")],
        [CommitOperationDelete("none/", is_folder=True)],
        [add("d", b"file in the place of a folder")],
        [add("d/a.txt/b", b"folder in the place of a file")],
        [add("good.txt"), CommitOperationDelete("none.txt")],
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            commit(api, *wrong)
        assert caught.value.response.status_code in (400, 404)
    for name in ("d/a.txt\0x", "d\0/a.txt"):  # libgit2 would read a name up to its NUL
        with pytest.raises(EntryNotFoundError):
            commit(api, CommitOperationDelete(name))
    with pytest.raises(HfHubHTTPError, match="NUL"):
        api.create_tag(**PAIRS, tag="v1\0x")
    with pytest.raises(RevisionNotFoundError):
        api.dataset_info("lab/pairs", revision="main\0x")
    lines = (b"not json", b"[1]", b'{"key": "what", "value": {}}', b'{"key": "header", "value": []}')
    for line in (*lines, b'{"key": "file", "value": {"path": "x"}}'):
        assert post_commit(api, line) == 400
    for path in ("../x", "a/../../x", ".git/config", "/x", "a//b", "a\nb", "..\\x", "a\\b", "a\0b"):
        value = json.dumps({"key": "file", "value": {"path": path, "content": "x"}}).encode()
        assert post_commit(api, value) == 422, path
    with pytest.raises(HfHubHTTPError, match="Invalid path in repo") as refused:
        commit(api, add("..\\x"))
    assert refused.value.response.status_code == 422
    oid = "0" * 64
    line = f'{{"key": "lfsFile", "value": {{"path": "x.bin", "algo": "sha256", "oid": "{oid}", "size": 1}}}}'
    assert post_commit(api, line.encode()) == 400
    assert api.dataset_info("lab/pairs").sha == head


def post_commit(api: HfApi, body: bytes) -> int:
    url = f"{api.endpoint}/api/datasets/lab/pairs/commit/main"
    return get_session().post(url, content=body, headers={"authorization": "Bearer hf_alice"}).status_code


def test_an_unchanged_commit_makes_none(api: HfApi) -> None:
    head = commit(api, add("a.txt", b"1"), add("b.bin", b"\0"))
    assert commit(api, add("a.txt", b"1"), add("b.bin", b"\0")) == head
    assert commit(api, CommitOperationDelete("a.txt"), add("a.txt", b"1")) == head
    assert len(api.list_repo_commits(**PAIRS)) == 2


def test_one_of_two_commits_on_the_same_parent_wins(api: HfApi) -> None:
    parent = api.dataset_info("lab/pairs").sha

    def attempt(number: int) -> int:
        try:
            commit(api, add(f"{number}.txt"), parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200] + [412] * 7
    assert len(files(api)) == 1
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: commit(api, add(f"free-{number}.txt")), range(8)))
    assert len(files(api)) == 9 and len(api.list_repo_commits(**PAIRS)) == 10


def test_branches_and_tags(api: HfApi) -> None:
    first = commit(api, add("a.txt"))
    api.create_tag(**PAIRS, tag="v1", tag_message="one")
    api.create_branch(**PAIRS, branch="feature/x")
    api.create_branch(**PAIRS, branch="old", revision="v1")
    second = commit(api, add("b.txt"), revision="feature/x")
    api.create_tag(**PAIRS, tag="v2", revision="feature/x")
    refs = api.list_repo_refs(**PAIRS)
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": first, "v2": second}
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": first, "old": first, "feature/x": second}
    for again in (lambda: api.create_tag(**PAIRS, tag="v1"), lambda: api.create_branch(**PAIRS, branch="old")):
        with pytest.raises(HfHubHTTPError, match="409"):
            again()
    api.create_tag(**PAIRS, tag="v1", revision="feature/x", exist_ok=True)
    assert api.dataset_info("lab/pairs", revision="v1").sha == first
    assert api.dataset_info("lab/pairs", revision=first[:7]).sha == first
    with pytest.raises(HfHubHTTPError, match="Invalid reference name"):
        api.create_tag(**PAIRS, tag="bad..name")
    with pytest.raises(HfHubHTTPError, match="403"):
        api.delete_branch(**PAIRS, branch="main")
    api.delete_tag(**PAIRS, tag="v1")
    api.delete_branch(**PAIRS, branch="feature/x")
    for revision in ("v1", "feature/x", "none", "0" * 40, "refs/heads/none", "a..b", ""):
        with pytest.raises(RevisionNotFoundError):
            api.dataset_info("lab/pairs", revision=revision or "refs/")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(**PAIRS, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        commit(api, add("x.txt"), revision="v2")  # a tag takes no commits


def test_squash_keeps_the_files_and_the_tags(api: HfApi) -> None:
    tagged = commit(api, add("a.txt"))
    api.create_tag(**PAIRS, tag="v1")
    commit(api, add("b.txt"))
    api.super_squash_history(**PAIRS, commit_message="one")
    assert [item.title for item in api.list_repo_commits(**PAIRS)] == ["one"]
    assert files(api) == ["a.txt", "b.txt"]
    assert api.dataset_info("lab/pairs", revision="v1").sha == tagged


def test_pull_requests(hub: Hub, api: HfApi, tmp_path: Path) -> None:
    main = commit(api, add("a.txt", b"old"))
    bob = hub.api("bob")
    request = bob.create_commit(
        **PAIRS, operations=[add("a.txt", b"new"), add("b.bin", b"\0")], commit_message="Mine", create_pr=True
    )
    assert (request.pr_num, request.pr_revision) == (1, "refs/pr/1")
    assert api.dataset_info("lab/pairs").sha == main
    path = api.hf_hub_download(**PAIRS, filename="a.txt", revision="refs/pr/1", cache_dir=tmp_path)
    assert Path(path).read_text() == "new"
    commit(bob, add("c.txt"), revision="refs/pr/1")
    assert files(api, "refs/pr/1") == ["a.txt", "b.bin", "c.txt"]
    refs = api.list_repo_refs(**PAIRS, include_pull_requests=True).pull_requests
    assert refs is not None and [ref.ref for ref in refs] == ["refs/pr/1"]
    assert api.list_repo_refs(**PAIRS).pull_requests is None

    commit(bob, add("e.bin", b"\0large"), revision="refs/pr/1")
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.merge_pull_request(**PAIRS, discussion_num=1)
    commit(api, add("d.txt"))
    api.merge_pull_request(**PAIRS, discussion_num=1)
    assert files(api) == ["a.txt", "b.bin", "c.txt", "d.txt", "e.bin"]
    assert api.get_discussion_details(**PAIRS, discussion_num=1).status == "merged"

    with pytest.raises(HfHubHTTPError, match="403"):
        commit(bob, add("late.txt"), revision="refs/pr/1")

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/f.bin").write_bytes(b"\0from a folder")
    second = bob.upload_folder(**PAIRS, folder_path=tmp_path / "folder", create_pr=True)
    assert second.pr_revision == "refs/pr/2" and "f.bin" in files(api, "refs/pr/2")
    empty = api.create_pull_request(**PAIRS, title="Empty", description="to come")
    assert (empty.num, empty.git_reference, empty.status) == (3, "refs/pr/3", "draft")
    api.change_discussion_status(**PAIRS, discussion_num=3, new_status="closed")
    found = [(item.num, item.status) for item in api.get_repo_discussions(**PAIRS)]
    assert found == [(3, "closed"), (2, "draft"), (1, "merged")]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.merge_pull_request(**PAIRS, discussion_num=3)


def test_trees_in_pages(api: HfApi, hub: Hub) -> None:
    api.create_branch(**PAIRS, branch="a/b")
    many = [add(f"d{number % 2}/{number:04}.txt", b"%d" % number) for number in range(1002)]
    commit(api, *many, revision="a/b", message="many")
    assert len(files(api, "a/b")) == 1002
    assert len(hub.requests("GET", "/tree/a%2Fb")) == 2  # 1,000 entries a page
    tree = {item.path: item for item in api.list_repo_tree(**PAIRS, path_in_repo="d1", revision="a/b")}
    assert len(tree) == 501 and tree["d1/0011.txt"].size == 2  # type: ignore[union-attr]
    top = list(api.list_repo_tree(**PAIRS, revision="a/b"))
    assert [item.path for item in top] == [".gitattributes", "d0", "d1"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(**PAIRS, path_in_repo="none"))
    found = api.get_paths_info(**PAIRS, paths=["d0", "d1/0001.txt", "none", "../x"], revision="a/b", expand=True)
    assert [item.path for item in found] == ["d0", "d1/0001.txt"]
    assert found[1].last_commit is not None and found[1].last_commit.title == "many"
    info = api.dataset_info("lab/pairs", revision="a/b", files_metadata=True)
    assert info.siblings is not None and info.siblings[-1].size == 4


def test_gitignore_is_obeyed(api: HfApi) -> None:
    commit(api, add(".gitignore", b"*.log\n!keep.log\nbuild/\n"))
    commit(api, add("a.log"), add("keep.log"), add("build/x.txt"), add("b.txt"))
    assert files(api) == [".gitignore", "b.txt", "keep.log"]
