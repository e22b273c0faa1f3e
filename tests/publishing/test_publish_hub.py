"""Releases to a real server on loopback, by the command, with the real clients."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from builds import SQUARES
from hub_fixtures import Hub, hub  # noqa: F401
from pyarrow.parquet import read_table

REPO = "lab/safetypairs"


def safetypairs(
    hub: Hub,  # noqa: F811
    cwd: Path,
    *words: str,
    user: str | None = "alice",
    xet: bool = False,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    environment = {**hub.env(user, xet), **env}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("xet", [False, True])
def test_two_versions_are_two_commits_and_two_tags_and_both_load(hub: Hub, runs: Path, xet: bool) -> None:  # noqa: F811
    one = safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0", xet=xet)
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout == (
        f"published 1.0.0: 20 pairs added, 0 removed, 20 in all\nat {hub.endpoint}/datasets/{REPO} (tag v1.0.0)\n"
    )
    two = safetypairs(hub, runs, "publish", "large", REPO, "--version", "1.1.0", xet=xet)
    assert (two.returncode, two.stderr) == (0, "")
    api = hub.api()
    commits = api.list_repo_commits(REPO, repo_type="dataset")
    assert [commit.title for commit in commits] == ["1.1.0: 10 pairs added", "1.0.0: 20 pairs added", "initial commit"]
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(REPO, repo_type="dataset").tags}
    assert tags == {"v1.0.0": commits[1].commit_id, "v1.1.0": commits[0].commit_id}
    loaded = hub.run_python(
        "import json\nfrom datasets import load_dataset\n"
        "def sizes(data): return {k: len(list(v)) for k, v in data.items()}\n"
        f"old, new = load_dataset('{REPO}', revision='v1.0.0'), load_dataset('{REPO}')\n"
        f"stream = load_dataset('{REPO}', 'hate', streaming=True)\n"
        "print(json.dumps([sizes(old), sizes(new), sizes(stream), sorted(set(new['test']['introduced']))]))",
        xet=xet,
    )
    old, new, stream, introduced = json.loads(loaded.splitlines()[-1])
    assert (sum(old.values()), sum(new.values())) == (20, 30)
    assert sum(stream.values()) == 4  # 30 pairs over nine categories: hate has the fourth
    assert introduced == ["1.0.0", "1.1.0"]
    versions = json.loads(safetypairs(hub, runs, "versions", REPO, "--json").stdout)
    assert [(v["version"], v["pairs"], v["added"]) for v in versions] == [("1.1.0", 30, 10), ("1.0.0", 20, 20)]


def test_again_is_a_no_op_and_mends_a_missing_tag(hub: Hub, runs: Path) -> None:  # noqa: F811
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    api = hub.api()
    head = api.dataset_info(REPO).sha
    again = safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    assert (again.returncode, again.stdout) == (0, f"{REPO} holds 1.0.0 already: nothing to do\n")
    api.delete_tag(REPO, tag="v1.0.0", repo_type="dataset")
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    tags = api.list_repo_refs(REPO, repo_type="dataset").tags
    assert [(tag.name, tag.target_commit) for tag in tags] == [("v1.0.0", head)]
    assert api.dataset_info(REPO).sha == head


@pytest.mark.parametrize(
    ("card", "adopted"),
    [
        ("---\nlicense: mit\n---\n", True),
        ("---\nlicense: mit\ntags:\n- safety\n---", True),
        ("---\nlicense: mit\n---\n# My data\n", False),
        ("# My data\n", False),
    ],
)
def test_a_repo_with_what_the_site_makes_is_adopted(hub: Hub, runs: Path, card: str, adopted: bool) -> None:  # noqa: F811
    api = hub.api()
    api.create_repo(REPO, repo_type="dataset")
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=REPO, repo_type="dataset")
    done = safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    if adopted:
        assert (done.returncode, done.stderr) == (0, "")
        assert safetypairs(hub, runs, "verify", REPO).stdout.endswith(": ok\n")
    else:
        assert done.returncode == 1
        assert "holds files that safetypairs did not write (README.md)" in done.stderr


def test_a_release_is_proposed_by_somebody_who_may_not_push(hub: Hub, runs: Path) -> None:  # noqa: F811
    assert safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0").returncode == 0
    api = hub.api()
    before = api.list_repo_refs(REPO, repo_type="dataset")
    words = ("publish", "large", REPO, "--version", "1.1.0")
    refused = safetypairs(hub, runs, *words, user="bob")
    assert refused.returncode == 1
    proposed = safetypairs(hub, runs, *words, "--create-pr", user="bob")
    assert (proposed.returncode, proposed.stderr) == (0, "")
    assert proposed.stdout.startswith("proposed 1.1.0: 10 pairs added, 0 removed, 30 in all\nat ")
    assert f"{REPO}/discussions/1 (a pull request; once it is merged" in proposed.stdout
    after = api.list_repo_refs(REPO, repo_type="dataset")
    assert (after.tags, after.branches) == (before.tags, before.branches)
    api.merge_pull_request(REPO, 1, repo_type="dataset")
    listed = safetypairs(hub, runs, "versions", REPO)
    assert listed.stdout.splitlines()[-1] == (
        "v1.1.0 has no tag: publishing was interrupted; run the same publish command again to set it"
    )
    assert safetypairs(hub, runs, *words).returncode == 0
    assert safetypairs(hub, runs, "verify", f"{REPO}@1.1.0").stdout.endswith(": ok; splits as in 1.0.0\n")
    for target, more in (("lab/none", []), ("./here", []), (REPO, ["--private"])):
        failed = safetypairs(hub, runs, "publish", "large", target, "--version", "1.2.0", "--create-pr", *more)
        assert failed.returncode == 1
        assert failed.stderr.count("\n") == 1


def test_a_private_gated_repo_is_closed(hub: Hub, runs: Path) -> None:  # noqa: F811
    done = safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0", "--private", "--gated", "manual")
    assert done.returncode == 0
    info = hub.api().dataset_info(REPO)
    assert (info.private, info.gated) == (True, "manual")
    seen = safetypairs(hub, runs, "versions", REPO, user="bob")
    assert (seen.returncode, seen.stdout) == (1, "")
    assert f"no dataset {REPO} at {hub.endpoint} that this token may see" in seen.stderr
    # Settings come before data: no request after the settings' may be what closes the repo.
    settings = [n for n, entry in enumerate(hub.server.log) if entry.path.endswith("/settings")]
    commits = [n for n, entry in enumerate(hub.server.log) if "/commit/" in entry.path]
    assert max(settings) < min(commits)


def test_what_is_refused_changes_nothing(hub: Hub, runs: Path) -> None:  # noqa: F811
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    api = hub.api()
    head = api.dataset_info(REPO).sha
    api.create_repo("lab/mine", repo_type="dataset")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="notes.txt", repo_id="lab/mine", repo_type="dataset")
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    cases = [
        (("large", REPO, "1.1.0"), "bob", {}, f"this token has no right to do that with {REPO}"),
        (("small", "lab/new", "1.0.0"), "bob", {}, "this token has no right to do that with lab/new"),
        (("large", REPO, "1.1.0"), None, {}, "no Hub token; set HF_TOKEN, or log in: hf auth login"),
        (("large", REPO, "1.1.0"), "alice", {"HF_TOKEN": "hf_wrong"}, "refused the token; set HF_TOKEN"),
        (("large", REPO, "1.1.0"), "alice", nowhere, "http://127.0.0.1:9 cannot be reached"),
        (("large", REPO, "1.1.0"), "alice", {"HF_HUB_OFFLINE": "1"}, "offline mode is on (HF_HUB_OFFLINE)"),
        (("large", REPO, "1.0.0"), "alice", {}, "version 1.0.0 is not above the last one"),
        (
            ("small", "lab/mine", "1.0.0"),
            "alice",
            {},
            "lab/mine holds files that safetypairs did not write (notes.txt)",
        ),
        (("nothing", REPO, "1.1.0"), "alice", {}, "'nothing' holds no run"),
    ]
    for (run, target, version), user, env, message in cases:
        failed = safetypairs(hub, runs, "publish", run, target, "--version", version, user=user, **env)
        assert failed.returncode == 1, failed
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1, failed.stderr
    assert api.dataset_info(REPO).sha == head
    assert [tag.name for tag in api.list_repo_refs(REPO, repo_type="dataset").tags] == ["v1.0.0"]


def test_two_publishers_at_once(hub: Hub, runs: Path) -> None:  # noqa: F811
    """Both start from one head; one wins, the other is told, and no version is lost."""
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    command = [sys.executable, "-m", "safetypairs_hf", "publish", "large", REPO, "--version"]
    env = hub.env("alice")
    both = [
        subprocess.Popen(
            [*command, version], cwd=runs, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for version in ("1.1.0", "1.2.0")
    ]
    said = {(*process.communicate(), process.returncode) for process in both}
    winners = [out for out, _, code in said if code == 0]
    losers = [err for _, err, code in said if code == 1]
    assert winners
    for error in losers:
        assert "somebody else published" in error or "is not above the last one" in error
    tags = {tag.name for tag in hub.api().list_repo_refs(REPO, repo_type="dataset").tags}
    commits = [commit.title for commit in hub.api().list_repo_commits(REPO, repo_type="dataset")]
    assert len(tags) == len(commits) - 1 == 1 + len(winners)


def test_a_file_of_ours_that_somebody_changed_is_not_overwritten(hub: Hub, runs: Path) -> None:  # noqa: F811
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    api = hub.api()
    pair = read_table(api.hf_hub_download(REPO, "manifest.parquet", repo_type="dataset"))["pair_id"][0].as_py()
    card = Path(api.hf_hub_download(REPO, "README.md", repo_type="dataset", revision="v1.0.0")).read_bytes()
    api.upload_file(path_or_fileobj=b"a licence", path_in_repo="LICENSE", repo_id=REPO, repo_type="dataset")
    for name, content in (("README.md", card + b"\nmine\n"), ("takedowns.json", b"[]")):
        api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=REPO, repo_type="dataset")
    head = api.dataset_info(REPO).sha
    for words in (("publish", "large", REPO), ("takedown", REPO, pair, "--reason", "asked for")):
        failed = safetypairs(hub, runs, *words, "--version", "2.0.0")
        assert failed.returncode == 1
        assert failed.stderr == (
            f"safetypairs: {REPO} was changed after v1.0.0 by somebody else: README.md, takedowns.json; "
            "a release would overwrite that: restore it from v1.0.0, then run again\n"
        )
    assert api.dataset_info(REPO).sha == head
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=REPO, repo_type="dataset")
    api.delete_file("takedowns.json", REPO, repo_type="dataset")
    done = safetypairs(hub, runs, "publish", "large", REPO, "--version", "1.1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "LICENSE" in api.list_repo_files(REPO, repo_type="dataset")  # a file that is not ours to write is no matter


@pytest.mark.parametrize("xet", [False, True])
def test_a_full_disk_is_one_line(hub: Hub, runs: Path, xet: bool) -> None:  # noqa: F811
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0", xet=xet)
    command = [sys.executable, "-m", "safetypairs_hf", "verify", REPO]

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

    env = {**hub.env("alice", xet), "HF_HOME": str(hub.home / "fresh"), "PYTHONDONTWRITEBYTECODE": "1"}
    failed = subprocess.run(command, env=env, capture_output=True, text=True, preexec_fn=full)
    assert failed.returncode == 1
    assert failed.stderr == (
        f"safetypairs: a file of {REPO} cannot be stored on this machine (File too large); HF_HOME sets where the "
        "cache is\n"
    )


def test_wrong_usage_exits_2(tmp_path: Path, hub: Hub) -> None:  # noqa: F811
    for words in (["publish", "run"], ["build", SQUARES], ["build", SQUARES, "--out", "x", "--set", "pairs"], ["nope"]):
        failed = safetypairs(hub, tmp_path, *words)
        assert failed.returncode == 2, failed
        assert "Traceback" not in failed.stderr


def test_bad_targets_on_the_hub(hub: Hub, runs: Path) -> None:  # noqa: F811
    """A model, a space, no Hub id, a file in our paths, a file of ours that is gone, a gated repo without access."""
    api = hub.api()
    api.create_repo("lab/guard", repo_type="model")
    api.create_repo("lab/page", repo_type="space", space_sdk="static")
    safetypairs(hub, runs, "publish", "small", "alice/closed", "--version", "1.0.0", "--gated", "manual")
    safetypairs(hub, runs, "publish", "small", REPO, "--version", "1.0.0")
    held = [name for name in api.list_repo_files(REPO, repo_type="dataset") if name.startswith("data/")]
    api.upload_file(path_or_fileobj=b"x", path_in_repo="data/test/hate/mine.parquet", repo_id=REPO, repo_type="dataset")
    safetypairs(hub, runs, "publish", "small", "lab/torn", "--version", "1.0.0")
    api.delete_file(held[0], "lab/torn", repo_type="dataset")
    cases = [
        ("lab/guard", "alice", "lab/guard is a model at "),
        ("lab/page", "alice", "lab/page is a space at "),
        ("lab/a--b", "alice", "'lab/a--b' is no Hub id: "),
        ("lab/a.git", "alice", "'lab/a.git' is no Hub id: "),
        ("https://huggingface.co/datasets/lab/x", "alice", "is no target; for that dataset write lab/x"),
        (REPO, "alice", f"{REPO} holds data files that safetypairs did not write (data/test/hate/mine.parquet)"),
        ("lab/torn", "alice", f"lab/torn lacks files that its manifest names ({held[0]})"),
        ("alice/closed", "bob", "alice/closed is gated: ask for access at "),
    ]
    before = {name: api.dataset_info(name).sha for name in (REPO, "lab/torn", "alice/closed")}
    for target, user, message in cases:
        failed = safetypairs(hub, runs, "publish", "large", target, "--version", "1.1.0", user=user)
        assert failed.returncode == 1, failed
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1, failed.stderr
    assert {name: api.dataset_info(name).sha for name in before} == before
    assert not api.repo_exists("lab/guard", repo_type="dataset")


def test_settings_are_made_so_where_the_version_is_there_already(hub: Hub, runs: Path) -> None:  # noqa: F811
    words = ("publish", "small", REPO, "--version", "1.0.0")
    safetypairs(hub, runs, *words)
    safetypairs(hub, runs, *words, "--gated", "auto", "--dry-run")
    assert hub.api().dataset_info(REPO).gated is False
    assert safetypairs(hub, runs, *words, "--gated", "auto").returncode == 0
    assert hub.api().dataset_info(REPO).gated == "auto"
