"""Repos as a whole: made, listed, moved, deleted, kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_fixtures import ORGS, USERS, Hub
from huggingface_hub import HfApi, get_session
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.testing.localhub.server import serve


def test_create_list_move_delete_of_each_type(hub: Hub) -> None:
    api = hub.api()
    assert api.create_repo("lab/it").repo_id == "lab/it"
    assert api.create_repo("lab/it", repo_type="dataset").repo_type == "dataset"
    assert api.create_repo("lab/it", repo_type="space", space_sdk="gradio").repo_type == "space"
    assert api.create_repo("mine").repo_id == "alice/mine"
    assert [repo.id for repo in api.list_models()] == ["alice/mine", "lab/it"]
    assert [repo.id for repo in api.list_models(author="lab")] == ["lab/it"]
    assert [repo.id for repo in api.list_models(search="MIN")] == ["alice/mine"]
    assert [repo.id for repo in api.list_models(limit=1)] == ["alice/mine"]
    assert [repo.id for repo in api.list_spaces()] == ["lab/it"]
    assert api.space_info("lab/it").sdk == "gradio"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("lab/it")
    assert api.create_repo("lab/it", exist_ok=True) == f"{hub.endpoint}/lab/it"

    sha = api.dataset_info("lab/it").sha
    api.move_repo("lab/it", "alice/that", repo_type="dataset")
    assert [repo.id for repo in api.list_datasets()] == ["alice/that"]
    assert api.dataset_info("alice/that").sha == sha
    with pytest.raises(HfHubHTTPError, match="409"):
        api.move_repo("lab/it", "alice/mine")
    api.delete_repo("alice/that", repo_type="dataset")
    assert not api.repo_exists("alice/that", repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("alice/that", repo_type="dataset")
    api.delete_repo("alice/that", repo_type="dataset", missing_ok=True)


def test_storage_is_listed(hub: Hub) -> None:
    api = hub.api()
    for name, size in (("mine", 300), ("lab/a", 100), ("lab/b", 0)):
        repo = api.create_repo(name, repo_type="dataset", private=name == "lab/a").repo_id
        api.upload_file(path_or_fileobj=bytes(size), path_in_repo="x.bin", repo_id=repo, repo_type="dataset")
    api.create_repo("lab/a", repo_type="model")
    listed = [(repo.id, repo.type, repo.storage, repo.storage_percent) for repo in api.list_user_repos()]
    assert listed == [("alice/mine", "dataset", 300, 100)]
    listed = [(repo.id, repo.type, repo.storage, repo.visibility) for repo in api.list_user_repos("lab")]
    assert listed == [
        ("lab/a", "model", 0, "public"),
        ("lab/a", "dataset", 100, "private"),
        ("lab/b", "dataset", 0, "public"),
    ]
    with pytest.raises(HfHubHTTPError, match="403"):
        list(hub.api("bob").list_user_repos("lab"))


def test_wording_of_refusals(hub: Hub) -> None:
    """In the Hub's words, by which users find help, and clients tell cases apart."""
    api, pairs = hub.api(), {"repo_id": "lab/a", "repo_type": "dataset"}
    for name in ("lab/a", "lab/b"):
        api.create_repo(name, repo_type="dataset")
    parent = api.dataset_info("lab/a").sha
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x", **pairs)
    for words, call in (
        ("409.*You already created this dataset repo", lambda: api.create_repo(**pairs)),
        ("409.*A dataset repository called lab/b already exists",
         lambda: api.move_repo("lab/a", "lab/b", repo_type="dataset")),
        ("don't have the rights to create a dataset under the namespace \"bob\"",
         lambda: api.create_repo("bob/a", repo_type="dataset")),
        ("Cannot delete refs/heads/main", lambda: api.delete_branch(**pairs, branch="main")),
        ("412.*The branch was updated since you opened this page. Please refresh and try again.",
         lambda: api.upload_file(path_or_fileobj=b"y", path_in_repo="y", parent_commit=parent, **pairs)),
    ):  # fmt: skip
        with pytest.raises(HfHubHTTPError, match=f"(?s){words}"):
            call()


def test_a_space_has_a_card_of_its_own(hub: Hub) -> None:
    hub.api().create_repo("lab/s", repo_type="space", space_sdk="static")
    info = hub.api().space_info("lab/s")
    assert info.card_data is not None and (info.card_data.title, info.card_data.sdk) == ("s", "static")


def test_listing_by_tag(hub: Hub) -> None:
    api = hub.api()
    for name, licence in (("lab/a", "mit"), ("lab/b", "apache-2.0")):
        api.create_repo(name, repo_type="dataset")
        card = f"---\nlicense: {licence}\ntags: [safety]\n---\n".encode()
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=name, repo_type="dataset")
    assert [repo.id for repo in api.list_datasets(filter="license:mit")] == ["lab/a"]
    assert len(list(api.list_datasets(filter=["safety"]))) == 2
    info = api.dataset_info("lab/b")
    assert info.card_data is not None and info.card_data.license == "apache-2.0"


def test_bad_names_are_refused(hub: Hub) -> None:
    headers = {"authorization": "Bearer hf_alice"}
    for name in ("a--b", "a..b", "x.git", "-x", ".x", "a/b", "x" * 97, "", "a\nb", None, 3.5):
        body = {"name": name, "organization": "lab", "type": "dataset"}
        answer = get_session().post(f"{hub.endpoint}/api/repos/create", json=body, headers=headers)
        assert answer.status_code == 400, name
    assert hub.api().create_repo("lab/x_1.y-z").repo_id == "lab/x_1.y-z"


def test_a_card_that_does_not_parse_is_refused(hub: Hub) -> None:
    api = hub.api()
    api.create_repo("lab/a", repo_type="dataset")
    where = {"path_in_repo": "README.md", "repo_id": "lab/a", "repo_type": "dataset"}
    for card in (b"---\nlicense: [mit\n---\n", b"---\n- mit\n---\n", b"---\nconfigs: x\n---\n"):
        with pytest.raises(ValueError, match="Invalid metadata in README"):
            api.upload_file(path_or_fileobj=card, **where)
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api.upload_file(path_or_fileobj=b"# no metadata", **where)
    assert api.file_exists("lab/a", "README.md", repo_type="dataset")


def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    def api(endpoint: str) -> HfApi:
        return HfApi(endpoint, token=USERS["alice"])

    with serve(tmp_path / "hub", USERS, ORGS) as server:
        api(server.endpoint).create_repo("lab/a", repo_type="dataset", private=True)
        where = {"path_in_repo": "b.bin", "repo_id": "lab/a", "repo_type": "dataset"}
        sha = api(server.endpoint).upload_file(path_or_fileobj=b"\0\1", **where).oid
        api(server.endpoint).create_tag("lab/a", tag="v1", repo_type="dataset")
        with pytest.raises(SafetyPairsError, match="another hub is using it"), serve(tmp_path / "hub"):
            pass
        port = int(server.endpoint.rsplit(":", 1)[1])
        with pytest.raises(SafetyPairsError, match="Address already in use"), serve(tmp_path / "other", port=port):
            pass
    (tmp_path / "mine/tmp").mkdir(parents=True)
    (tmp_path / "mine/tmp/precious").write_text("")
    with pytest.raises(SafetyPairsError, match="holds other files"), serve(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine/tmp/precious").exists()
    (tmp_path / "hub/tmp/left-over").write_text("of a crash")
    private = tmp_path / "hub/repos/datasets/lab/a"
    private.chmod(0o755)
    with serve(tmp_path / "hub", USERS, ORGS) as server:
        info = api(server.endpoint).dataset_info("lab/a", revision="v1")
        assert (info.sha, info.private) == (sha, True)
        assert private.stat().st_mode & 0o777 == 0o700
        assert list((tmp_path / "hub/tmp").iterdir()) == []
        path = api(server.endpoint).hf_hub_download(
            "lab/a", "b.bin", repo_type="dataset", revision="v1", cache_dir=tmp_path / "cache"
        )
        assert Path(path).read_bytes() == b"\0\1"
