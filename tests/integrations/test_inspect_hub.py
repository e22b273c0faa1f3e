"""eval.yaml on a Hub, in inspect-ai: what its own runner does with it, and what our `hub_task` does.

The Hub is the local one. inspect-ai 0.3.285 reads our file, loads our data and stops at the image: it hands the value
of the column on as it is, and that must be a text (inspect_ai/_eval/task/hf.py, line 272).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")

import yaml
from answers import PAIRS, word_of
from builds import make_run
from chat_api import completion
from hub_fixtures import ORGS, USERS, Hub
from inspect_ai._eval.task.hf import HFTask
from loopback import MODEL, answering
from page_commands import run_block
from test_inspect import figures, logs_of, started

import safetypairs_hf as sp
from safetypairs_hf.evaluating.hub_results import TASKS
from safetypairs_hf.integrations.shared import data_uri
from safetypairs_hf.testing.localhub.server import serve

REPO, COPY = "lab/pairs", "lab/pairs-as-text"
WORDS = {"Yes": "unsafe", "No.": "Safe.", "I would rather not": "I would rather not"}
IDS = ("unsafe_members", "safe_members")


def say(image: Any) -> dict[str, Any]:
    return completion(WORDS[word_of(image)])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with the squares in REPO, as `safetypairs publish` puts them there."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "home").mkdir()
    make_run(folder / "run", pairs=PAIRS, test_fraction=1.0)
    with serve(folder / "hub", USERS, ORGS) as server:
        hub = Hub(server, folder / "home")
        code = "import sys; from safetypairs_hf.cli import main; sys.argv[1:] = {}; main()"
        hub.run_python(code.format(["publish", str(folder / "run"), REPO, "--version", "1.0.0"]))
        yield hub


@pytest.fixture(scope="module")
def files(lab: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    lab.api().snapshot_download(REPO, repo_type="dataset", local_dir=folder, cache_dir=lab.cache)
    return folder


def score_of(folder: Path) -> Any:
    """`score` of the same answers, over the same images."""
    rows = list(sp.images(sp.load(str(folder), split="test")))
    verdicts = {"unsafe": 1, "Safe.": 0}
    return sp.score([{**row, "prediction": verdicts.get(WORDS[word_of(row.pop("image"))])} for row in rows])


def copy_as_text(hub: Hub, folder: Path) -> None:
    """The same data in another repo: each image as a data URI in a text column, eval.yaml without the pairs."""
    from datasets import Dataset, load_dataset

    pairs = load_dataset(str(folder), split="test")
    plain = Dataset.from_dict(
        {
            "policy": list(pairs["policy"]),
            **{name: [data_uri(image) for image in pairs[name]] for name in ("unsafe_image", "safe_image")},
        }
    )
    plain.to_parquet(str(folder / "text.parquet"))
    held = yaml.safe_load((folder / "eval.yaml").read_text())
    (folder / "members.yaml").write_text(yaml.safe_dump({**held, "tasks": held["tasks"][1:]}))
    hub.api().create_repo(COPY, repo_type="dataset")
    for name, path in (("text.parquet", "data/test.parquet"), ("members.yaml", "eval.yaml")):
        hub.api().upload_file(path_or_fileobj=folder / name, path_in_repo=path, repo_id=COPY, repo_type="dataset")


def test_inspect_takes_our_tasks(files: Path) -> None:
    held = yaml.safe_load((files / "eval.yaml").read_text())
    pair, *members = held["tasks"]
    assert tuple(HFTask.model_validate(task).id for task in members) == IDS
    with pytest.raises(ValueError, match="field_spec"):  # so inspect cannot report another figure under its name
        HFTask.model_validate(pair)


def test_its_own_runner_stops_at_the_task_of_pairs(lab: Hub, tmp_path: Path) -> None:
    before = len(lab.server.log)
    with answering(say) as api:
        done = started(tmp_path, api, (f"hf/{REPO}/unsafe_members",), lab.env())
    assert done.returncode != 0
    assert "validation errors for HFTask" in done.stderr and "field_spec" in done.stderr
    assert api.requests == []
    read = [entry.path for entry in lab.server.log[before:]]
    assert any(path.endswith("/eval.yaml") for path in read) and not any(path.endswith(".parquet") for path in read)


def test_its_own_runner_takes_them_with_the_images_as_text(lab: Hub, files: Path, tmp_path: Path) -> None:
    copy_as_text(lab, files)
    with answering(say) as api:
        logs = logs_of(tmp_path, api, (f"hf/{COPY}",), lab.env())
    found = {log["eval"]["task"].rpartition("/")[2]: figures(log)["mean"] for log in logs}
    score = score_of(files)
    assert found == {name: TASKS[name](score) for name in IDS}
    assert len(api.requests) == 2 * PAIRS


@pytest.mark.parametrize("name", IDS)
def test_hub_task_gives_the_figure_that_results_push_writes(lab: Hub, files: Path, tmp_path: Path, name: str) -> None:
    """By the command of docs/integrations.md, typed as it is there."""
    env = lab.env() | {"INSPECT_DISPLAY": "none", "INSPECT_LOG_FORMAT": "json"}
    with answering(say) as api:
        places = {"my-org/safetypairs@1.2.0": f"{REPO}@1.0.0", "unsafe_members": name}
        run_block(0, __file__, tmp_path, env, places | {"http://localhost:8000/v1": api.url, "NAME": MODEL})
    (log,) = (json.loads(file.read_text()) for file in (tmp_path / "logs").glob("*.json"))
    assert len(api.requests) == PAIRS
    assert figures(log)["mean"] == TASKS[name](score_of(files))
    assert 0 < figures(log)["mean"] < 1
    system, asked = api.requests[0]["messages"]
    assert system["role"] == "system" and "An image should not show" in system["content"]
    assert "Does the image violate the safety policy" in asked["content"][0]["text"]


def test_an_unknown_task_is_one_line(lab: Hub, tmp_path: Path) -> None:
    words = ("safetypairs_hf/hub_task", "-T", f"data={REPO}", "-T", "id=members")
    with answering(say) as api:
        done = started(tmp_path, api, words, lab.env())
    assert done.returncode != 0
    assert (
        f"eval.yaml of {REPO} has no task 'members' for inspect-ai; it has unsafe_members, safe_members" in done.stderr
    )
