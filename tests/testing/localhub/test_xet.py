"""Xet: the formats, and the real hf-xet client up and down."""

from __future__ import annotations

import json
import shutil
import struct

import pytest
from hub_fixtures import Hub
from huggingface_hub import get_session

from safetypairs_hf.testing.localhub.refusals import Refusal
from safetypairs_hf.testing.localhub.xetstore import Chunk, chunks_of, hash_text, parse_shard, unpack


def test_hashes_are_four_little_endian_words() -> None:
    assert hash_text(bytes(range(32))) == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"


def test_a_xorb_without_compression() -> None:
    xorb = b"\0\3\0\0\0\3\0\0abc" + b"\0\2\0\0\0\2\0\0de" + b"XETBLOB footer"
    assert chunks_of(xorb) == [Chunk(0, 3, 3, 0), Chunk(11, 2, 2, 0)]
    assert [unpack(xorb, chunk) for chunk in chunks_of(xorb)] == [b"abc", b"de"]
    for broken in (xorb[:9], b"\7" + xorb[1:], xorb[:15]):
        with pytest.raises(Refusal):
            chunks_of(broken)


def test_a_chunk_grouped_by_position() -> None:
    import pyarrow as pa

    plain = bytes(range(11))
    packed = pa.compress(plain[0::4] + plain[1::4] + plain[2::4] + plain[3::4], codec="lz4", asbytes=True)
    xorb = b"\0" + len(packed).to_bytes(3, "little") + b"\2" + (11).to_bytes(3, "little") + packed
    assert unpack(xorb, chunks_of(xorb)[0]) == plain
    with pytest.raises(Refusal, match="does not unpack"):
        unpack(xorb[:8] + bytes(len(packed)), chunks_of(xorb)[0])
    with pytest.raises(Refusal, match="compression 9"):
        unpack(xorb, Chunk(0, len(packed), 11, 9))


def test_a_shard_of_one_file() -> None:
    file, xorb, sha = (bytes([value]) * 32 for value in (1, 2, 3))
    entry = xorb + struct.pack("<4I", 0, 300, 4, 6)
    head = file + struct.pack("<IIQ", 3 << 30, 1, 0)
    shard = bytes(48) + head + entry + bytes(48) + sha + bytes(16) + b"\xff" * 32 + bytes(16)
    assert parse_shard(shard) == [("01" * 32, "03" * 32, [("02" * 32, 300, 4, 6)])]
    for cut in (b"", shard[:60], shard[:100]):
        with pytest.raises(Refusal):
            parse_shard(cut)


UP = """
import os, random, sys
from pathlib import Path
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
api.create_repo("lab/pairs", repo_type="dataset", private=True)
data = random.Random(1).randbytes(3_000_000)
folder = Path("up"); folder.mkdir()
(folder / "a.bin").write_bytes(data)
(folder / "text.bin").write_bytes(b"0123456789" * 100_000)
(folder / "floats.bin").write_bytes(b"".join(bytes([n % 7, n % 5, 0, 63]) for n in range(200_000)))
(folder / "note.txt").write_text("note")
print(api.upload_folder(repo_id="lab/pairs", repo_type="dataset", folder_path=folder).oid)
changed = data[:1_500_000] + b"inserted" + data[1_500_000:]
add = CommitOperationAdd("b.bin", changed)
print(api.create_commit("lab/pairs", [add], commit_message="b", repo_type="dataset").oid)
"""
DOWN = """
import random
from pathlib import Path
from huggingface_hub import HfFileSystem, snapshot_download
folder = Path(snapshot_download("lab/pairs", repo_type="dataset"))
data = random.Random(1).randbytes(3_000_000)
assert (folder / "a.bin").read_bytes() == data
assert (folder / "b.bin").read_bytes() == data[:1_500_000] + b"inserted" + data[1_500_000:]
assert (folder / "text.bin").read_bytes() == b"0123456789" * 100_000
assert (folder / "floats.bin").read_bytes() == b"".join(bytes([n % 7, n % 5, 0, 63]) for n in range(200_000))
with HfFileSystem().open("datasets/lab/pairs/b.bin") as file:
    file.seek(1_499_999)
    assert file.read(10) == data[1_499_999:1_500_000] + b"inserted" + data[1_500_000:1_500_001]
"""


def test_up_and_down_with_the_real_client(hub: Hub) -> None:
    _, sha = hub.run_python(UP, xet=True).split()
    assert not hub.requests("PUT")  # nothing went over LFS
    sent = [entry.bytes_received for entry in hub.requests("POST", "/xorbs/")]
    assert 3_000_000 < sum(sent) < 3_000_000 + 600_000, sent  # the second commit sent only the changed chunks
    hub.run_python(DOWN, xet=True)
    assert hub.requests("GET", "/reconstructions/")
    for fetched in hub.requests("GET", "/resolve/"):
        assert "a.bin" not in fetched.path  # the large ones came over Xet
    before = len(hub.requests("", "/xet/"))
    shutil.rmtree(hub.cache)
    hub.run_python(DOWN)
    assert len(hub.requests("", "/xet/")) == before  # and are there for a client without it

    api = hub.api()
    tree = {item.path: item for item in api.list_repo_tree("lab/pairs", repo_type="dataset")}
    file_hash = tree["b.bin"].xet_hash  # type: ignore[union-attr]
    check_ranges(hub, sha, str(file_hash))


@pytest.mark.parametrize(
    ("operation", "transfers", "chosen"),
    [
        ("upload", ["basic", "multipart", "xet"], "xet"),
        ("upload", ["basic", "multipart"], "multipart"),
        ("upload", ["basic"], "basic"),
        ("download", ["basic", "xet"], "basic"),
    ],
)
def test_a_client_that_asks_how_to_upload(hub: Hub, operation: str, transfers: list[str], chosen: str) -> None:
    """As huggingface_hub 1.5 does."""
    hub.api().create_repo("lab/pairs", repo_type="dataset")
    wanted = {"operation": operation, "transfers": transfers, "objects": [{"oid": "a" * 64, "size": 5}]}
    url = f"{hub.endpoint}/datasets/lab/pairs.git/info/lfs/objects/batch"
    answer = get_session().post(url, json=wanted, headers={"authorization": "Bearer hf_alice"}).json()
    assert answer["transfer"] == chosen
    assert ("actions" in answer["objects"][0]) == (operation == "upload" and chosen != "xet")


REPEATED = """
from huggingface_hub import CommitOperationAdd, HfApi
api = HfApi()
api.create_repo("lab/pairs", repo_type="dataset")
data = bytes(range(256)) * 50_000
api.create_commit("lab/pairs", [CommitOperationAdd("a.bin", data)], commit_message="x", repo_type="dataset")
assert open(api.hf_hub_download("lab/pairs", "a.bin", repo_type="dataset"), "rb").read() == data
"""


def test_a_file_that_repeats_itself(hub: Hub) -> None:
    """Its terms share chunks; hf-xet panics where ranges to fetch start together and end apart."""
    hub.run_python(REPEATED, xet=True)
    (fetched,) = {entry.path for entry in hub.requests("GET", "/xet/") if "/data/" in entry.path}
    assert hub.requests("GET", "/reconstructions/") and fetched


def check_ranges(hub: Hub, sha: str, file_hash: str) -> None:
    """What a part of the file is made of, put together by hand; and that a token opens only its own repo."""
    alice = {"authorization": "Bearer hf_alice"}
    base = f"{hub.endpoint}/api/datasets/lab/pairs"
    token = get_session().get(f"{base}/xet-read-token/{sha}", headers=alice).json()
    url = f"{token['casUrl']}/v1/reconstructions/{file_hash}"
    reader = {"authorization": f"Bearer {token['accessToken']}"}
    whole = get_session().get(f"{hub.endpoint}/datasets/lab/pairs/resolve/main/b.bin", headers=alice).content
    for start, stop in ((0, 1), (0, len(whole)), (1_400_000, 1_600_000), (len(whole) - 1, len(whole)), (5, 9_999_999)):
        answer = get_session().get(url, headers={**reader, "range": f"bytes={start}-{stop - 1}"}).json()
        parts = b"".join(content(answer, term) for term in answer["terms"])
        offset = answer["offset_into_first_range"]
        assert parts[offset : offset + stop - start] == whole[start:stop]
        assert len(parts) - (min(stop, len(whole)) - start) < 2 * 128 * 1024  # no more than whole chunks at both ends
    assert get_session().get(url, headers={**reader, "range": f"bytes={len(whole)}-"}).status_code == 416
    assert get_session().get(url).status_code == 401
    hub.api("bob").create_repo("bob/x")
    other = get_session().get(
        f"{hub.endpoint}/api/models/bob/x/xet-read-token/main", headers={"authorization": "Bearer hf_bob"}
    )
    bob = {"authorization": f"Bearer {other.json()['accessToken']}"}
    assert get_session().get(url, headers=bob).status_code == 404
    xorb = answer["terms"][0]["hash"]
    assert get_session().get(f"{token['casUrl']}/data/{xorb}?token=1-0").status_code == 401
    assert get_session().post(f"{token['casUrl']}/v1/shards", content=b"", headers=reader).status_code == 403
    assert (
        get_session().get(f"{base}/xet-write-token/main", headers={"authorization": "Bearer hf_bob"}).status_code == 404
    )
    xet = token["casUrl"]
    write = get_session().get(f"{base}/xet-write-token/main", headers=alice).json()["accessToken"]
    writer = {"authorization": f"Bearer {write}"}
    assert get_session().post(f"{xet}/v1/xorbs/default/{'0' * 64}", content=b"x", headers=writer).status_code == 400
    assert get_session().post(f"{xet}/v1/xorbs/default/..%2Fx", content=b"", headers=writer).status_code == 400
    assert get_session().post(f"{xet}/v1/shards", content=b"x", headers=writer).status_code == 400
    assert json.loads((hub.server.directory / "repos/datasets/lab/pairs/hub.json").read_text())["private"] is True


def content(answer: dict[str, dict[str, list[dict[str, dict[str, int]]]]], term: dict[str, dict[str, int]]) -> bytes:
    """The bytes of a term, from the one range to fetch that holds it."""
    wanted = term["range"]
    (fetch,) = (
        part for part in answer["fetch_info"][str(term["hash"])]
        if part["range"]["start"] <= wanted["start"] and wanted["end"] <= part["range"]["end"]
    )  # fmt: skip
    span, before = fetch["url_range"], fetch["range"]["start"]
    piece = get_session().get(str(fetch["url"]), headers={"range": f"bytes={span['start']}-{span['end']}"}).content
    chunks = chunks_of(piece)[wanted["start"] - before : wanted["end"] - before]
    plain = b"".join(unpack(piece, chunk) for chunk in chunks)
    assert len(plain) == term["unpacked_length"]
    return plain
