"""The names of repos and accounts: without a namespace, in another case, of a moved repo, and impossible ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_fixtures import Hub
from huggingface_hub import CommitOperationAdd, HfApi, get_session
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from test_access import clone

from safetypairs_hf.testing.localhub.server import serve

ALICE = {"authorization": "Bearer hf_alice"}


def file() -> list[CommitOperationAdd]:
    return [CommitOperationAdd("a.txt", b"text"), CommitOperationAdd("b.bin", b"\0large")]


@pytest.mark.parametrize("user", ["alice", None])
@pytest.mark.parametrize("type_", ["model", "dataset", "space"])
def test_a_name_without_a_namespace_is_of_no_repo(hub: Hub, user: str | None, type_: str) -> None:
    api = hub.api(user)
    assert not api.repo_exists("squad", repo_type=type_)
    assert not api.revision_exists("squad", "main", repo_type=type_)
    assert not api.file_exists("squad", "README.md", repo_type=type_)
    for call in (
        lambda: api.repo_info("squad", repo_type=type_),
        lambda: list(api.list_repo_tree("squad", repo_type=type_)),
        lambda: api.list_repo_commits("squad", repo_type=type_),
        lambda: api.list_repo_refs("squad", repo_type=type_),
        lambda: api.get_paths_info("squad", ["a"], repo_type=type_),
        lambda: api.create_commit("squad", file(), commit_message="x", repo_type=type_),
        lambda: api.create_discussion("squad", "title", repo_type=type_),
    ):
        with pytest.raises(RepositoryNotFoundError) as caught:
            call()
        assert caught.value.response.status_code == (404 if user else 401)


def test_other_unknown_paths_name_no_repo(hub: Hub) -> None:
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    for path in ("/api/no/such/route", "/api/datasets/lab/pairs/no-such-route", "/v1/telemetry"):
        answer = get_session().post(hub.endpoint + path, headers=ALICE)
        assert (answer.status_code, answer.headers.get("x-error-code")) == (404, None), path


PUSH = """
from datasets import Dataset, load_dataset
Dataset.from_dict({"n": [1, 2]}).push_to_hub("short")
assert load_dataset("alice/short", split="train")["n"][:] == [1, 2]
"""


def test_push_to_hub_by_the_short_form(hub: Hub) -> None:
    hub.run_python(PUSH)
    assert hub.api().list_repo_files("alice/short", repo_type="dataset") == [
        ".gitattributes", "README.md", "data/train-00000-of-00001.parquet"]  # fmt: skip


def test_case_does_not_matter(hub: Hub, tmp_path: Path) -> None:
    api = hub.api()
    api.create_repo("LAB/Mixed-Case", repo_type="dataset")
    lower = {"repo_id": "Lab/mixed-case", "repo_type": "dataset"}
    sha = api.create_commit(**lower, operations=file(), commit_message="x").oid
    info = api.dataset_info("Lab/MIXED-case")
    assert (info.id, info.sha, info.author) == ("lab/Mixed-Case", sha, "lab")
    path = api.hf_hub_download(**lower, filename="b.bin", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == b"\0large"
    assert [repo.id for repo in api.list_datasets(author="LAB")] == ["lab/Mixed-Case"]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("lab/mixed-CASE", repo_type="dataset")
    assert api.create_repo("lab/mixed-CASE", repo_type="dataset", exist_ok=True).repo_id == "lab/Mixed-Case"
    api.update_repo_settings(**lower, private=True)
    assert not hub.api("bob").repo_exists("LAB/mixed-case", repo_type="dataset")
    api.move_repo("lab/mixed-case", "lab/mixed-case2", repo_type="dataset")
    api.delete_repo("lab/Mixed-case2", repo_type="dataset")
    assert list(api.list_datasets()) == []


def test_an_earlier_name_leads_to_a_moved_repo(hub: Hub, tmp_path: Path) -> None:
    api, old, new = hub.api(), "lab/old", "alice/new"
    api.create_repo(old, repo_type="dataset")
    sha = api.create_commit(old, file(), commit_message="x", repo_type="dataset").oid
    api.create_branch(old, branch="b/c", repo_type="dataset")
    api.move_repo(old, "lab/between", repo_type="dataset")
    api.move_repo("lab/between", new, repo_type="dataset")
    for name in (old, "lab/between", new):
        info = api.dataset_info(name, revision="b/c", files_metadata=True)
        assert (info.id, info.sha) == (new, sha)
        cache = tmp_path / name.replace("/", "-")
        for path, content in (("a.txt", b"text"), ("b.bin", b"\0large")):
            local = api.hf_hub_download(name, path, repo_type="dataset", cache_dir=cache)
            assert Path(local).read_bytes() == content and sha in local
    read = "from huggingface_hub import HfFileSystem; print(HfFileSystem().read_text('datasets/lab/old/a.txt'))"
    assert hub.run_python(read).strip() == "text"
    url = f"{hub.endpoint}/datasets/{old}".replace("://", "://alice:hf_alice@")
    assert clone(url, tmp_path / "git").returncode == 0
    api.create_commit(old, [CommitOperationAdd("c.txt", b"")], commit_message="x", repo_type="dataset")
    assert api.file_exists(new, "c.txt", repo_type="dataset")

    api.update_repo_settings(old, private=True, repo_type="dataset")
    assert not hub.api("bob").repo_exists(old, repo_type="dataset")
    assert api.file_exists(old, "c.txt", repo_type="dataset")
    api.create_repo(old, repo_type="dataset")  # somebody takes the name
    assert not api.file_exists(old, "a.txt", repo_type="dataset")
    assert api.file_exists("lab/between", "a.txt", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="A dataset repository called lab/old already exists"):
        api.move_repo(new, "LAB/old", repo_type="dataset")
    api.delete_repo(old, repo_type="dataset")
    api.move_repo(new, old, repo_type="dataset")  # and back
    assert api.dataset_info(old).id == api.dataset_info(new).id == old


@pytest.mark.parametrize(
    "name", ["lab/a%00b", "lab%00/pairs", "lab/pairs%00", f"lab/{'x' * 300}", "lab/%0A", "lab/%F0"]
)
def test_names_that_cannot_be(hub: Hub, name: str) -> None:
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    base = f"{hub.endpoint}/api/datasets/{name}"
    for method, path in (
        ("GET", ""), ("GET", "/refs"), ("GET", "/tree/main"), ("POST", "/commit/main"), ("PUT", "/settings"),
        ("POST", "/discussions"), ("GET", "/xet-write-token/main"),
    ):  # fmt: skip
        answer = get_session().request(method, base + path, headers=ALICE, json={})
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound"), path
    answer = get_session().get(f"{hub.endpoint}/datasets/{name}/resolve/main/.gitattributes", headers=ALICE)
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")


def test_nul_in_other_names(hub: Hub) -> None:
    """A NUL ends a string in C: libgit2 would take `main\\0x` for `main`."""
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    pairs = "/api/datasets/lab/pairs"
    body = {"name": "a\0", "fromRepo": "lab/pairs", "toRepo": "lab/a\0", "tag": "v1\0x", "user": "bob\0"}
    body["type"] = "dataset"
    for method, path, code in (
        ("GET", f"{pairs}/revision/main%00x", "RevisionNotFound"),
        ("GET", f"{pairs}/tree/main%00x", "RevisionNotFound"),
        ("GET", f"{pairs}/tree/main/.gitattributes%00x", "EntryNotFound"),
        ("GET", "/datasets/lab/pairs/resolve/main/.gitattributes%00x", "EntryNotFound"),
        ("GET", "/datasets/lab/pairs/resolve/main%00x/.gitattributes", "RevisionNotFound"),
        ("DELETE", f"{pairs}/branch/main%00x", "RevisionNotFound"),
        ("POST", f"{pairs}/branch/new%00x", None),
        ("POST", f"{pairs}/tag/main", None),
        ("POST", f"{pairs}/user-access-request/grant", None),
        ("GET", f"{pairs}/discussions/1%00", None),
        ("GET", f"{pairs}/xet-read%00-token/main", None),
        ("POST", "/api/repos/create", None),
        ("POST", "/api/repos/move", None),
    ):
        answer = get_session().request(method, hub.endpoint + path, headers=ALICE, json=body)
        assert answer.status_code in (400, 404), (path, answer.status_code)
        assert answer.headers.get("x-error-code") == code, path
    refs = hub.api().list_repo_refs("lab/pairs", repo_type="dataset")
    assert [ref.name for ref in refs.branches + refs.tags] == ["main"]


def test_account_names_with_a_leading_underscore(tmp_path: Path) -> None:
    with serve(tmp_path / "hub", {"__USER__": "hf_user"}, {"_org": ["__USER__"]}) as server:
        api = HfApi(server.endpoint, token="hf_user")
        assert api.create_repo("mine", repo_type="dataset").repo_id == "__USER__/mine"
        assert api.create_repo("_org/ours", repo_type="dataset").repo_id == "_org/ours"
        api.create_commit("__USER__/mine", file(), commit_message="x", repo_type="dataset")
        assert api.list_repo_commits("__USER__/mine", repo_type="dataset")[0].authors == ["__USER__"]
