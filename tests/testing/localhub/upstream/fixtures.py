"""The conftest.py of huggingface_hub's tests, as far as tests against a Hub need it: upstream does not publish its own.

It is copied beside those tests, and also writes the outcome of each, in order, to the file that $OUTCOMES names.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from huggingface_hub import HfApi, RepoUrl, constants

from .testing_constants import TOKEN  # type: ignore[import-not-found]
from .testing_utils import repo_name  # type: ignore[import-not-found]

RepoFactory = Callable[..., RepoUrl]
MARKS = ("api", "transfer", "inference", "xet", "no_xet", "production", "deprecated", "git_lfs", "vcr")
NEVER = ("production", "inference", "vcr", "git_lfs")  # they need huggingface.co, its recorded answers, or git-lfs
WORST_LAST = ("passed", "skipped", "failed")

outcomes: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: upstream's")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    off = os.environ.get("HF_HUB_DISABLE_XET") == "1"
    for item in items:
        for mark in (*NEVER, "xet" if off else "no_xet"):
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(mark))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Tell the hub that the next test begins; its log then shows which requests are whose."""
    with suppress(OSError):
        urllib.request.urlopen(f"{constants.ENDPOINT}/test/{len(outcomes)}")
    outcomes[item.nodeid] = "passed"
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    outcomes[report.nodeid] = max(outcomes[report.nodeid], report.outcome, key=WORST_LAST.index)


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(outcomes))


@pytest.fixture(scope="session")
def api() -> HfApi:
    return HfApi(endpoint=constants.ENDPOINT, token=TOKEN)


@pytest.fixture
def repo_factory(api: HfApi) -> Iterator[RepoFactory]:
    """Make repos that are gone after the test."""
    made: list[tuple[str, str | None, str]] = []

    def make(repo_type: str = "model", repo_id: str | None = None, token: str = TOKEN, **options: object) -> RepoUrl:
        url = api.create_repo(repo_id or repo_name(), repo_type=repo_type, token=token, **options)  # type: ignore[arg-type]
        made.append((url.repo_id, url.repo_type, token))
        return url

    yield make
    for repo_id, repo_type, token in made:
        api.delete_repo(repo_id, repo_type=repo_type, token=token, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi) -> Iterator[str]:
    repo_id = f"{api.whoami()['name']}/{repo_name()}"
    yield repo_id
    api.delete_repo(repo_id, missing_ok=True)


@pytest.fixture
def fx_cache_dir(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.cls.cache_dir = tmp_path
