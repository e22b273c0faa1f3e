"""Versions on a real Hub server: with it in reach, out of reach, and with the wrong version on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import proxied
from hub_fixtures import ORGS, USERS, Hub
from published import publish
from test_autoload import Installed

from safetypairs_hf.testing.localhub.server import serve

# Runs each call of a script in one process, since importing datasets takes longer than all of them; prints what came.
PRELUDE = """
import json, os, sys
import datasets
from datasets import load_dataset
from safetypairs_hf.dataset.store import open_store
from safetypairs_hf.loading import resolve
from safetypairs_hf.loading.bare_name import register
from safetypairs_hf.loading.load import load
from safetypairs_hf.versions.versions import versions
datasets.disable_progress_bars()
register()
found = []
for call in json.loads(sys.argv[1]):
    try:
        came = eval(call)
        found.append(came if isinstance(came, (int, list, str)) else
                     {k: v.num_rows for k, v in came.items()} if isinstance(came, dict) else came.num_rows)
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
"""


class Lab:
    """The Hub with lab/pairs at v1.0.0, v1.1.0 and an untagged main; lab/closed private, lab/gated gated at v1.0.0."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        api = hub.api()
        for repo, releases in (("lab/pairs", ["1.0.0", "1.1.0"]), ("lab/closed", ["1.0.0"]), ("lab/gated", ["1.0.0"])):
            api.create_repo(repo, repo_type="dataset")
            for version in releases:
                source = publish(folder / repo, version)
                api.upload_folder(repo_id=repo, folder_path=source, repo_type="dataset", commit_message=version)
                api.create_tag(repo, tag=f"v{version}", repo_type="dataset")
        main = publish(folder / "main", "1.0.0")
        api.upload_folder(repo_id="lab/pairs", folder_path=main, repo_type="dataset", delete_patterns="*")
        api.create_repo("lab/empty", repo_type="dataset")
        api.update_repo_settings("lab/closed", repo_type="dataset", private=True)
        api.update_repo_settings("lab/gated", repo_type="dataset", gated="auto")

    def came(self, home: Path, calls: list[str], **environment: str) -> list[Any]:
        """What each call gave, on the machine whose HF_HOME is `home`, by a user without a token."""
        home.mkdir(exist_ok=True)
        env = self.hub.env(None) | {"HF_HOME": str(home), "SAFETYPAIRS_CONFIG": str(home / "none.json"), **environment}
        command = [sys.executable, "-c", PRELUDE, json.dumps(calls)]
        env["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with serve(folder / "hub", USERS, ORGS) as server:
        yield Lab(Hub(server, folder), folder / "source")


@pytest.fixture(scope="module")
def stocked(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A machine on which some versions are prepared, made once for each set of them."""
    made: dict[tuple[str, ...], Path] = {}

    def machine(*versions: str) -> Path:
        if versions not in made:
            made[versions] = tmp_path_factory.mktemp("machine")
            calls = [f"load('lab/pairs', {version!r}, split='test')" for version in versions]
            lab.came(made[versions], [*calls, "resolve.resolve('lab/pairs', '1.0.0')"])
        return made[versions]

    return machine


def test_online_each_version_config_split(lab: Lab, tmp_path: Path) -> None:
    wanted = {
        "load('lab/pairs', '1.0.0')": {"test": 3, "train": 1},
        "load('lab/pairs', 'v1.1.0', split='test')": 7,
        "load('lab/pairs', split='test')": 7,  # the newest version, not main
        "load('lab/pairs', '1.1.0', config='violence')": {"test": 4},
        "len(list(load('lab/pairs', '1.0.0', split='test', streaming=True)))": 3,
        "len(list(load('lab/pairs', config='by_category', split='hate', streaming=True)))": 3,
        "load('lab/pairs', '1.0.0', split='test', columns=['pair_id']).column_names": ["pair_id"],
        "load('lab/closed', '1.0.0', split='train', token='hf_alice')": 1,
        "str(load('lab/pairs', split='test').version)": "1.1.0",
    }
    refused = refusals(lab)
    came = lab.came(tmp_path / "m", [*wanted, *refused])
    assert dict(zip([*wanted, *refused], came, strict=True)) == wanted | refused


def refusals(lab: Lab) -> dict[str, str]:
    where = lab.hub.endpoint
    hidden = (
        f"HubUnavailable: no dataset {{}} at {where} that this token may see; check the name, or log in: hf auth login"
    )
    gated = f"HubUnavailable: lab/gated is gated: ask for access at {where}/datasets/lab/gated, then try again"
    return {
        "load('lab/pairs', '2.0.0')": "VersionMismatch: lab/pairs has no v2.0.0; its versions are 1.0.0, 1.1.0",
        "load('lab/nothing')": hidden.format("lab/nothing"),
        "load('lab/closed', '1.0.0')": hidden.format("lab/closed"),
        "load('lab/closed', '1.0.0', token='hf_bob')": hidden.format("lab/closed"),
        "load('lab/pairs', token='hf_wrong')": f"HubUnavailable: {where} refused the token; "
        "set HF_TOKEN to a valid one, or log in: hf auth login",
        "load('lab/gated', '1.0.0')": gated,
        "load('lab/gated', '1.0.0', token='hf_bob')": gated,
        "load('lab/empty')": "VersionMismatch: lab/empty has no version: no tag like v1.0.0; "
        "load a branch with load_dataset, revision=",
        "load('lab/pairs', '1.0.0', config='violence')": "SafetyPairsError: lab/pairs has no config 'violence'; "
        "there are default, by_category, hate",
        "load('lab/pairs', '1.0.0', split='dev')": "SafetyPairsError: lab/pairs default has no split 'dev'; "
        "there are test, train",
    }


def test_bare_name_online(lab: Lab, tmp_path: Path) -> None:
    wanted = {
        "load_dataset('safetypairs', split='test')": 7,
        "load_dataset('safetypairs', split='test', revision='v1.0.0')": 3,
        "load_dataset('safetypairs', split='test', revision='main')": 3,
        "load_dataset('safetypairs', 'hate', num_proc=2)": {"test": 3, "train": 1},
        "len(list(load_dataset('safetypairs', split='test', streaming=True)))": 7,
        "datasets.get_dataset_config_names('safetypairs')": ["default", "by_category", "hate", "violence"],
        "datasets.get_dataset_split_names('safetypairs', 'violence')": ["test"],
        "load_dataset('safetypairs', revision='v3.0.0')": "VersionMismatch: lab/pairs has no v3.0.0; "
        "its versions are 1.0.0, 1.1.0",
        "os.environ.update(SAFETYPAIRS_VERSION='1.0.0') or load_dataset('safetypairs', split='test')": 3,
        "load_dataset('safetypairs', split='test', revision='v1.1.0')": 7,
        "load(split='test')": 3,
        "load('lab/pairs', split='test')": 7,  # a version that is set belongs to the repo that is set
    }
    assert (
        dict(zip(wanted, lab.came(tmp_path / "m", list(wanted), SAFETYPAIRS_REPO="lab/pairs"), strict=True)) == wanted
    )


OUT_OF_REACH = [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]
WAYS = ["offline mode", "no server"]


@pytest.mark.parametrize("environment", OUT_OF_REACH, ids=WAYS)
def test_out_of_reach_the_right_version_is_taken(
    lab: Lab, stocked: Callable[..., Path], environment: dict[str, str]
) -> None:
    wanted = {
        "load('lab/pairs', '1.0.0', split='test')": 3,
        "load('lab/pairs', '1.1.0')": {"test": 7, "train": 1},
        "load('lab/pairs', split='test')": 7,
        "len(list(load('lab/pairs', '1.0.0', split='test', streaming=True)))": 3,
        "load_dataset('safetypairs', split='test', revision='v1.0.0')": 3,
        "load_dataset('safetypairs', split='test')": 7,
        "datasets.get_dataset_config_names('safetypairs')": ["default"],
        "load('lab/pairs', '1.0.0', config='hate')": "HubUnavailable: lab/pairs hate: the Hub cannot be reached; "
        "prepared on this machine: default",
        "load('lab/pairs', '1.0.0', split='test', columns=['pair_id'])": "HubUnavailable: the Hub cannot be reached; "
        "this machine has whole configs only: leave out columns",
    }
    machine = stocked("1.1.0", "1.0.0")  # the last one that was prepared is not the newest
    came = lab.came(machine, list(wanted), SAFETYPAIRS_REPO="lab/pairs", **environment)
    assert dict(zip(wanted, came, strict=True)) == wanted


@pytest.mark.parametrize("environment", OUT_OF_REACH, ids=WAYS)
def test_out_of_reach_another_version_is_refused(
    lab: Lab, stocked: Callable[..., Path], environment: dict[str, str]
) -> None:
    found = "but the Hub cannot be reached; prepared on this machine: 1.1.0"
    only = f"VersionMismatch: lab/pairs v1.0.0 was asked for, {found}"
    calls = [
        "load('lab/pairs', '1.0.0', split='test')",
        "load('lab/pairs', '1.0.0', split='test', streaming=True)",
        "load_dataset('safetypairs', split='test', revision='v1.0.0')",
        "load('lab/pairs', '1.1.0', split='test')",
        "load('lab/pairs', '3.0.0')",
        "load_dataset('safetypairs', revision='v3.0.0')",
        "load('lab/other', '1.0.0')",
        "load('lab/other')",
    ]
    came = lab.came(stocked("1.1.0"), calls, SAFETYPAIRS_REPO="lab/pairs", **environment)
    assert came[:4] == [only, only, only, 7]
    unknown = "VersionMismatch: lab/pairs v3.0.0 is not among the versions known on this machine (1.0.0, 1.1.0); "
    assert [message[: len(unknown)] for message in came[4:6]] == [unknown, unknown]
    assert [message.split(":")[0] for message in came[6:]] == ["HubUnavailable", "HubUnavailable"]


def test_hub_that_goes_away_between_lookup_and_load(lab: Lab, stocked: Callable[..., Path]) -> None:
    """Here datasets itself falls back on what it prepared last; the commit tells."""
    gone = "[setattr(datasets.config, 'HF_HUB_OFFLINE', True)] and "
    calls = [
        "str(resolve.resolve('lab/pairs', '1.0.0').reachable)",
        f"{gone}load_dataset('lab/pairs', revision=resolve.resolve('lab/pairs', '1.0.0'), split='test')",
        f"{gone}load_dataset('lab/pairs', revision='v1.0.0', name='default', split='test')",
    ]
    came = lab.came(stocked("1.1.0"), calls)
    assert came[0] == "True"
    assert came[1].endswith("prepared on this machine: 1.1.0")
    assert came[2] == 7  # what plain datasets answers to the same question: the hazard this is about


FIRST = "load('lab/pairs', '1.0.0', split='test')"


@pytest.mark.parametrize("part", ["/refs", "GET /api/datasets/lab/pairs/revision/", "GET /datasets/"])
def test_one_429_is_waited_out(lab: Lab, tmp_path: Path, part: str) -> None:
    """At the versions, at what `datasets` asks first, and at the first file, on a machine with nothing of it."""
    with proxied(lab.hub.endpoint) as proxy:
        proxy.arm("429", part=part)
        assert lab.came(tmp_path / "m", [FIRST], HF_ENDPOINT=proxy.endpoint) == [3]
        again = [request for request in proxy.seen if part in request]
    assert again[0] == again[1]


@pytest.mark.parametrize("part", ["/refs", "README.md", "/revision/"])
def test_a_hub_that_keeps_refusing_is_as_one_out_of_reach(lab: Lab, stocked: Callable[..., Path], part: str) -> None:
    with proxied(lab.hub.endpoint) as proxy:
        proxy.arm("refusing", part=part)
        calls = [FIRST, "load('lab/pairs', split='test')", "load_dataset('safetypairs', split='test')"]
        came = lab.came(stocked("1.1.0", "1.0.0"), calls, HF_ENDPOINT=proxy.endpoint, SAFETYPAIRS_REPO="lab/pairs")
        assert came == [3, 7, 7]


def test_a_hub_that_keeps_refusing_with_nothing_prepared(
    lab: Lab, stocked: Callable[..., Path], tmp_path: Path
) -> None:
    with proxied(lab.hub.endpoint) as proxy:
        proxy.arm("refusing")
        only = lab.came(stocked("1.1.0"), [FIRST], HF_ENDPOINT=proxy.endpoint)
        nothing = lab.came(tmp_path / "m", [FIRST], HF_ENDPOINT=proxy.endpoint)
        said = f"{proxy.endpoint} answered 429 about lab/pairs: We had to rate limit you. Please try again in an hour."
    assert only == [
        "VersionMismatch: lab/pairs v1.0.0 was asked for, "
        "but the Hub cannot be reached; prepared on this machine: 1.1.0"
    ]
    assert nothing == [f"HubUnavailable: {said}"]


def test_an_endpoint_with_a_slash_at_its_end(lab: Lab, tmp_path: Path) -> None:
    wanted = {
        FIRST: 3,
        "len(list(load('lab/pairs', '1.1.0', split='test', streaming=True)))": 7,
        "load_dataset('safetypairs', 'hate', split='test')": 3,
        "datasets.get_dataset_split_names('safetypairs', 'violence')": ["test"],
        "datasets.config.HUB_DATASETS_URL": f"{lab.hub.endpoint}/datasets/{{repo_id}}/resolve/{{revision}}/{{path}}",
    }
    slash = {"HF_ENDPOINT": f"{lab.hub.endpoint}/", "SAFETYPAIRS_REPO": "lab/pairs"}
    assert dict(zip(wanted, lab.came(tmp_path / "m", list(wanted), **slash), strict=True)) == wanted


def test_names_with_a_version_and_the_bare_name(lab: Lab, tmp_path: Path) -> None:
    both = (
        "SafetyPairsError: lab/pairs is a folder here and could be a Hub id too; for the folder write ./lab/pairs; for "
        "the dataset on the Hub run this in another folder"
    )
    wanted = {
        "load('lab/pairs@1.0.0', split='test')": 3,
        "load('lab/pairs/', 'v1.0.0', split='test')": 3,
        "load('safetypairs', split='test')": 7,
        "load('safetypairs@1.0.0', split='test')": 3,
        "load('safetypairs', '1.0.0', split='test')": 3,
        "load('lab/pairs@1.0.0', '1.1.0')": "VersionMismatch: lab/pairs@1.0.0 names one version, and 1.1.0 was given "
        "separately; leave one of them out",
        "load('lab/pairs@main')": "VersionMismatch: 'main' is not a version; expected three whole numbers such as "
        "lab/pairs@1.2.0, or a folder ./lab/pairs@main",
        "os.makedirs('lab/pairs') or load('lab/pairs', '1.0.0')": both,
        "load_dataset('safetypairs')": both,
    }
    came = lab.came(tmp_path / "m", list(wanted), SAFETYPAIRS_REPO="lab/pairs", SAFETYPAIRS_VERSION="1.1.0")
    assert dict(zip(wanted, came, strict=True)) == wanted


@pytest.mark.parametrize("way", OUT_OF_REACH, ids=WAYS)
def test_out_of_reach_by_autoload_with_no_import_of_ours(
    lab: Lab, stocked: Callable[..., Path], tmp_path: Path, way: dict[str, str]
) -> None:
    machine, installed = stocked("1.1.0"), Installed(tmp_path / "env")
    code = "from datasets import load_dataset; print('rows', len(load_dataset('safetypairs', split='test')))"
    env = lab.hub.env(None) | {"HF_HOME": str(machine), "HF_HUB_OFFLINE": "", **way}
    for version, code_of_exit, said in (
        ("1.1.0", 0, "rows 7"),
        (
            "1.0.0",
            1,
            "VersionMismatch: lab/pairs v1.0.0 was asked for, but the Hub cannot be reached; prepared on this",
        ),
    ):
        assert installed.autoload("on", "--repo", "lab/pairs", "--version", version).returncode == 0
        done = installed.run("-c", code, **env)
        assert done.returncode == code_of_exit, done.stderr
        assert said in (done.stderr.splitlines() or [""])[-1] + done.stdout
