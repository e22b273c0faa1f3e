"""How large files are told, sent, checked, and read; over git LFS (a file object makes the client use it)."""

from __future__ import annotations

import hashlib
import io
import random
from typing import Any

import pytest
from hub_fixtures import Hub
from huggingface_hub import CommitOperationAdd, HfApi, get_session

from safetypairs_hf.testing.localhub.lfs import ATTRIBUTES, parse_attributes, parse_pointer, upload_mode

REPO = "lab/pairs"
ALICE = {"authorization": "Bearer hf_alice"}


@pytest.fixture
def api(hub: Hub) -> HfApi:
    client = hub.api()
    client.create_repo(REPO)
    return client


@pytest.mark.parametrize(
    ("path", "size", "sample", "mode"),
    [
        ("a.txt", 5, b"hello", "regular"),
        ("data/a.parquet", 5, b"PAR1", "lfs"),
        ("a.PNG", 5, b"text", "regular"),
        ("a.png", 5, b"text", "lfs"),
        ("a", 5, b"a\0b", "lfs"),
        ("a", 5, b"\xff\xfe", "lfs"),
        ("a", 512, ("x" * 511 + "é").encode()[:512], "regular"),
        ("a.txt", 10_000_001, b"hello", "lfs"),
        ("a.txt", 10_000_000, b"hello", "regular"),
        ("my file.dat", 5, b"hello", "lfs"),
        ("d/x.json", 5, b"{}", "lfs"),
        ("x.json", 5, b"{}", "regular"),
        ("plain.bin", 5, b"hello", "regular"),
    ],
)
def test_upload_mode(path: str, size: int, sample: bytes, mode: str) -> None:
    more = "my[[:space:]]file.dat filter=lfs -text\nd/*.json filter=lfs\nplain.bin -filter\n*.log text\n\n"
    assert upload_mode(path, size, sample, parse_attributes((ATTRIBUTES + more).encode())) == mode


def test_only_a_pointer_is_read_as_one() -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"
    pointer = parse_pointer(text)
    assert pointer is not None and pointer.size == 12 and pointer.encode() == text
    assert parse_pointer(text + b"more\n") is None and parse_pointer(b"") is None


def test_one_piece_and_parts(hub: Hub, api: HfApi) -> None:
    small, large = (random.Random(1).randbytes(size) for size in (70_000, (8 << 20) + 5))
    files = {"s.bin": small, "odd name é.dat": b"\0odd!", "l.bin": large, "again.bin": small}
    operations = [CommitOperationAdd(path, io.BytesIO(data)) for path, data in files.items()]
    api.create_commit(REPO, operations, commit_message="x")
    puts = [entry.bytes_received for entry in hub.requests("PUT", "/lfs/upload/")]
    assert sorted(puts) == [5, 5, 70_000, 8 << 20]  # equal files of one commit go up once
    for path, data in files.items():
        assert get_session().get(f"{hub.endpoint}/{REPO}/resolve/main/{path}").content == data
    attributes = get_session().get(f"{hub.endpoint}/{REPO}/resolve/main/.gitattributes").text
    assert attributes.endswith("odd[[:space:]]name[[:space:]]é.dat filter=lfs diff=lfs merge=lfs -text\n")
    api.create_commit(REPO, [CommitOperationAdd("new.bin", io.BytesIO(small))], commit_message="x")
    assert len(hub.requests("PUT", "/lfs/upload/")) == 4  # what is stored is not sent again


def test_ranges_and_headers(hub: Hub, api: HfApi) -> None:
    data = bytes(range(256))
    operations = [CommitOperationAdd("a.bin", io.BytesIO(data)), CommitOperationAdd("a.txt", b"0123456789")]
    sha = api.create_commit(REPO, operations, commit_message="x").oid
    for name, whole in (("a.bin", data), ("a.txt", b"0123456789")):
        url = f"{hub.endpoint}/{REPO}/resolve/main/{name}"
        size = len(whole)
        head = get_session().head(url)
        assert head.headers["x-repo-commit"] == sha and head.headers["content-length"] == str(size)
        ranges = {"2-4": whole[2:5], f"{size - 2}-": whole[-2:], "-3": whole[-3:], "0-9999": whole}
        for asked, expected in ranges.items():
            answer = get_session().get(url, headers={"range": f"bytes={asked}"})
            assert (answer.status_code, answer.content) == (206, expected)
            assert answer.headers["content-range"].endswith(f"/{size}")
        beyond = get_session().get(url, headers={"range": f"bytes={size}-"})
        assert beyond.status_code == 416 and beyond.headers["content-range"].endswith(f"*/{size}")
    large = get_session().head(f"{hub.endpoint}/{REPO}/resolve/main/a.bin").headers
    assert large["x-linked-etag"] == large["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert large["x-linked-size"] == "256"
    plain = get_session().head(f"{hub.endpoint}/{REPO}/resolve/main/a.txt").headers
    assert plain["etag"] == f'"{hashlib.sha1(b"blob 10" + bytes(1) + b"0123456789").hexdigest()}"'
    missing = get_session().head(f"{hub.endpoint}/{REPO}/resolve/main/none")
    assert missing.status_code == 404
    assert (missing.headers["x-error-code"], missing.headers["x-repo-commit"]) == ("EntryNotFound", sha)


def batch(hub: Hub, oid: str, size: int, operation: str = "upload", transfer: str = "basic") -> dict[str, Any]:
    """What the batch call answers for one object."""
    body = {"operation": operation, "transfers": [transfer], "objects": [{"oid": oid, "size": size}]}
    answer = get_session().post(f"{hub.endpoint}/{REPO}.git/info/lfs/objects/batch", json=body, headers=ALICE)
    found: dict[str, Any] = answer.json()["objects"][0] if answer.status_code == 200 else {"status": answer.status_code}
    return found


def test_content_that_is_not_what_it_says_is_not_kept(hub: Hub, api: HfApi) -> None:
    oid = hashlib.sha256(b"right").hexdigest()
    href = batch(hub, oid, 5)["actions"]["upload"]["href"]
    assert get_session().put(href, content=b"wrong").status_code == 400
    assert get_session().put(href[:-1] + ("0" if href[-1] != "0" else "1"), content=b"right").status_code == 401
    assert get_session().put(href.replace(oid, "1" * 64), content=b"right").status_code == 401
    assert "error" in batch(hub, oid, 5, "download")
    assert get_session().put(href, content=b"right").status_code == 200
    down = batch(hub, oid, 5, "download")["actions"]["download"]["href"]
    assert get_session().get(down).content == b"right"
    assert "actions" not in batch(hub, oid, 5)
    assert batch(hub, "../../hub.json", 5) == {"status": 400}
    assert list((hub.server.directory / "tmp").iterdir()) == []


def test_a_missing_part_is_refused(hub: Hub, api: HfApi) -> None:
    data = bytes((8 << 20) + 1)
    oid = hashlib.sha256(data).hexdigest()
    upload = batch(hub, oid, len(data), transfer="multipart")["actions"]["upload"]
    get_session().put(upload["header"]["1"], content=data[: 8 << 20]).raise_for_status()
    done = {"oid": oid, "parts": [{"partNumber": 1, "etag": "x"}, {"partNumber": 2, "etag": "x"}]}
    assert get_session().post(upload["href"], json=done).status_code == 400
    get_session().put(upload["header"]["2"], content=data[8 << 20 :]).raise_for_status()
    assert get_session().post(upload["href"], json=done).status_code == 200
    assert "actions" not in batch(hub, oid, len(data))
