"""Takedowns: in a folder, and on a real server on loopback by the command, with the real clients.

The commands are those of docs/publishing.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pygit2
import pytest
from builds import make_run, tree
from fault_proxy import proxied
from hub_fixtures import Hub, hub  # noqa: F401
from huggingface_hub import HfApi
from huggingface_hub.utils import get_session
from test_publish_hub import safetypairs

from safetypairs_hf.core.errors import HubUnavailable, PublishError
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import manifest
from safetypairs_hf.dataset.manifest import Manifest
from safetypairs_hf.dataset.takedowns import identity_of, listed
from safetypairs_hf.publishing.hub_target import HubTarget
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.purge import History, Traces
from safetypairs_hf.publishing.takedown import takedown

REPO = "lab/safetypairs"


@pytest.fixture
def out(runs: Path, tmp_path: Path) -> Path:
    publish(RunFolder(str(runs / "small")), parse_target(str(tmp_path / "out")), parse("1.0.0"))
    return tmp_path / "out"


def read(folder: Path) -> Manifest:
    found = manifest.load((folder / "manifest.parquet").read_bytes())
    assert found is not None
    return found


def take(folder: Path, *pair_ids: str, version: str = "2.0.0", dry_run: bool = False) -> object:
    return takedown(parse_target(str(folder)), pair_ids, "asked for", parse(version), dry_run=dry_run)


def test_a_takedown_rewrites_only_the_files_that_hold_the_pairs(out: Path) -> None:
    before, first = tree(out), read(out)
    counts: dict[str, int] = {}
    for entry in first.entries:
        counts[entry.file] = counts.get(entry.file, 0) + 1
    alone = next(entry for entry in first.entries if counts[entry.file] == 1)
    among = next(entry for entry in first.entries if counts[entry.file] > 1)
    take(out, alone.pair_id, among.pair_id)
    after, second = tree(out), read(out)
    data = {name for name in before if name.startswith("data/")}
    assert alone.file not in after
    assert {name for name in data & after.keys() if after[name] != before[name]} == {among.file}
    ids = pq.read_table(out / among.file, columns=["pair_id"]).column(0).to_pylist()
    assert len(ids) == counts[among.file] - 1
    assert among.pair_id not in ids
    assert second.version == parse("2.0.0")
    assert [e for e in first.entries if e not in (alone, among)] == second.entries
    assert second.takedowns == [listed(entry, "asked for", parse("2.0.0")) for entry in (alone, among)]
    assert json.loads(after["takedowns.json"]) == second.takedowns
    assert set(second.takedowns[0]) == {
        *("pair_id", "category", "reason", "version"),
        *("unsafe_sha256", "safe_sha256", "unsafe_phash", "safe_phash"),
    }
    assert "2 pairs taken down; 18 pairs in all." in after["CHANGELOG.md"].decode()
    assert second.releases[-1]["removed"] == 2


def test_the_hash_of_every_data_file_is_kept(runs: Path, out: Path) -> None:
    def check() -> None:
        data = {name: content for name, content in tree(out).items() if name.startswith("data/")}
        found = {name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in data.items()}
        assert read(out).files == found

    check()
    publish(RunFolder(str(runs / "large")), parse_target(str(out)), parse("1.1.0"))
    check()
    take(out, read(out).entries[0].pair_id)
    check()


@pytest.mark.parametrize(
    ("pair", "version", "message"),
    [
        ("0" * 16, "2.0.0", "has no pair '0000000000000000'"),
        ("first", "1.1.0", "1 pair is removed; give 2.0.0 or more"),
        ("first", "2.1.0", "is not a new major one, which a takedown needs; give 2.0.0"),
        ("first", "1.0.0", "version 1.0.0 is not above the last one, 1.0.0; give 2.0.0 or more"),
        ("all", "2.0.0", "would leave no pair"),
    ],
)
def test_what_is_refused(out: Path, pair: str, version: str, message: str) -> None:
    ids = [entry.pair_id for entry in read(out).entries]
    before = tree(out)
    with pytest.raises(PublishError) as caught:
        take(out, *{"first": ids[:1], "all": ids}.get(pair, [pair]), version=version)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(out) == before


def test_twice_is_refused_and_a_dry_run_changes_nothing(out: Path) -> None:
    pair = read(out).entries[0].pair_id
    before = tree(out)
    take(out, pair, dry_run=True)
    assert tree(out) == before
    take(out, pair)
    before = tree(out)
    with pytest.raises(PublishError, match=r"was taken down already, in 2\.0\.0; nothing was changed"):
        take(out, pair, version="3.0.0")
    assert tree(out) == before


@pytest.mark.parametrize("replace", [False, True])
def test_it_stays_out_of_every_later_release(runs: Path, out: Path, replace: bool) -> None:
    pair = read(out).entries[0]
    take(out, pair.pair_id)
    done = publish(RunFolder(str(runs / "large")), parse_target(str(out)), parse("2.1.0"), replace=replace)
    assert done.plan.rejected == {"taken_down": 1}
    assert len(done.plan.added) == 10
    assert pair.pair_id not in {entry.pair_id for entry in read(out).entries}
    assert [item["pair_id"] for item in read(out).takedowns] == [pair.pair_id]
    assert json.loads((out / "takedowns.json").read_text()) == read(out).takedowns


def test_a_run_whose_new_pairs_were_all_taken_down(runs: Path, out: Path) -> None:
    take(out, read(out).entries[0].pair_id)
    before = tree(out)
    run = RunFolder(str(runs / "small"))
    with pytest.raises(PublishError, match=r"every new pair of the run in .* \(1\) was taken down"):
        publish(run, parse_target(str(out)), parse("2.1.0"))
    assert tree(out) == before
    renewed = publish(run, parse_target(str(out)), parse("2.0.1"))  # a patch renews the card, and brings nothing back
    assert (renewed.plan.empty, renewed.plan.rejected) == (True, {"taken_down": 1})


def test_known_again_by_id_by_file_and_by_looks(out: Path) -> None:
    one, other = read(out).entries[:2]
    groups = Groups(31, 1.0)
    groups.take_down(identity_of(listed(one, "", parse("2.0.0"))))
    assert groups.is_taken_down(one.identity)
    assert not groups.is_taken_down(other.identity)
    assert groups.is_taken_down(other.identity._replace(safe_sha256=one.unsafe_sha256))
    assert groups.is_taken_down(other.identity._replace(pair_id=one.pair_id))
    bits = int.from_bytes(one.safe_phash) ^ ((1 << 31) - 1)
    assert groups.is_taken_down(other.identity._replace(unsafe_phash=bits.to_bytes(32)))
    assert not groups.is_taken_down(other.identity._replace(unsafe_phash=(bits ^ (1 << 40)).to_bytes(32)))


def test_older_versions_are_named_and_purged(hub: Hub, runs: Path) -> None:  # noqa: F811
    """After the rewrite no ref reaches the images, and no stored file holds them; the other versions still load."""
    make_run(runs / "first", pairs=10)
    for run, version in (("first", "1.0.0"), ("small", "1.1.0"), ("large", "1.2.0")):
        done = safetypairs(hub, runs, "publish", run, REPO, "--version", version)
        assert (done.returncode, done.stderr) == (0, "")
    api = hub.api()
    new = _at(hub, "v1.1.0")
    victim = next(entry for entry in new.entries if entry.introduced == "1.1.0")
    down = safetypairs(hub, runs, "takedown", REPO, victim.pair_id, "--reason", "asked for", "--version", "2.0.0")
    assert (down.returncode, down.stderr) == (0, "")
    assert down.stdout.startswith(f"took 1 pair down in 2.0.0: 29 pairs stay\nat {hub.endpoint}")
    assert "older versions that hold them: v1.1.0, v1.2.0\n" in down.stdout
    assert f"safetypairs takedown {REPO} {victim.pair_id} --rewrite-history\n" in down.stdout
    assert f"  hf repos tag delete {REPO} v1.1.0 --type dataset --yes\n" in down.stdout
    safetypairs(hub, runs, "publish", "large", REPO, "--version", "2.0.1")
    assert len(_stored(hub, victim.unsafe_sha256)) == 1

    refused = safetypairs(hub, runs, "takedown", REPO, victim.pair_id, "--rewrite-history")
    assert refused.returncode == 1
    assert "there is no terminal to ask at; add --yes" in refused.stderr
    assert _tags(hub) == {"v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0", "v2.0.1"}

    purged = safetypairs(hub, runs, "takedown", REPO, victim.pair_id, "--rewrite-history", "--yes")
    assert (purged.returncode, purged.stderr) == (0, "")
    assert purged.stdout.startswith("versions deleted: v1.1.0, v1.2.0; they can no longer be loaded\n")
    assert "data files removed from storage: 1\n" in purged.stdout
    assert _tags(hub) == {"v1.0.0", "v2.0.0", "v2.0.1"}
    refs = api.list_repo_refs(REPO, repo_type="dataset", include_pull_requests=True)
    assert [branch.name for branch in refs.branches] == ["main"]
    for ref in [*refs.branches, *refs.tags]:
        for commit in api.list_repo_commits(REPO, repo_type="dataset", revision=ref.target_commit):
            files = api.list_repo_files(REPO, repo_type="dataset", revision=commit.commit_id)
            for name in [name for name in files if name.startswith("data/")]:
                assert victim.pair_id not in _ids(hub, name, commit.commit_id)
    assert not _stored(hub, victim.unsafe_sha256)
    head = {branch.name: branch.target_commit for branch in refs.branches}["main"]
    assert {tag.name: tag.target_commit for tag in refs.tags}["v2.0.1"] == head
    for tag, pairs in (("v1.0.0", 10), ("v2.0.0", 29), ("v2.0.1", 29)):
        assert len(_at(hub, tag).entries) == pairs
    assert (
        "no other version holds them"
        in safetypairs(hub, runs, "takedown", REPO, victim.pair_id, "--rewrite-history", "--dry-run").stdout
    )
    again = safetypairs(hub, runs, "takedown", REPO, victim.pair_id, "--rewrite-history", "--yes")
    assert again.stdout == "no other version holds them: nothing to rewrite\n"
    more = safetypairs(hub, runs, "takedown", REPO, new.entries[0].pair_id, "--reason", "x", "--version", "3.0.0")
    assert more.returncode == 0, more.stderr


@pytest.mark.parametrize("xet", [False, True])
def test_what_else_reaches_them_is_named_with_what_to_do(hub: Hub, runs: Path, xet: bool) -> None:  # noqa: F811
    """A branch and a pull request of somebody: each with the command that ends it, which works."""
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0", xet=xet)
    api = hub.api()
    victim = _at(hub, "v1.0.0").entries[0]
    api.create_branch(REPO, branch="a;b", repo_type="dataset")
    api.create_pull_request(REPO, title="a typo", repo_type="dataset")
    words = ("takedown", REPO, victim.pair_id)
    down = safetypairs(hub, runs, *words, "--reason", "asked for", "--version", "2.0.0", xet=xet)
    branch = f"hf repos branch delete {REPO} 'a;b' --type dataset"
    page = f"{hub.endpoint}/datasets/{REPO}/discussions/1"
    pull = f"hf discussions close {REPO} 1 --type dataset, then delete its ref at {page}"
    told = f"what to do about each:\n  a;b: {branch}\n  refs/pr/1: {pull}\n"
    assert down.stdout.endswith(told)

    done = safetypairs(hub, runs, *words, "--rewrite-history", "--yes", xet=xet)
    assert done.returncode == 0
    assert "data files removed from storage: 1\n" in done.stdout
    left = [f"safetypairs: left: {name} still reaches them; " for name in ("a;b", "refs/pr/1")]
    assert done.stderr == f"{left[0]}{branch}\n{left[1]}{pull}\n"
    assert not _stored(hub, victim.unsafe_sha256)
    after = safetypairs(hub, runs, *words, "--rewrite-history", "--dry-run", xet=xet)
    assert after.stdout == f"other branches and pull requests that reach them, and {told}"

    hf = [str(Path(sys.executable).with_name("hf")), *shlex.split(branch)[1:]]
    subprocess.run(hf, env=hub.env(xet=xet), check=True, capture_output=True)
    _delete_pull(hub)
    clean = safetypairs(hub, runs, *words, "--rewrite-history", "--dry-run", xet=xet)
    assert clean.stdout == "no other version holds them\n"
    assert safetypairs(hub, runs, "verify", REPO, xet=xet).returncode == 0


def test_a_rewrite_that_is_stopped_anywhere_is_finished_by_the_next(hub: Hub, runs: Path) -> None:  # noqa: F811
    """The Hub is gone from each request that changes something on."""
    for run, version in (("small", "1.0.0"), ("large", "1.1.0")):
        publish(RunFolder(str(runs / run)), HubTarget(REPO, api=hub.api()), parse(version))
    victim = _at(hub, "v1.1.0").entries[-1]
    assert victim.introduced == "1.1.0"
    takedown(HubTarget(REPO, api=hub.api()), [victim.pair_id], "asked for", parse("2.0.0"))
    publish(RunFolder(str(runs / "large")), HubTarget(REPO, api=hub.api()), parse("2.0.1"))
    gone = {(victim.unsafe_sha256, victim.safe_sha256)}
    folder, saved = hub.server.directory / "repos", hub.home / "saved"
    shutil.copytree(folder, saved)

    with proxied(hub.endpoint) as proxy:
        api = HfApi(proxy.endpoint, token="hf_alice")
        History(REPO, api).traces(gone)  # which downloads the manifests; from here on they are in the cache
        proxy.arm("")
        History(REPO, api).rewrite(gone)
        writes = [n for n, what in enumerate(proxy.seen, 1) if not what.startswith(("GET", "HEAD"))]
        assert len(writes) > 5
        for number in writes:
            shutil.rmtree(folder)
            shutil.copytree(saved, folder)
            proxy.arm("down", number)
            with pytest.raises(HubUnavailable):
                History(REPO, api).rewrite(gone)
            proxy.arm("")
            History(REPO, api).rewrite(gone)
            assert _tags(hub) == {"v1.0.0", "v2.0.0", "v2.0.1"}
            assert History(REPO, api).traces(gone) == Traces([], [], [], [], False)
            assert not _stored(hub, victim.unsafe_sha256)
            assert [len(_at(hub, tag).entries) for tag in sorted(_tags(hub))] == [20, 29, 29]


def _delete_pull(hub: Hub) -> None:  # noqa: F811
    """What the button on the page of a closed pull request does."""
    git = pygit2.Repository(str(hub.server.directory / "repos" / "datasets" / REPO / "git"))
    git.references.delete("refs/pr/1")


def _tags(hub: Hub) -> set[str]:  # noqa: F811
    return {tag.name for tag in hub.api().list_repo_refs(REPO, repo_type="dataset").tags}


def _at(hub: Hub, revision: str) -> Manifest:  # noqa: F811
    path = _download(hub, "manifest.parquet", revision)
    found = manifest.load(path.read_bytes())
    assert found is not None
    return found


def _download(hub: Hub, name: str, revision: str) -> Path:  # noqa: F811
    api, cache = hub.api(), hub.home / "read"
    shutil.rmtree(cache, ignore_errors=True)  # what is asked for must come from the hub
    return Path(api.hf_hub_download(REPO, name, repo_type="dataset", revision=revision, cache_dir=cache))


def _ids(hub: Hub, name: str, revision: str) -> list[str]:  # noqa: F811
    return list(pq.read_table(_download(hub, name, revision), columns=["pair_id"]).column(0).to_pylist())


def _stored(hub: Hub, unsafe_sha256: str) -> list[str]:  # noqa: F811
    """The stored data files that hold the image, whatever commit names them."""
    api, found = hub.api(), []
    for file in api.list_lfs_files(REPO, repo_type="dataset"):
        objects = {"operation": "download", "objects": [{"oid": file.oid, "size": file.size}]}
        url = f"{hub.endpoint}/datasets/{REPO}.git/info/lfs/objects/batch"
        headers = {"Authorization": f"Bearer {api.token}"}
        batch = get_session().post(url, json=objects, headers=headers).json()
        content = get_session().get(batch["objects"][0]["actions"]["download"]["href"]).content
        table = pq.read_table(io.BytesIO(content))
        images = table["unsafe_image"].to_pylist() if "unsafe_image" in table.column_names else []
        if unsafe_sha256 in {hashlib.sha256(image["bytes"]).hexdigest() for image in images}:
            found.append(file.oid)
    return found
