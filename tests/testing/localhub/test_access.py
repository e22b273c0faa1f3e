"""Who sees, reads and changes what."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hub_fixtures import Hub
from huggingface_hub import get_session
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

PAIRS = {"repo_id": "lab/pairs", "repo_type": "dataset"}


def status_of(call: object, *args: object, **kwargs: object) -> int:
    with pytest.raises(HfHubHTTPError) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    return int(caught.value.response.status_code)


def make(hub: Hub, **settings: object) -> None:
    api = hub.api()
    api.create_repo(**PAIRS)
    api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", **PAIRS)
    api.upload_file(path_or_fileobj=b"\0large", path_in_repo="b.bin", **PAIRS)
    if settings:
        api.update_repo_settings(**PAIRS, **settings)  # type: ignore[arg-type]


def test_whoami(hub: Hub) -> None:
    who = hub.api().whoami()
    assert (who["name"], [org["name"] for org in who["orgs"]]) == ("alice", ["lab"])
    assert hub.api("bob").whoami()["orgs"] == []
    bad = hub.api()
    bad.token = "hf_wrong"
    assert status_of(bad.whoami) == 401
    make(hub)
    assert status_of(bad.repo_info, **PAIRS) == 401  # also where no token is needed


def test_a_private_repo_is_there_for_its_members_only(hub: Hub, tmp_path: Path) -> None:
    make(hub, private=True)
    sha = hub.api().repo_info(**PAIRS).sha
    assert hub.api().repo_info(**PAIRS).private is True
    assert [repo.id for repo in hub.api().list_datasets()] == ["lab/pairs"]
    for user in ("bob", None):
        api = hub.api(user)
        assert not api.repo_exists(**PAIRS)
        assert list(api.list_datasets()) == []
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download(**PAIRS, filename="a.txt", cache_dir=tmp_path / "cache")
        with pytest.raises(RepositoryNotFoundError):
            api.list_repo_refs(**PAIRS)
        headers = {"authorization": f"Bearer hf_{user}"} if user else {}
        expected = 404 if user else 401
        base = f"{hub.endpoint}/api/datasets/lab/pairs"
        assert get_session().get(f"{base}/xet-read-token/{sha}", headers=headers).status_code == expected
        assert get_session().get(f"{base}/xet-write-token/main?create_pr=1", headers=headers).status_code == expected
        batch = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 1}]}
        url = f"{hub.endpoint}/datasets/lab/pairs.git/info/lfs/objects/batch"
        assert get_session().post(url, json=batch, headers=headers).status_code == expected
    assert status_of(hub.api("bob").create_repo, **PAIRS, exist_ok=True) == 403  # taken or not: the same answer


def clone(url: str, target: Path) -> subprocess.CompletedProcess[str]:
    command = ["git", "-c", "credential.helper=", "clone", "-q", url, str(target)]
    env = {"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "HOME": str(target.parent), "GIT_LFS_SKIP_SMUDGE": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_git_clone(hub: Hub, tmp_path: Path) -> None:
    make(hub)
    url = f"{hub.endpoint}/datasets/lab/pairs"
    assert clone(url, tmp_path / "public").returncode == 0
    assert (tmp_path / "public/a.txt").read_text() == "text"
    pointer = (tmp_path / "public/b.bin").read_text()
    assert pointer.startswith("version https://git-lfs.github.com/spec/v1\noid sha256:") and "size 6\n" in pointer
    hub.api().update_repo_settings(**PAIRS, private=True)
    assert clone(url, tmp_path / "nobody").returncode != 0
    assert clone(url.replace("://", "://bob:hf_bob@"), tmp_path / "bob").returncode != 0
    assert clone(url.replace("://", "://alice:hf_alice@"), tmp_path / "alice").returncode == 0
    push = ["git", "-C", str(tmp_path / "alice"), "push", "-q", "origin", "HEAD:new"]
    refused = subprocess.run(push, capture_output=True, text=True)
    assert refused.returncode != 0 and "403" in refused.stderr


def test_a_gated_repo_is_seen_by_all_and_read_by_the_granted(hub: Hub, tmp_path: Path) -> None:
    make(hub, gated="manual")
    alice, bob = hub.api(), hub.api("bob")
    file = {**PAIRS, "filename": "a.txt", "cache_dir": tmp_path / "cache"}
    assert bob.repo_info(**PAIRS).gated == "manual"
    assert sorted(bob.list_repo_files(**PAIRS)) == [".gitattributes", "a.txt", "b.bin"]
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download(**file)
    assert status_of(bob.auth_check, **PAIRS) == 403
    with pytest.raises(GatedRepoError):
        hub.api(None).hf_hub_download(**file)
    assert clone(f"{hub.endpoint}/datasets/lab/pairs".replace("://", "://bob:hf_bob@"), tmp_path / "bob").returncode

    ask = f"{hub.endpoint}/datasets/lab/pairs/ask-access"
    get_session().post(ask, headers={"authorization": "Bearer hf_bob"}).raise_for_status()
    assert [request.username for request in alice.list_pending_access_requests(**PAIRS)] == ["bob"]
    assert status_of(lambda: list(bob.list_pending_access_requests(**PAIRS))) == 403
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download(**file)
    alice.accept_access_request(**PAIRS, user="bob")
    assert Path(bob.hf_hub_download(**file)).read_text() == "text"
    alice.reject_access_request(**PAIRS, user="bob", rejection_reason=None)
    assert status_of(bob.auth_check, **PAIRS) == 403
    alice.grant_access(**PAIRS, user="bob")
    bob.auth_check(**PAIRS)
    assert [request.username for request in alice.list_accepted_access_requests(**PAIRS)] == ["bob"]


def test_access_is_neither_granted_nor_rejected_twice(hub: Hub) -> None:
    make(hub)
    api = hub.api()
    assert status_of(api.grant_access, **PAIRS, user="bob") == 400  # the repo is not gated
    api.update_repo_settings(**PAIRS, gated="auto")
    assert status_of(api.accept_access_request, **PAIRS, user="bob") == 404  # nobody asked
    assert status_of(api.grant_access, **PAIRS, user="nobody") == 404
    api.grant_access(**PAIRS, user="bob")
    assert status_of(api.grant_access, **PAIRS, user="bob") == 400
    assert status_of(api.accept_access_request, **PAIRS, user="bob") == 404
    api.reject_access_request(**PAIRS, user="bob", rejection_reason="no")
    assert status_of(api.reject_access_request, **PAIRS, user="bob", rejection_reason="no") == 404
    api.cancel_access_request(**PAIRS, user="bob")
    assert status_of(api.cancel_access_request, **PAIRS, user="bob") == 404
    (pending,) = api.list_pending_access_requests(**PAIRS)
    assert pending.request_id is not None
    api.accept_access_request(**PAIRS, request_id=pending.request_id)
    hub.api("bob").auth_check(**PAIRS)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_a_private_repo_is_private_on_disk(hub: Hub) -> None:
    api, repos = hub.api(), hub.server.directory / "repos/datasets/lab"
    make(hub)
    shared = mode(repos / "pairs")
    assert shared == mode(repos)
    for private in (True, False, True):
        api.update_repo_settings(**PAIRS, private=private)
        assert mode(repos / "pairs") == ("0o700" if private else shared)
    api.move_repo("lab/pairs", "lab/moved", repo_type="dataset")
    assert mode(repos / "moved") == "0o700"
    api.create_repo("lab/born", repo_type="dataset", private=True)
    assert mode(repos / "born") == "0o700"
    # Where the content of private and public repos lies together, nobody else may look.
    assert {mode(hub.server.directory / part) for part in ("xorbs", "tmp")} == {"0o700"}
    assert mode(hub.server.directory / "secret") == "0o600"


def test_only_members_write(hub: Hub) -> None:
    make(hub)
    bob = hub.api("bob")
    before = hub.api().repo_info(**PAIRS).sha
    assert status_of(bob.create_repo, "lab/new", repo_type="dataset") == 403
    assert status_of(bob.create_repo, "alice/new") == 403
    assert status_of(bob.upload_file, path_or_fileobj=b"x", path_in_repo="x", **PAIRS) == 403
    assert status_of(bob.create_tag, **PAIRS, tag="v1") == 403
    assert status_of(bob.create_branch, **PAIRS, branch="b") == 403
    assert status_of(bob.update_repo_settings, **PAIRS, private=True) == 403
    assert status_of(bob.move_repo, "lab/pairs", "bob/pairs", repo_type="dataset") == 403
    assert status_of(bob.super_squash_history, **PAIRS) == 403
    assert status_of(bob.delete_repo, **PAIRS) == 403
    assert status_of(bob.auth_check, **PAIRS, write=True) == 403
    url = f"{hub.endpoint}/api/datasets/lab/pairs/commit/main"
    assert get_session().post(url, content=b"").status_code == 401
    assert hub.api().repo_info(**PAIRS).sha == before
    bob.create_repo("bob/mine")
    bob.upload_file(repo_id="bob/mine", path_or_fileobj=b"x", path_in_repo="x")
    assert status_of(hub.api().delete_file, "x", "bob/mine") == 403


def test_other_names_for_loopback_only(hub: Hub) -> None:
    assert get_session().get(f"{hub.endpoint}/api/datasets", headers={"host": "evil.example"}).status_code == 403
    port = hub.endpoint.rsplit(":", 1)[1]
    assert get_session().get(f"http://localhost:{port}/api/datasets").status_code == 200


def test_nothing_outside_is_reached(hub: Hub) -> None:
    make(hub)
    for path in (
        "/api/datasets/lab/..%2Fpairs",
        "/api/datasets/../../etc",
        "/api/datasets/%2E%2E/pairs",
        "/datasets/lab/pairs/resolve/main/..%2F..%2Fhub.json",
        "/datasets/lab/pairs/resolve/main/%2Fetc%2Fpasswd",
        "/datasets/lab/pairs/resolve/..%2Fhub.json/a.txt",
        "/lfs/download/dataset/lab/pairs/..%2Fhub.json/0?token=1-1",
        "/lfs/download/dataset/lab/pairs/x/0?token=\u00b2-1",
        "/xet/0/data/..%2F..%2Fsecret?token=1-1",
        "/xet/0/data/" + "0" * 64 + "?token=no",
        "/xet/0/v1/reconstructions/x",
        "/api/datasets?cursor=x",
        "/api/datasets?limit=x",
        "/api/datasets/lab/pairs/discussions?p=x",
    ):
        answer = get_session().get(f"{hub.endpoint}{path}", headers={"authorization": "Bearer hf_alice"})
        assert answer.status_code in (400, 401, 404), path
