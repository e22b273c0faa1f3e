"""The published repo, the script and the class: the same rows with datasets 2.21.0, 3.6.0, 4.0.0 and 5.2.0.

Each has its own environment (installed.py) and its own HF_HOME; the Hub is the local one, and what it holds was put
there by `safetypairs publish`. The rows expected are read from the repo's files by pyarrow alone.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import make_run
from hub_fixtures import ORGS, USERS, Hub
from installed import VERSIONS, python
from PIL import Image

from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.taxonomy.nine import SLUGS
from safetypairs_hf.testing.localhub.server import serve

pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[2] / "loading_script" / "safetypairs.py"
REPO = "lab/safetypairs"
CONFIGS = ("default", "by_category", "hate")
Rows = dict[str, list[dict[str, Any]]]
# The oldest and the newest client stand for those between them.
BETWEEN = VERSIONS[1:-1]
every_client = pytest.mark.parametrize(
    "version", [pytest.param(version, marks=[pytest.mark.thorough] * (version in BETWEEN)) for version in VERSIONS]
)


class Lab:
    """A Hub that holds 1.0.0 (five pairs) and 1.1.0 (thirty), a folder of each version's files, and four clients."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        for version, pairs in (("1.0.0", 5), ("1.1.0", 30)):
            make_run(folder / f"run-{version}", pairs=pairs, test_fraction=0.5)
            self.publish(version, REPO)
            files = {"repo_type": "dataset", "revision": f"v{version}", "cache_dir": folder / "reader"}
            hub.api().snapshot_download(REPO, local_dir=folder / version, **files)

    def publish(self, version: str, target: str) -> None:
        words = ["publish", str(self.folder / f"run-{version}"), target, "--version", version]
        self._run([sys.executable, "-m", "safetypairs_hf", *words], self.hub.env())

    def ask(self, version: str, *jobs: dict[str, Any], **env: str) -> list[dict[str, Any]]:
        """What the client with that version of `datasets` answers to each job."""
        home = self.folder / f"home-{version}"
        client = Path(__file__).with_name("client.py")
        command = [str(python(version)), str(client), json.dumps(jobs)]
        installed, answers = json.loads(self._run(command, {**self.hub.env(), "HF_HOME": str(home), **env}))
        assert (installed, len(answers)) == (version, len(jobs))
        return list(answers)

    def rows(self, version: str, config: str) -> Rows:
        """The rows of a published config, read from its files."""
        rows: Rows = {}
        for file in sorted((self.folder / version / "data").rglob("*.parquet")):
            category, split = file.parts[-2], file.parts[-3]
            name = category if config == "by_category" else split
            if config in ("default", category) or (config == "by_category" and split == "test"):
                rows.setdefault(name, []).extend(map(_plain, pq.read_table(file).to_pylist()))
        return rows

    def _run(self, command: list[str], env: dict[str, str]) -> str:
        options: Any = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 200}
        done = subprocess.run(command, env=env, cwd=self.folder, **options)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()[-1]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """As in client.py."""
    for name in ("unsafe_image", "safe_image"):
        data = row[name]["bytes"]
        pixels = Image.open(io.BytesIO(data)).tobytes()
        row[name] = [hashlib.sha256(part).hexdigest() for part in (data, pixels)]
    return row


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "home").mkdir()
    with serve(folder / "hub", USERS, ORGS) as server:
        yield Lab(Hub(server, folder / "home"), folder)


def both(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [job, {**job, "streaming": True}]


def differing(lab: Lab, version: str, jobs: list[tuple[dict[str, Any], str]]) -> list[Any]:
    """The jobs whose answer is not exactly the rows of the version that is given beside them."""
    answers = lab.ask(version, *(job for job, _ in jobs))
    return [
        (job, {key: answer[key] for key in ("error", "version") if key in answer})
        for (job, release), answer in zip(jobs, answers, strict=True)
        if answer != {"rows": lab.rows(release, job.get("config") or "default"), "version": release}
    ]


def test_what_is_published_is_what_the_tests_below_need(lab: Lab) -> None:
    assert set(lab.rows("1.1.0", "hate")) == {"test", "train"}
    assert sum(map(len, lab.rows("1.0.0", "default").values())) == 5
    assert set(lab.rows("1.1.0", "by_category")) == set(SLUGS) > set(lab.rows("1.0.0", "by_category"))
    row = lab.rows("1.1.0", "hate")["test"][0]
    assert [judge["name"] for judge in row["judges"]] == ["red-judge"]
    assert (lab.folder / "1.0.0" / "loading_script" / "safetypairs.py").read_text() == FILE.read_text()


@every_client
def test_the_repo_loads_though_it_holds_a_script(lab: Lab, version: str) -> None:
    jobs = [
        (job, release or "1.1.0")
        for config in CONFIGS
        for release in (None, "1.0.0")
        for job in both({"way": "repo", "repo": REPO, "config": config, "version": release})
    ]
    assert differing(lab, version, jobs) == []


@every_client
def test_script_and_class_give_the_rows_of_the_version_asked_for(lab: Lab, version: str) -> None:
    ways = ("script", "class") if version < "4" else ("class",)
    jobs = [
        (job, release or "1.1.0")
        for way in ways
        for config in CONFIGS
        for release in ("1.0.0", None)
        for job in both({"way": way, "file": str(FILE), "repo": REPO, "config": config, "version": release})
    ]
    assert differing(lab, version, jobs) == []


@every_client
def test_with_no_repo_named_it_reads_where_the_file_came_from(lab: Lab, version: str) -> None:
    for release in ("1.0.0", "1.1.0"):
        shutil.copytree(lab.folder / release, lab.folder / f"copy-{version}-{release}")
    way = "script" if version < "4" else "class"
    folder = lab.folder / f"copy-{version}-1.0.0"
    beside = str(folder / "loading_script" / "safetypairs.py")
    jobs = [
        *((job, "1.0.0") for job in both({"way": way, "file": f"{REPO}@v1.0.0"})),
        *((job, "1.1.0") for job in both({"way": way, "file": f"{REPO}@v1.0.0", "version": "v1.1.0"})),
        *((job, "1.1.0") for job in both({"way": way, "file": f"{REPO}@main"})),
        *((job, "1.0.0") for job in both({"way": way, "file": beside, "config": "by_category"})),
        ({"way": way, "file": beside, "repo": f"{folder}/../copy-{version}-1.1.0", "version": "1.1.0"}, "1.1.0"),
    ]
    assert differing(lab, version, jobs) == []


@every_client
def test_a_wrong_name_is_an_error_that_says_so(lab: Lab, version: str) -> None:
    absent = next(slug for slug in SLUGS if not lab.rows("1.0.0", slug))
    folder = str(lab.folder / "1.0.0")
    jobs = {
        f"ValueError: hf://datasets/{REPO}@": {"config": absent, "version": "1.0.0"},
        "ValueError: BuilderConfig 'hats' not found": {"config": "hats"},
        f"ValueError: {REPO} has no version v9.0.0": {"version": "9.0.0"},
        "ValueError: '1' is not a version; expected three whole numbers": {"version": "1"},
        f"ValueError: version 1.1.0 was asked for, and {folder} holds 1.0.0": {"version": "1.1.0", "repo": folder},
        f"ValueError: the folder {lab.folder} holds no release": {"repo": str(lab.folder)},
        "RepositoryNotFoundError": {"repo": "lab/elsewhere"},
    }
    asked = [{"way": "class", "file": str(FILE), "repo": REPO, **job} for job in jobs.values()]
    answers = lab.ask(version, *asked)
    for start, answer in zip(jobs, answers, strict=True):
        assert answer["error"].startswith(start)
    assert answers[0]["error"].endswith(f"holds no pairs for the config '{absent}'")


@every_client
def test_what_was_prepared_never_hides_another_version(lab: Lab, version: str) -> None:
    repo = f"lab/grows-{version}"
    job = {"way": "script" if version < "4" else "class", "file": str(FILE), "repo": repo}
    for release in ("1.0.0", "1.1.0"):
        lab.publish(release, repo)
        assert differing(lab, version, [(job, release), ({**job, "version": release}, release)]) == []
    offline = [{**job, "version": release} for release in ("1.0.0", "1.1.0", "9.0.0")]
    one, two, none = lab.ask(version, *offline, HF_HUB_OFFLINE="1")
    assert (one, two) == tuple(
        {"rows": lab.rows(release, "default"), "version": release} for release in ("1.0.0", "1.1.0")
    )
    assert none["error"].startswith("LocalEntryNotFoundError")


@every_client
def test_at_the_root_of_the_repo_it_would_stop_datasets_4_and_5(lab: Lab, version: str) -> None:
    repo = "lab/rooted-" + version.replace(".", "")
    lab.publish("1.1.0", repo)
    name = f"{repo.split('/')[1]}.py"
    lab.hub.api().upload_file(path_or_fileobj=FILE, path_in_repo=name, repo_id=repo, repo_type="dataset")
    (answer,) = lab.ask(version, {"way": "repo", "repo": repo})
    if version < "4":
        assert "trust_remote_code=True" in answer["error"]  # a script, though there are data files
    else:
        assert answer["error"] == f"RuntimeError: Dataset scripts are no longer supported, but found {name}"


def test_its_constants_are_ours() -> None:
    tree = ast.parse(FILE.read_text())
    values = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert is_hub_id(ast.literal_eval(values["DEFAULT_REPO"]))  # it is alone, so it can't have the package's own set
    assert ast.literal_eval(values["CATEGORIES"]) == SLUGS
