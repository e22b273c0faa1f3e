"""Harm done to a publish on its way to the Hub. The whole table is `benchmarks/faults.py`; here is a sample of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import ONCE
from fault_table import ANSWER_SECONDS, REPO, Bench, Release, Said, Scenario, bench, run_cases, scenarios
from huggingface_hub import HfApi, constants

from safetypairs_hf.core.errors import HubUnavailable, PublishError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.publishing.hub_target import UNSURE, UNTAGGED, HubTarget
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.purge import History
from safetypairs_hf.publishing.target import UNCHANGED


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    return scenarios(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def second(both: list[Scenario], tmp_path: Path) -> Iterator[Bench]:
    """A hub that holds 1.0.0; `publish(scenario.release)` makes 2.0.0 of it."""
    with bench(tmp_path) as mine:
        mine.prepare(both[1])
        mine.restore()
        yield mine


def place(requests: list[str], part: str) -> int:
    return next(number for number, request in enumerate(requests, 1) if part in request)


def test_harm_to_a_first_release(both: list[Scenario], tmp_path: Path) -> None:
    def choose(requests: list[str]) -> list[tuple[str, int]]:
        create, upload, commit = (place(requests, part) for part in ("repos/create", "PUT /lfs/", "/commit/"))
        return [
            ("expired", create),
            ("lost answer", create),
            ("after", create),
            ("after", upload),
            ("truncated", upload),
            ("before", commit),
            ("full disk", 0),
        ]

    outcomes = run_cases(both[0], tmp_path, choose, workers=2)
    assert [outcome for outcome in outcomes if outcome.kind == "lost" or outcome.again] == []
    kinds = {(outcome.fault, outcome.what.split("/")[-1][:6]): outcome.kind for outcome in outcomes}
    assert kinds[("expired", "create")] == kinds[("after", "create")] == kinds[("before", "main")] == "resumed"
    assert kinds[("lost answer", "create")] == "complete"
    assert len(outcomes) == 7


def test_harm_to_a_second_release(both: list[Scenario], tmp_path: Path) -> None:
    def choose(requests: list[str]) -> list[tuple[str, int]]:
        commit, tag, batch = (place(requests, part) for part in ("/commit/", "/tag/", "/batch"))
        once = [(fault, commit) for fault in ONCE]
        return [*once, ("after", commit), ("expired", tag), ("lost answer", tag), ("503", batch), ("truncated", 2)]

    outcomes = run_cases(both[1], tmp_path, choose, workers=2)
    assert [outcome for outcome in outcomes if outcome.kind == "lost" or outcome.again] == []
    kinds = {(o.fault, "tag" if "/tag/" in o.what else "commit" if "/commit/" in o.what else ""): o for o in outcomes}
    assert all(kinds[(fault, "commit")].kind == "complete" for fault in ONCE)
    assert (kinds[("after", "commit")].kind, kinds[("expired", "tag")].kind) == ("tagged", "tagged")
    assert kinds[("expired", "tag")].first.text.endswith(
        "refused the token; set HF_TOKEN to a valid one, or log in: hf auth login; the new version is there, but not "
        "its tag; run the same command again to set it"
    )


def test_harm_to_uploads_by_xet(both: list[Scenario], tmp_path: Path) -> None:
    def choose(requests: list[str]) -> list[tuple[str, int]]:
        token, xorb, shard = (place(requests, part) for part in ("xet-write-token", "/xorbs/", "/v1/shards"))
        once = [("reset", token), ("503", xorb), ("before", shard), ("after", shard), ("lost answer", shard)]
        return [*once, ("expired", token), ("full disk", 0)]

    outcomes = run_cases(both[1], tmp_path, choose, xet=True, workers=2)
    assert [outcome for outcome in outcomes if outcome.kind == "lost"] == []
    said = {outcome.fault: outcome.first.text for outcome in outcomes}
    assert len(said) == len(outcomes) == 7
    assert "refused the token; set HF_TOKEN to a valid one" in said["expired"]
    assert "cannot be stored on this machine (File too large); HF_HOME sets where the cache is" in said["full disk"]


def test_a_hub_that_stalls_for_ever_is_left(second: Bench) -> None:
    second.proxy.arm("stalled", place(second.requests, "/commit/"))
    said = second.publish(second.scenario.release, patience=ANSWER_SECONDS)
    assert said == Said(
        1,
        f"{second.proxy.endpoint} gave no answer about {REPO} in 2 seconds; try again later; it is not known "
        "whether the new version arrived; run the same command again, which checks and continues",
    )
    second.proxy.arm("")
    assert second.state() == second.before
    assert (second.publish(second.scenario.release), second.state()) == (Said(0, ""), second.want)


class Interrupted(HfApi):
    """A client that Ctrl-C reaches in one request, before it is sent or before its answer is read."""

    def __init__(self, endpoint: str, request: str, arrives: bool) -> None:
        super().__init__(endpoint, token="hf_alice")
        self.request, self.arrives = request, arrives

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in ("request", "arrives") or name != self.request:
            return found

        def ask(*arguments: Any, **named: Any) -> Any:
            if self.arrives:
                found(*arguments, **named)
            raise KeyboardInterrupt

        return ask


def test_a_release_that_is_interrupted_says_how_it_stands(second: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # it would remember what an earlier hub had
    release = second.scenario.release
    for request, arrives, standing in (
        ("whoami", True, UNCHANGED),
        ("create_commit", False, UNSURE),
        ("create_commit", True, UNSURE),
        ("create_tag", False, UNTAGGED),
    ):
        second.restore()
        target = HubTarget(REPO, api=Interrupted(second.server.endpoint, request, arrives))
        with pytest.raises(KeyboardInterrupt):
            publish(open_run(release.run), target, parse(release.version), replace=release.replace)
        assert target.standing() == standing, request
        state = second.state()
        landed = request == "create_tag" or (request, arrives) == ("create_commit", True)
        assert len(state.commits) - len(second.before.commits) == landed, request
        assert state.tags == second.before.tags, request
        assert (second.publish(release), second.state()) == (Said(0, ""), second.want), request


def test_of_two_publishers_one_wins(both: list[Scenario], second: Bench) -> None:
    """The first is held at its commit until the second has published."""
    other = Release(both[0].release.run, "1.0.1")
    second.proxy.arm("hold", place(second.requests, "/commit/"), lambda: won.append(second.direct(other)))
    won: list[Said] = []
    late = second.publish(second.scenario.release)
    assert won == [Said(0, "")]
    assert late == Said(1, f"somebody else published to {REPO} meanwhile; nothing was changed: run it again")
    state = second.state()
    assert state.commits[1:] == ("1.0.0: 4 pairs added", "1.0.1: card and metadata")
    assert state.tags == {"v1.0.0": 1, "v1.0.1": 2}
    assert second.publish(second.scenario.release) == Said(0, "")
    assert second.state().tags == {"v1.0.0": 1, "v1.0.1": 2, "v2.0.0": 3}


def test_a_release_that_was_stopped_before_its_tag_gets_it_with_the_next_one(second: Bench) -> None:
    second.api.delete_tag(REPO, tag="v1.0.0", repo_type="dataset")
    assert second.publish(second.scenario.release) == Said(0, "")
    assert second.state() == second.want


def test_a_tag_that_moved_is_refused(second: Bench) -> None:
    second.api.delete_tag(REPO, tag="v1.0.0", repo_type="dataset")
    first = second.api.list_repo_commits(REPO, repo_type="dataset")[-1].commit_id
    second.api.create_tag(REPO, tag="v1.0.0", revision=first, repo_type="dataset")
    moved = second.state()
    for release in (second.scenario.release, second.scenario.before[0]):
        assert second.publish(release) == Said(
            1,
            f"tag v1.0.0 of {REPO} was moved: it names commit {first[:7]}, which is not version 1.0.0; set it back or "
            "delete it, then run again",
        )
    assert second.state() == moved


def test_a_tag_of_the_new_name_is_refused_before_anything_is_sent(second: Bench) -> None:
    second.api.create_tag(REPO, tag="v2.0.0", repo_type="dataset")
    said = second.publish(second.scenario.release)
    assert said.code == 1
    assert said.text.startswith(f"{REPO} already has a tag v2.0.0, on commit ")
    assert not [request for request in second.proxy.seen if request.startswith(("PUT", "POST"))]
    assert second.state().commits == second.before.commits


def test_settings_that_the_hub_ignores_stop_the_release_before_data(second: Bench) -> None:
    second.proxy.arm("swallow settings")
    target = HubTarget(REPO, gated="manual", private=True, api=HfApi(second.proxy.endpoint, token="hf_alice"))
    target.head()
    with pytest.raises(PublishError, match=r"but it is not private and gated \(manual\); nothing was uploaded"):
        target.begin(parse("2.0.0"))
    assert [request for request in second.proxy.seen if "preupload" in request] == []
    assert second.state() == second.before
    second.proxy.arm("")
    target.settle()
    info = second.api.dataset_info(REPO)
    assert (info.private, info.gated) == (True, "manual")


def test_a_history_that_could_not_be_read_is_not_taken_for_a_clean_one(second: Bench) -> None:
    """Else a purge would pass over the commits that hold what was taken down."""
    second.proxy.arm("down", part="manifest.parquet")
    history = History(REPO, HfApi(second.proxy.endpoint, token="hf_alice"))
    with pytest.raises(HubUnavailable, match="cannot be reached"):
        history.traces({("0" * 64, "0" * 64)})


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_patience_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SAFETYPAIRS_HUB_TIMEOUT", text)
    with pytest.raises(HubUnavailable, match="expected a number of seconds, such as 120"):
        HubTarget(REPO).head()
