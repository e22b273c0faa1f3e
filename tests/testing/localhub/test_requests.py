"""What precedes every route: a request's id, the size of its body, the name by which the hub is called."""

from __future__ import annotations

import gzip
import http.client
import socket

import httpx2
import pytest
from hub_fixtures import Hub
from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

MEBIBYTE = bytes(1 << 20)
BATCH = "/datasets/lab/pairs.git/info/lfs/objects/batch"
COMMIT = "/api/datasets/lab/pairs/commit/main"


def test_an_answer_carries_the_id_of_its_request(hub: Hub) -> None:
    api = hub.api()
    api.create_repo("lab/pairs", repo_type="dataset")
    url = f"{hub.endpoint}/api/datasets/lab/pairs"
    assert get_session().get(url, headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    answer = get_session().get(f"{url}/none")
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == answer.request.headers["x-amzn-trace-id"]
    assert len(httpx2.get(url).headers["x-request-id"]) == 36  # a client that sends none
    with pytest.raises(HfHubHTTPError) as caught:
        api.dataset_info("lab/none")
    assert f"(Request ID: {caught.value.response.headers['x-request-id']})" in str(caught.value)


def declare(hub: Hub, path: str, size: int, headers: dict[str, str]) -> tuple[int, str]:
    """Declare a body of `size` bytes, send none of it, and return the status and the text of the answer."""
    host, port = hub.endpoint.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.putrequest("POST", path)
    for name, value in {"Content-Length": str(size), "Content-Type": "application/json", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()  # comes although nothing was sent
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("path", [BATCH, COMMIT, "/api/validate-yaml", "/xet/x/v1/shards", "/no/such/route"])
def test_a_large_body_without_a_token_is_refused_unread(hub: Hub, path: str) -> None:
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    status, text = declare(hub, path, 300 << 20, {})
    assert status == 401 and "Log in to send more than" in text
    for token in ("hf_wrong", "write|dataset|lab/pairs|1-x"):
        assert declare(hub, path, 300 << 20, {"Authorization": f"Bearer {token}"})[0] == 401
    assert [entry.bytes_received for entry in hub.requests("POST", path)] == [0, 0, 0]


def test_a_large_body_of_unknown_size_is_not_read_to_its_end(hub: Hub) -> None:
    """The sender's own count shows it: a hub that read to the end would have taken all 300 MB."""
    host, port = hub.endpoint.removeprefix("http://").split(":")
    sent = 0
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {COMMIT} HTTP/1.1\r\nHost: {host}:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _ in range(300):
                connection.sendall(b"100000\r\n" + MEBIBYTE + b"\r\n")
                sent += 1
        except OSError:  # the hub hung up
            pass
    assert sent < 300
    (entry,) = hub.requests("POST", COMMIT)
    assert entry.status == 401 and entry.bytes_received < 6 << 20


def test_a_client_learns_why_its_large_body_is_refused(hub: Hub) -> None:
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    body = b'{"key": "file", "value": {"path": "a", "content": "' + bytes(20 << 20).replace(b"\0", b"x") + b'"}}'
    answer = get_session().post(f"{hub.endpoint}{COMMIT}", content=body)
    assert answer.status_code == 401 and "Log in" in answer.json()["error"]
    known = get_session().post(f"{hub.endpoint}{COMMIT}", content=body, headers={"authorization": "Bearer hf_alice"})
    assert known.status_code == 200


def test_small_bodies_need_no_token(hub: Hub) -> None:
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    nobody = hub.api(None)
    assert [item.path for item in nobody.get_paths_info("lab/pairs", [".gitattributes"], repo_type="dataset")] == [
        ".gitattributes"]  # fmt: skip
    body = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 1}]}
    assert get_session().post(f"{hub.endpoint}{BATCH}", json=body).status_code == 200
    want = gzip.compress(b"0014command=ls-refs\n0000")
    headers = {"content-encoding": "gzip", "git-protocol": "version=2"}
    answer = get_session().post(f"{hub.endpoint}/datasets/lab/pairs/git-upload-pack", content=want, headers=headers)
    assert answer.status_code == 200 and b"refs/heads/main" in answer.content


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_it_works_by_the_name_localhost(hub: Hub, xet: bool) -> None:
    """Every link in an answer leads to the name by which the caller came."""
    code = f"""
import os; os.environ["HF_ENDPOINT"] = {hub.endpoint.replace("127.0.0.1", "localhost")!r}
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
url = api.create_repo("lab/pairs", repo_type="dataset")
assert url.startswith("http://localhost:") and url.repo_id == "lab/pairs", url
data = bytes(range(256)) * 50_000
operations = [CommitOperationAdd(f"{{number}}.txt", b"x") for number in range(1001)]
operations.append(CommitOperationAdd("a.bin", data))
assert api.create_commit("lab/pairs", operations, commit_message="x", repo_type="dataset").commit_url.startswith(url)
assert len(list(api.list_repo_tree("lab/pairs", repo_type="dataset"))) == 1003  # over two pages
assert open(api.hf_hub_download("lab/pairs", "a.bin", repo_type="dataset"), "rb").read() == data
"""
    hub.run_python(code, xet=xet)


def test_no_name_in_a_body_breaks_the_hub(hub: Hub) -> None:
    """What a refusal quotes also stands in a header, which takes no control characters and no blanks at its ends."""
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    url = f"{hub.endpoint}/api/datasets/lab/pairs"
    for name in ("\0", " ", "\r\nX-Evil: 1", "é🤗", "x" * 5000):
        for path, body in (
            ("user-access-request/grant", {"user": name}),
            ("user-access-request/handle", {"user": name, "status": name}),
            ("branch/new", {"startingPoint": name}),
            ("preupload/main", {"files": [{"path": name + "/../x", "size": 1, "sample": ""}]}),
            ("lfs-files/batch", {"deletions": {"sha": [name]}}),
        ):
            answer = get_session().post(f"{url}/{path}", json=body, headers={"authorization": "Bearer hf_alice"})
            assert answer.status_code in (400, 404, 422), path
            assert "x-evil" not in answer.headers and answer.json()["error"]
