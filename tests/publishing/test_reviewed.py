"""What people decided, published: with the pairs of their run, and of pairs that were published before.

The commands are those of docs/review.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pyarrow.parquet as pq
import pytest
from builds import make_run, tree
from click.testing import CliRunner
from hub_fixtures import Hub, commands, hub  # noqa: F401
from traced_runs import held, problems, put, rows

import safetypairs_hf as sp
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import PublishError, SafetyPairsError
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import failure_rows, manifest, reviews
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.relabel import relabel
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.report.report import report
from safetypairs_hf.reviewing import decisions
from safetypairs_hf.reviewing.decisions import Decision
from safetypairs_hf.versions.diff import diff

pytestmark = [  # of mlcroissant's own parts
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame"),
]

PAIRS = 12
PEOPLE = ("anna-lena", "bertram")  # names that are in no other text


def decided(pair_id: str, reviewer: str, action: str, minute: int, reason: str = "", note: str = "") -> Decision:
    reason = reason or ("still_unsafe" if action == "reject" else "")
    time = f"2024-02-03T02:{minute:02}:00+00:00"
    return Decision(pair_id, action, reason, note, "unsafe", "safe", reviewer, time, 3.0 + minute)


def ids_of(run: RunFolder) -> list[str]:
    return [drawn.entrant.identity.pair_id for drawn in open_finished(run).drawn]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `run`, whose pairs two people reviewed, and `whole`, 1.0.0 of it with the failures.

    Of its pairs both reject the first, they do not agree on the second, both call the third borderline, and a third
    reviewer rejects the second; all others are accepted.
    """
    folder = tmp_path_factory.mktemp("reviewed")
    run = make_run(folder / "run", pairs=PAIRS)
    review(run)
    put(run, folder / "whole", "1.0.0", with_failures=True, probe=False)
    return folder


def review(run: RunFolder) -> None:
    said: dict[int, tuple[str, ...]] = {0: ("reject", "reject"), 1: ("accept", "reject"), 2: ("borderline",) * 2}
    for number, pair_id in enumerate(ids_of(run)):
        for place, action in enumerate(said.get(number, ("accept", "accept"))):
            decisions.append(run, decided(pair_id, PEOPLE[place], action, number, note="told in confidence"))
    decisions.append(run, decided(ids_of(run)[1], "carlotta", "reject", 30, reason="wrong_category"))


@pytest.fixture
def copy(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "whole", tmp_path / "copy"))


@pytest.fixture
def run(work: Path) -> RunFolder:
    return open_run(str(work / "run"))


def read(folder: Path) -> dict[str, reviews.Review]:
    return reviews.load((folder / reviews.NAME).read_bytes(), 1000)


def test_rejected_pairs_stay_out_and_are_kept_with_the_reason(work: Path, run: RunFolder) -> None:
    rejected, ids = ids_of(run)[:2], ids_of(run)
    published = {row["pair_id"]: row for row in rows(work / "whole", "data")}
    assert published.keys() == set(ids[2:])
    images = {
        sha256(pair.safe.data): pair.identity.pair_id
        for pair, _ in open_finished(run).pairs(rejected)
        if pair.identity and pair.safe
    }
    kept = [row for row in rows(work / "whole", "failures") if row["stage"] == "review"]
    said = {
        images[sha256(row["edited_image"]["bytes"])]: (row["reason"], row["detail"], row["generator"]["attempt"])
        for row in kept
    }
    assert said == {
        rejected[0]: ("still_unsafe", "rejected by 2 of 2 reviewers", 0),
        rejected[1]: ("still_unsafe", "rejected by 2 of 3 reviewers", 0),  # of two reasons, the first by the alphabet
    }
    funnel = {stage["stage"]: stage for stage in held(work / "whole").releases[-1]["funnel"]}
    assert (funnel["review"]["in"], funnel["review"]["out"]) == (12, 10)
    assert funnel["review"]["rejected"] == {"still_unsafe": 2}
    assert problems(work / "whole") == []


def test_rows_manifest_and_the_file_of_reviews_say_the_same(work: Path, run: RunFolder) -> None:
    ids, found = ids_of(run), read(work / "whole")
    of_rows = {row["pair_id"]: row["review"] for row in rows(work / "whole", "data")}
    assert of_rows == {pair_id: review.cell() for pair_id, review in found.items()}
    assert of_rows[ids[2]] == {"status": "borderline", "reviewers": 2, "agreement": 1.0}
    assert of_rows[ids[3]] == {"status": "accepted", "reviewers": 2, "agreement": 1.0}
    assert {entry.pair_id: entry.review for entry in held(work / "whole").entries} == {
        pair_id: review.status for pair_id, review in found.items()
    }
    first, second = found[ids[3]].decisions
    assert (first.reviewer, second.reviewer) == ("R1", "R2")
    assert (first.decision, first.blind_answer) == ("accept", "unsafe")


def test_no_name_and_no_note_is_in_any_published_byte(work: Path) -> None:
    for name, data in tree(work / "whole").items():
        if name.endswith(".parquet"):
            table = pq.read_table(work / "whole" / name, partitioning=None)
            data += str(table.to_pylist()).encode() + str(table.schema.metadata).encode()
        for secret in (*PEOPLE, "carlotta", "in confidence", "2024-02-03"):
            assert secret.encode() not in data, (name, secret)
    for secret in (*PEOPLE, "2024-02-03"):
        assert secret not in json.dumps(held(work / "whole").releases)


def test_card_and_croissant_tell_protocol_and_agreement(work: Path) -> None:
    card = (work / "whole" / "README.md").read_text()
    figures = held(work / "whole").releases[-1]["review"]
    alpha = figures["decided"]["alpha"]
    assert alpha["items"] == 12
    shown = f"| Krippendorff's alpha of decisions | {alpha['value']:.3f} ({alpha['low']:.3f}–{alpha['high']:.3f}) | 12 "
    assert shown in card
    assert "**People have reviewed every pair.**" in card
    assert "> 9 accepted, 1 borderline, 0 unreviewed." in card
    assert "hidden order, grey and blurred" in card
    assert "\n| R1 | 12 | 10 | 1 | 1 | 1.000 (" in card
    assert "\n| R2 | 12 | 9 | 2 | 1 | 1.000 (" in card
    assert "\n| R3 | 1 | 0 | 1 | 0 | 1.000 (0.207–1.000) | 33.0 |" in card
    assert "| review | 12 | 10 | 2 still_unsafe |" in card
    described = mlc.Dataset(str(work / "whole" / "croissant.json"))
    assert described.metadata.ctx.issues.errors == set()
    found = {row["reviews/pair_id"].decode(): row for row in described.records("reviews")}
    assert found.keys() == read(work / "whole").keys()
    values = json.loads((work / "whole" / "croissant.json").read_text())
    assert any("Krippendorff's alpha of decisions" in text for text in values["rai:dataAnnotationAnalysis"])
    assert any("hidden order" in text for text in values["rai:dataAnnotationProtocol"])


def test_the_report_of_a_dataset_shows_agreement_and_errata(copy: Path) -> None:
    pair_id = held(copy).entries[0].pair_id
    erratum = {"pair_id": pair_id, "action": "text", "value": "a <b>red</b> square", "reason": "too vague", "by": "R9"}
    relabel(str(copy), [erratum], "2.0.0")
    shown = copy.with_suffix(".html")
    found = report([str(copy)], shown)
    alpha = held(copy).releases[0]["review"]["decided"]["alpha"]
    (first, *_) = found["review"]["figures"]
    assert first["name"] == "Krippendorff's alpha of decisions" and first["of"] == "pair"
    assert {key: first[key] for key in ("value", "low", "high", "items")} == alpha
    assert found["review"]["people"][0] == {"reviewer": "R1", "pairs": 12, "accept": 10, "reject": 1, "borderline": 1}
    (listed,) = found["errata"]
    assert {**listed, "what": ""} == {
        "what": "", "version": "2.0.0", "pair_id": pair_id, "reason": "too vague", "by": "R9"
    }  # fmt: skip
    page = shown.read_text()
    assert "Krippendorff&#39;s alpha of decisions" in page and "too vague" in page and "<b>red</b>" not in page


def test_decisions_change_no_other_file_of_the_run(work: Path, run: RunFolder, tmp_path: Path) -> None:
    other = make_run(tmp_path / "again", pairs=PAIRS)
    before = tree(tmp_path / "again")
    review(other)
    after = {name: data for name, data in tree(tmp_path / "again").items() if not name.startswith("review/")}
    assert after == before
    assert {name for name in tree(Path(run.root)) if not name.startswith("review/")} == set(before)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"require_review": True}, "2 of 8 pairs lack the required review: 1 disputed, 1 unreviewed"),
        ({"min_reviewers": 2}, "3 of 8 pairs lack .*: 1 disputed, 1 with fewer than 2 reviewers, 1 unreviewed"),
        (
            {"min_agreement": 0.5},
            "4 of 8 pairs lack .*: 1 disputed, 2 with an agreement below 0.5, 1 with one reviewer",
        ),
        ({"min_reviewers": 0}, "--min-reviewers 0: expected 1 or more"),
        ({"min_agreement": 1.5}, "--min-agreement 1.5: expected a number from 0 to 1"),
    ],
)
def test_what_is_not_met_is_refused_with_counts(tmp_path: Path, squares: Path, wanted: Any, said: str) -> None:
    run = open_run(str(shutil.copytree(squares, tmp_path / "run")))
    people = {0: ("accept", "reject"), 1: ("accept",), 2: (), 3: ("accept", "accept", "reject")}
    for number, pair_id in enumerate(ids_of(run)):
        for place, action in enumerate(people.get(number, ("accept", "accept"))):
            decisions.append(run, decided(pair_id, f"p{place}", action, number))
    with pytest.raises(PublishError, match=said):
        put(run, tmp_path / "out", "1.0.0", **wanted)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8 pairs that nobody reviewed."""
    return Path(make_run(tmp_path_factory.mktemp("squares") / "run", pairs=8).root)


def test_a_later_release_keeps_reviews_and_adds_those_that_are_new(
    work: Path, run: RunFolder, copy: Path, tmp_path: Path
) -> None:
    more = open_run(str(shutil.copytree(run.root, tmp_path / "run")))
    ids = ids_of(more)
    assert not put(more, copy, "1.0.0", with_failures=True).done
    put(more, copy, "1.0.1", with_failures=True, probe=False)  # the card, once more
    assert (copy / reviews.NAME).read_bytes() == (work / "whole" / reviews.NAME).read_bytes()
    for name in ("dora", "emil"):
        decisions.append(more, decided(ids[4], name, "reject", 40))
        decisions.append(more, decided(ids[1], name, "accept", 41))  # three of five: it is no reject any more
    decisions.append(more, decided(ids[5], "dora", "accept", 42))
    done = put(more, copy, "1.1.0", with_failures=True, probe=False)
    assert done.plan.summary == "1 pair added, 1 failure removed, 2 published pairs reviewed"
    assert done.plan.rejected_and_published == 0  # two against two
    found = read(copy)
    assert {ids[1]: "1.1.0", ids[4]: "1.1.0", ids[5]: "1.1.0", ids[6]: "1.0.0"}.items() <= {
        pair_id: review.version for pair_id, review in found.items()
    }.items()
    assert (found[ids[4]].status, found[ids[5]].reviewers) == ("disputed", 3)
    assert problems(copy) == []
    changed = diff(open_named(str(work / "whole")), open_named(str(copy)))
    kinds = {(change.kind, change.row.pair_id) for change in changed.changes}
    assert kinds == {("added", ids[1]), ("re-reviewed", ids[4]), ("re-reviewed", ids[5])}
    data = sp.load(str(copy), "1.1.0")
    loaded = {row["pair_id"]: row for split in data.values() for row in split.select_columns(["pair_id", "review"])}
    assert {pair_id: row["review"] for pair_id, row in loaded.items()} == {
        pair_id: review.cell() for pair_id, review in found.items()
    }


def test_a_published_pair_that_people_reject_stays_until_replace(run: RunFolder, copy: Path, tmp_path: Path) -> None:
    more = open_run(str(shutil.copytree(run.root, tmp_path / "run")))
    last = ids_of(more)[-1]
    for name in ("dora", "emil", "fritz"):
        decisions.append(more, decided(last, name, "reject", 45, reason="artefact"))
    words = ["publish", more.url, str(copy), "--version", "1.0.1", "--no-probe"]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert "people rejected 1 published pair, which stays: remove it with --replace or takedown" in done.stderr
    assert "safetypairs: 2 pairs are left out: rejected by people (still_unsafe)" in done.stderr
    assert "; 1 published pair reviewed" in done.stdout
    with pytest.raises(PublishError, match=r"1 pair is removed; give 2\.0\.0 or more"):
        put(more, copy, "1.1.0", replace=True)
    put(more, copy, "2.0.0", replace=True, probe=False)
    assert last not in read(copy)
    assert last not in {entry.pair_id for entry in held(copy).entries}
    assert problems(copy) == []


def test_a_takedown_takes_the_review_along(copy: Path) -> None:
    first, *others = sorted(read(copy))
    takedown(parse_target(str(copy)), [first], "asked for", parse("2.0.0"))
    assert sorted(read(copy)) == others
    assert problems(copy) == []
    assert "for version 1.0.0" in (copy / "README.md").read_text()  # of the review's figures
    takedown(parse_target(str(copy)), others[1:], "asked for", parse("3.0.0"))
    assert sorted(read(copy)) == others[:1]


@pytest.fixture
def reviewed(squares: Path, tmp_path: Path) -> Iterator[tuple[Path, RunFolder]]:
    """`data`, published with no review, and a folder of its own in which two people reviewed five of its pairs."""
    put(open_run(str(squares)), tmp_path / "data", "1.0.0", probe=False)
    folder = RunFolder(str(tmp_path / "review-data-1.0.0"))
    for number, entry in enumerate(held(tmp_path / "data").entries[:5]):
        for name in PEOPLE:
            decisions.append(folder, decided(entry.pair_id, name, "accept" if number else "borderline", number))
    yield tmp_path / "data", folder


def test_the_review_of_published_pairs_is_a_patch_that_changes_no_data_file(
    reviewed: tuple[Path, RunFolder], tmp_path: Path
) -> None:
    data, folder = reviewed
    before = tree(data)
    shutil.copytree(data, tmp_path / "before")
    words = ["publish", folder.url, str(data), "--version", "1.0.1"]
    dry = CliRunner().invoke(group, [*words, "--dry-run", "--min-reviewers", "2"])
    assert (dry.exit_code, tree(data)) == (0, before), dry.output
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert "published 1.0.1: 0 pairs added, 0 removed, 8 in all; 5 published pairs reviewed" in done.output
    after = tree(data)
    assert {name for name in after if name.startswith("data/")} == {name for name in before if name.startswith("data/")}
    assert all(after[name] == before[name] for name in before if name.startswith(("data/", "loading_script/")))
    assert problems(data) == []
    changed = diff(open_named(str(tmp_path / "before")), open_named(str(data)))
    assert [change.kind for change in changed.changes] == ["re-reviewed"] * 5
    assert (str(changed.least), changed.allowed) == ("1.0.1", True)
    # The same review again is nothing new.
    assert "holds 1.0.1 already: nothing to do" in CliRunner().invoke(group, words).output
    for option in ("--replace", "--with-failures"):
        refused = CliRunner().invoke(group, [*words[:-1], "1.0.2", option])
        assert str(refused.exception) == f"{folder.url} holds a review, not pairs: leave out {option}"
    refused = CliRunner().invoke(group, [*words[:-1], "1.0.2", "--min-reviewers", "3"])
    assert str(refused.exception).startswith("5 of 5 pairs lack the required review: 5 with fewer than 3 ")
    decisions.append(folder, decided(held(data).entries[6].pair_id, "anna-lena", "accept", 50))
    refused = CliRunner().invoke(group, [*words[:-1], "1.0.2", "--min-reviewers", "2"])
    assert str(refused.exception).startswith("1 of 6 pairs lacks the required review: 1 with fewer than 2 ")


def test_a_review_is_of_pairs_that_are_there(reviewed: tuple[Path, RunFolder], tmp_path: Path, run: RunFolder) -> None:
    data, folder = reviewed
    with pytest.raises(PublishError, match="has no version yet, so there is no pair whose review could be published"):
        put(folder, tmp_path / "new", "1.0.0")
    other = RunFolder(str(tmp_path / "other"))
    decisions.append(other, decided("0" * 16, "anna", "accept", 1))
    with pytest.raises(PublishError, match=r"holds none of the reviewed pairs \(1\); name the dataset whose"):
        put(other, data, "1.0.1")
    decisions.append(other, decided(held(data).entries[0].pair_id, "anna", "accept", 1))
    done = put(other, data, "1.0.1")
    assert done.plan.rejected == {"reviewed, and no longer published": 1}
    with pytest.raises(SafetyPairsError, match="holds no run"):
        from safetypairs_hf.reviewing.read_review import open_run_or_review

        open_run_or_review(str(tmp_path / "empty"))


@pytest.mark.parametrize("how", ["swapped", "missing", "bytes"])
def test_reviews_that_are_not_those_that_were_published(reviewed: tuple[Path, RunFolder], how: str) -> None:
    data, folder = reviewed
    put(folder, data, "1.0.1")
    found = read(data)
    first = min(found)
    if how == "swapped":
        forged = found[first]._replace(status="rejected")
        (data / reviews.NAME).write_bytes(reviews.dump([*(found[name] for name in sorted(found)[1:]), forged]))
    elif how == "missing":
        (data / reviews.NAME).unlink()
    else:
        (data / reviews.NAME).write_bytes(b"PAR1 and no more PAR1")
    told = problems(data)
    assert any(reviews.NAME in each for each in told), told
    with pytest.raises(SafetyPairsError, match=rf"{reviews.NAME}.*see: safetypairs verify"):
        sp.load(str(data), "1.0.1", split="test")
    with pytest.raises(PublishError, match=reviews.NAME):
        put(folder, data, "1.0.2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "liked"}, "says of the pair a+ what no review says"),
        ({"reviewers": 3}, "what no review says"),
        ({"agreement": 2.0}, "what no review says"),
        ({"version": "new"}, "names a version wrongly"),
        ({"decisions": ()}, "what no review says"),
        ({"status": "x" * 2000}, "what no review says"),
    ],
)
def test_a_review_that_says_what_none_says_is_refused(change: dict[str, Any], said: str) -> None:
    good = reviews.Review("a" * 16, "accepted", 1, None, (reviews.Said("R1", "accept", "", "unsafe"),), "1.0.0")
    assert reviews.load(reviews.dump([good]), 1) == {"a" * 16: good}
    with pytest.raises(ValueError, match=said):
        reviews.load(reviews.dump([good._replace(**change)]), 1)
    with pytest.raises(ValueError, match=r"says that it holds 2 rows .* for 1 pair$"):
        reviews.load(reviews.dump([good, good]), 1)
    with pytest.raises(ValueError, match=r"has the pair a+ twice"):
        reviews.load(reviews.dump([good, good]), 2)


_LOAD = """
import datasets, json, safetypairs_hf as sp
def shown(data):
    print(json.dumps({row["pair_id"]: row["review"]["status"] for row in data.select_columns(["pair_id", "review"])}))
for version in ("1.0.0", "1.0.1"):
    for streaming in (False, True):
        shown(sp.load("lab/icons", version, split="test", streaming=streaming))
shown(datasets.load_dataset("lab/icons", revision="v1.0.1", split="test"))
print(json.dumps(datasets.load_dataset("lab/icons", "reviews", revision="v1.0.1", split="reviews")[:]))
"""


def test_two_people_review_the_demo_and_later_more_of_it_on_the_hub(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    """The whole road: a run of icons, two reviewers, a release that needs them; then a patch with more reviews."""
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe

    build(load_recipe("icons", {"pairs": "6", "size": "128"}), str(tmp_path / "run"), 1)
    run = open_run(str(tmp_path / "run"))
    ids = ids_of(run)
    for number, pair_id in enumerate(ids):
        for name in PEOPLE:
            decisions.append(run, decided(pair_id, name, "accept" if number else "reject", number))
    folder = RunFolder(str(tmp_path / "review-icons-1.0.0"))
    decisions.append(folder, decided(ids[1], "carlotta", "reject", 1))
    needed = ["--require-review", "--min-reviewers", "2", "--min-agreement", "0.8", "--no-probe"]
    first, second, verified = commands(
        hub,
        tmp_path,
        ["publish", "run", "lab/icons", "--version", "1.0.0", *needed],
        ["publish", "review-icons-1.0.0", "lab/icons", "--version", "1.0.1"],
        ["verify", "lab/icons"],
    )
    assert first[0] == 0 and "published 1.0.0: 5 pairs added, 0 removed, 5 in all" in first[1], first
    assert second[0] == 0 and "0 pairs added, 0 removed, 5 in all; 1 published pair reviewed" in second[1], second
    assert verified[0] == 0, verified
    for revision in ("v1.0.0", "v1.0.1"):
        card = hub.api().hf_hub_download(
            "lab/icons", "README.md", revision=revision, repo_type="dataset", cache_dir=hub.cache
        )
        told = Path(card).read_text()
        assert ("| Krippendorff's alpha of decisions | 1.000" in told) == (revision == "v1.0.0")
        assert ("| 1.0.0 | 6 | 2 | 12 | 1.000" in told) == (revision == "v1.0.1")
    old, streamed_old, new, streamed_new, plain, table = map(json.loads, hub.run_python(_LOAD).splitlines())
    assert ids[0] not in old
    assert old == streamed_old == dict.fromkeys(old, "accepted") == plain
    assert new == streamed_new == {**old, **({ids[1]: "rejected"} if ids[1] in old else {})}
    assert dict(zip(table["pair_id"], table["status"], strict=True)) == {
        **dict.fromkeys(ids[1:], "accepted"),
        ids[1]: "rejected",
    }
    changed = hub.api().list_repo_commits("lab/icons", repo_type="dataset")
    assert [commit.title for commit in changed][:2] == ["1.0.1: 1 published pair reviewed", "1.0.0: 5 pairs added"]


def test_the_failures_file_names_no_pair_of_the_release(work: Path) -> None:
    pairs = {(entry.unsafe_sha256, entry.safe_sha256) for entry in held(work / "whole").entries}
    failed = failure_rows.load((work / "whole" / failure_rows.NAME).read_bytes())
    assert not pairs & {(each.unsafe_sha256, each.edited_sha256) for each in failed}


def test_status_report_and_publish_tell_of_the_review_and_of_lines_that_were_cut(
    run: RunFolder, tmp_path: Path
) -> None:
    torn = open_run(str(shutil.copytree(run.root, tmp_path / "run")))
    with (tmp_path / "run/review/bertram.jsonl").open("a") as file:
        file.write('{"pair_id":"00')
    fault = f"safetypairs: {torn.url}/review/bertram.jsonl, line 13, was cut short and is left out"
    done = CliRunner().invoke(group, ["status", torn.url])
    assert "review     12    10   2 still_unsafe" in done.stdout
    assert "reviewed by 3 people: 9 accepted, 2 rejected, 1 borderline; see: safetypairs review " in done.stdout
    assert fault in done.stderr
    stages = json.loads(CliRunner().invoke(group, ["status", torn.url, "--json"]).stdout)["stages"]
    assert (stages[-1]["stage"], stages[-1]["in"], stages[-1]["out"]) == ("review", 12, 10)
    done = CliRunner().invoke(group, ["publish", torn.url, str(tmp_path / "out"), "--version", "1.0.0", "--dry-run"])
    assert (done.exit_code, fault in done.stderr) == (0, True), done.output
    assert CliRunner().invoke(group, ["report", torn.url, "--out", str(tmp_path / "page.html")]).exit_code == 0
    assert "2 still_unsafe" in (tmp_path / "page.html").read_text()


def test_figures_that_no_review_has_are_refused(work: Path) -> None:
    found = held(work / "whole")
    found.releases[-1]["review"]["people"][0]["pairs"] = "many"
    with pytest.raises(PublishError, match=r"review\.people\[0\]\.pairs is 'many'; expected a whole number"):
        manifest.load(manifest.dump(found))


def test_a_relabel_ends_the_review_of_another_label_and_keeps_the_others(work: Path, copy: Path) -> None:
    before = read(copy)
    swapped, moved, reworded, dropped = sorted(before)[:4]
    category = next(entry.category for entry in held(copy).entries if entry.pair_id == moved)
    other = "violence" if category != "violence" else "hate"
    says = {"reason": "a worse label", "by": "R9"}
    errata = [
        {"pair_id": swapped, "action": "swap", **says},
        {"pair_id": moved, "action": "category", "value": other, **says},
        {"pair_id": reworded, "action": "text", "value": "critical_feature: a sign", **says},
        {"pair_id": dropped, "action": "drop", **says},
    ]
    shutil.copytree(copy, copy.with_name("whole"))
    sp.relabel(str(copy), errata, "2.0.0")
    assert problems(copy) == []
    ended = {swapped, moved, dropped}
    assert read(copy) == {pair_id: each for pair_id, each in before.items() if pair_id not in ended}
    status = {row["pair_id"]: row["review"]["status"] for row in rows(copy, "data")}
    assert (status[swapped], status[moved], status[reworded]) == ("unreviewed", "unreviewed", before[reworded].status)
    back = [{"pair_id": dropped, "action": "undo", "value": str(copy.with_name("whole")), **says}]
    sp.relabel(str(copy), back, "3.0.0")
    assert problems(copy) == []
    assert read(copy)[dropped] == before[dropped]._replace(version="3.0.0")
