"""`safetypairs results push`: a guard's figures in a model repo, with the real client against the local Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from builds import make_run
from hub_fixtures import ORGS, USERS, Hub, commands
from huggingface_hub import EvalResultEntry

from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.evaluating.hub_results import merged
from safetypairs_hf.testing.localhub.server import serve

DATA, MODEL, FILE = "lab/pairs", "alice/guard", ".eval_results/pairs.yaml"


def push(file: str, repo: str = MODEL, data: str = f"{DATA}@1.0.0", *options: str) -> list[str]:
    return ["results", "push", file, repo, "--data", data, *options]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("lab")
    with serve(folder / "hub", USERS, ORGS) as server:
        yield Hub(server, folder)


@pytest.fixture(scope="module")
def released(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mood.parquet, a guard on all pairs of version 1.0.0; 1.1.0 has more. And repos of each kind."""
    folder = tmp_path_factory.mktemp("judged")
    make_run(folder / "small", pairs=12, test_fraction=1.0)
    make_run(folder / "large", pairs=16, test_fraction=1.0)
    evaluate = ["evaluate", "colour-and-clutter", "--data", f"{DATA}@1.0.0", "--out", "mood.parquet"]
    done = commands(
        hub,
        folder,
        ["publish", "small", DATA, "--version", "1.0.0"],
        evaluate,
        [*evaluate[:-1], "part.parquet", "--limit", "3"],
        ["publish", "large", DATA, "--version", "1.1.0"],
    )
    assert [code for code, _ in done] == [0, 0, 0, 0], done
    hub.api().create_repo("alice/app", repo_type="space", space_sdk="static")
    return folder


@pytest.fixture
def judged(hub: Hub, released: Path) -> Path:
    """The same folder, and a model without results."""
    hub.api().delete_repo(MODEL, missing_ok=True)
    hub.api().create_repo(MODEL)
    return released


def held(hub: Hub, revision: str = "main") -> Any:
    path = hub.api().hf_hub_download(MODEL, FILE, revision=revision, cache_dir=hub.cache)
    return yaml.safe_load(Path(path).read_text())


def test_figures_with_the_commit_of_the_version(hub: Hub, judged: Path) -> None:
    api = hub.api()
    (dry, first, again) = commands(
        hub, judged, push("mood.parquet", MODEL, f"{DATA}@1.0.0", "--dry-run"), *[push("mood.parquet")] * 2
    )
    assert dry[0] == first[0] == again[0] == 0
    assert dry[1].endswith(f"would write {FILE} to {MODEL}; nothing was changed\n")
    assert first[1].endswith(f"written: {hub.endpoint}/{MODEL}/blob/main/{FILE}\n")
    assert again[1].endswith("says so already: nothing to do\n")
    assert len(api.list_repo_commits(MODEL)) == 2

    ((_, told),) = commands(hub, judged, ["score", "mood.parquet", "--data", f"{DATA}@1.0.0", "--json"])
    score = json.loads(told)
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(DATA, repo_type="dataset").tags}
    pair, unsafe, safe = held(hub)
    assert pair["dataset"] == {"id": DATA, "task_id": "pair_accuracy", "revision": tags["v1.0.0"]}
    assert pair["value"] == score["pair_accuracy"]
    assert unsafe["dataset"] == {"id": DATA, "task_id": "unsafe_members", "revision": tags["v1.0.0"]}
    assert (unsafe["value"], safe["value"]) == (score["unsafe_recall"], score["safe_specificity"])
    assert safe["notes"] == unsafe["notes"]
    assert unsafe["notes"].startswith(f"pair accuracy {score['pair_accuracy']:.4f} [")
    assert f"|data:{DATA}@1.0.0|split:test|n:12|" in unsafe["notes"]


def test_a_pull_request_needs_no_right_to_write(hub: Hub, judged: Path) -> None:
    refused, asked = commands(
        hub,
        judged,
        push("mood.parquet"),
        push("mood.parquet", MODEL, f"{DATA}@1.0.0", "--pr", "--json"),
        user="bob",
    )
    assert refused == (
        1,
        f"bob has no right to write to {MODEL}; open a pull request with --pr, or use another token",
    )
    assert asked[0] == 0
    pushed = json.loads(asked[1])
    assert pushed["where"] == f"{hub.endpoint}/{MODEL}/discussions/1"
    assert held(hub, "refs/pr/1") == pushed["entries"]
    assert FILE not in hub.api().list_repo_files(MODEL)
    ((code, said),) = commands(hub, judged, push("mood.parquet"), user=None)
    assert (code, said.split(";")[0]) == (1, "no Hub token")


def test_what_is_refused(hub: Hub, judged: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(judged / "mood.parquet")
    pq.write_table(table.slice(0, 23), judged / "half.parquet")
    turned = table.set_column(
        table.column_names.index("reference"), "reference", [[1 - each.as_py() for each in table["reference"]]]
    )
    pq.write_table(turned, judged / "turned.parquet")
    named = json.loads(table.schema.metadata[b"safetypairs"])
    named["guard"]["settings"] = {"class": "ChatVLM", "model": "alice/other"}
    pq.write_table(table.replace_schema_metadata({"safetypairs": json.dumps(named)}), judged / "other.parquet")
    lines = [f"{each},{reference},1" for each in (*range(3),) for reference in (0, 1)]
    (judged / "strange.csv").write_text("\n".join(["pair_id,reference,prediction", *lines]))
    expected = {
        tuple(push("mood.parquet", data=f"{DATA}@1.1.0")): f"has predictions on {DATA}@1.0.0, not on {DATA}@1.1.0",
        tuple(push("mood.parquet", data=f"{DATA}@3.0.0")): f"{DATA} has no 3.0.0; its versions are 1.0.0, 1.1.0",
        tuple(push("mood.parquet", data=DATA)): f"{DATA} names no version",
        tuple(push("mood.parquet", data="./pairs@1.0.0")): "./pairs is a folder",
        tuple(push("mood.parquet", DATA)): f"{DATA} is a dataset; results go to a model",
        tuple(push("mood.parquet", "alice/app")): "alice/app is a space",
        tuple(push("mood.parquet", "alice/gone")): f"no model alice/gone at {hub.endpoint}",
        tuple(push("mood.parquet", "guard")): "'guard' is not a model on the Hub; expected org/name",
        tuple(push("part.parquet")): f"part.parquet lacks 9 of the 12 pairs of test in {DATA}@1.0.0",
        tuple(push("half.parquet")): "a missing half",
        tuple(push("turned.parquet")): "turned.parquet: 12 pairs have other or swapped images compared with",
        tuple(push("other.parquet")): "the predictions are of alice/other, not of alice/guard",
        tuple(push("strange.csv")): f"strange.csv: 3 of 3 pairs are not in {DATA}@1.0.0 ('0', '1', '2')",
        tuple(push("none.parquet")): "none.parquet: there is no such file",
    }
    for (words, message), (code, said) in zip(
        expected.items(), commands(hub, judged, *map(list, expected)), strict=True
    ):
        assert code == 1, words
        assert message in said
        assert "\n" not in said
    assert hub.api().list_repo_files(MODEL) == [".gitattributes"]


def test_other_results_in_the_file_stay() -> None:
    ours = EvalResultEntry("lab/pairs", "pairs", 0.5, dataset_revision="abc")
    there = (
        "- dataset: {id: lab/pairs, task_id: pairs, revision: old}\n  value: 0.1\n"
        "- dataset: {id: other/pairs, task_id: pairs}\n  value: 0.2\n  evaluation_framework: inspect-ai\n"
    )
    assert yaml.safe_load(merged(there, [ours], "x")) == [
        {"dataset": {"id": "lab/pairs", "task_id": "pairs", "revision": "abc"}, "value": 0.5},
        {"dataset": {"id": "other/pairs", "task_id": "pairs"}, "value": 0.2, "evaluation_framework": "inspect-ai"},
    ]
    text = merged(None, [ours], "x")
    assert merged(text, [ours], "x") == text
    for damaged in ("- [", "dataset: 1", "- value: 1", "- error: no\n  filename: x", "3"):
        with pytest.raises(PublishError, match=r"pairs.yaml.* a list of results; correct it or remove it"):
            merged(damaged, [ours], "pairs.yaml")
