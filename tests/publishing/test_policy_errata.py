"""Errata of policy pairs, and a version that holds pairs of both kinds."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from policy_bench import SLUGS, by_policy, import_images, import_rows, release

import safetypairs_hf as sp
from safetypairs_hf.cli import group
from safetypairs_hf.core.errors import PairError, PublishError, SafetyPairsError
from safetypairs_hf.core.ids import policy_pair_id
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named, open_published
from safetypairs_hf.evaluating.as_of import AsOfScore
from safetypairs_hf.evaluating.benchmark import Benchmark, read_predicted
from safetypairs_hf.evaluating.prediction_file import read_run
from safetypairs_hf.publishing.relabel import relabel
from safetypairs_hf.reviewing.reviewed_pairs import open_reviewed
from safetypairs_hf.versions.diff import diff, draw
from safetypairs_hf.versions.verify import verify

Row = dict[str, Any]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one`: 1.0.0 of eight policy pairs. `mixed`: 1.1.0, with six pairs of images too; predictions on `one`."""
    root = tmp_path_factory.mktemp("policies")
    release(import_rows(root / "bench"), root / "one", "1.0.0")
    shutil.copytree(root / "one", root / "mixed")
    release(import_images(root / "images", root / "one" / "taxonomy.yaml"), root / "mixed", "1.1.0")
    sp.evaluate(by_policy, f"{root / 'one'}@1.0.0", root / "guard.parquet", split="all", configs=["policy_pairs"])
    return root


@pytest.fixture
def out(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "one", tmp_path / "out"))


def rows_of(folder: Path) -> dict[str, Row]:
    files = sorted(folder.glob("policy_pairs/*/*.parquet"))
    return {row["pair_id"]: row for path in files for row in pq.ParquetFile(path).read().to_pylist()}


def pair(folder: Path, unsafe: str, safe: str) -> str:
    """The first pair with these policies."""
    named = f"{SLUGS[unsafe]}@1.0", f"{SLUGS[safe]}@1.0"
    return min(
        each["pair_id"] for each in rows_of(folder).values() if (each["unsafe_policy"], each["safe_policy"]) == named
    )


def line(pair_id: str, action: str, value: str = "", **texts: str) -> dict[str, str]:
    return {"pair_id": pair_id, "action": action, "value": value, "reason": f"why {action}", "by": "R1", **texts}


def problems(folder: Path) -> list[str]:
    return [str(each) for each in verify(open_published(str(folder))).problems]


def test_a_relabel_swaps_the_two_policies_and_an_undo_brings_all_back(work: Path, out: Path) -> None:
    swapped, dropped = pair(out, "Square", "Open"), pair(out, "Red", "Open")
    before = rows_of(out)
    done = relabel(str(out), [line(swapped, "swap"), line(dropped, "drop")], "2.0.0")
    assert (done.counts, done.pairs) == ((0, 1, 1), 7)
    assert problems(out) == []
    now, old = rows_of(out)[swapped], before[swapped]
    assert now["unsafe_policy"], now["safe_policy"] == (old["safe_policy"], old["unsafe_policy"])
    same = ("pair_id", "image", "group", "source", "introduced")
    assert {name: now[name] for name in same} == {name: old[name] for name in same}
    edition = open_named(str(out))
    assert edition.taxonomy.slugs[now["category"]] == SLUGS["Open"]
    first, last = edition.head["errata"]
    assert first["was"] == {
        "category": SLUGS["Square"],
        "unsafe_policy": f"{SLUGS['Square']}@1.0",
        "safe_policy": f"{SLUGS['Open']}@1.0",
    }
    assert (first["now"]["category"], last["now"]) == (SLUGS["Open"], {})
    words = f"policies swapped: unsafe by {SLUGS['Open']}@1.0, safe by {SLUGS['Square']}@1.0"
    assert f"| `{swapped}` | {words} | why swap | R1 |" in (out / "README.md").read_text().replace("\\_", "_")

    found = diff(open_named(str(work / "one")), edition)
    assert [(change.kind, change.row.pair_id) for change in found.changes] == [
        ("removed", dropped),
        ("swapped", swapped),
    ]
    assert (found.counts(of_policies=False), found.allowed) == ({}, True)
    assert "policy pairs\n\n category          removed   swapped\n" in str(found)
    told = [each for text in (found, done) for each in str(text).split("\n") if str(out) not in each]  # but for names
    assert max(map(len, told)) <= 80

    undo = [line(swapped, "undo"), line(dropped, "undo", str(work / "one"))]
    assert relabel(str(out), undo, "3.0.0").counts == (1, 0, 1)
    assert problems(out) == [] and rows_of(out) == before
    relabel(str(out), [line(swapped, "undo")], "4.0.0")  # of the undoing
    assert rows_of(out)[swapped] == now and problems(out) == []
    with pytest.raises(PublishError, match=r"brought it back, in 3\.0\.0; to take it out: action drop"):
        relabel(str(out), [line(dropped, "undo")], "5.0.0")


@pytest.mark.parametrize(
    ("action", "value", "texts", "message"),
    [
        ("category", "x", {}, r"row 1: pair \w{16} is one image under two policies, and its category .*; use swap if"),
        ("text", "a square", {}, r"under two policies and has no critical_feature or instruction; it takes swap, drop"),
        ("swap", "", {"instruction": "x"}, r"under two policies and has no critical_feature or instruction; it takes"),
    ],
)
def test_what_a_policy_pair_does_not_take(
    out: Path, action: str, value: str, texts: dict[str, str], message: str
) -> None:
    with pytest.raises(
        PublishError, match=f"^errata, {message if message.startswith('row') else 'row 1: .*' + message}"
    ):
        relabel(str(out), [line(pair(out, "Square", "Open"), action, value, **texts)], "2.0.0")


def test_a_source_that_was_mended_too_adds_no_twin(work: Path, out: Path, tmp_path: Path) -> None:
    """Its pair has the id of the other order of the two policies."""
    swapped = pair(out, "Square", "Open")
    number = int(rows_of(out)[swapped]["source"]["id"].split()[1]) // len(SLUGS)  # of its image: the id is a row's
    mended = import_rows(tmp_path / "bench", {number: {"Square": "false", "Open": "true"}})
    sha256 = next(
        each["unsafe_sha256"] for each in open_named(str(out)).table.to_pylist() if each["pair_id"] == swapped
    )
    twin = policy_pair_id(sha256, SLUGS["Open"], SLUGS["Square"])
    before = Path(shutil.copytree(out, tmp_path / "before"))
    relabel(str(out), [line(swapped, "swap")], "2.0.0")
    done = release(mended, out, "2.1.0")
    assert done.plan.rejected == {"erratum": 1} and twin not in rows_of(out)
    assert problems(out) == []
    # Published where nothing was swapped, it is another pair, beside which a swap would say the same twice.
    release(mended, before, "1.1.0")
    assert twin in rows_of(before)
    with pytest.raises(PublishError, match=f"pair {twin} has the same image and policies in that order; drop one"):
        relabel(str(before), [line(swapped, "swap")], "2.0.0")


def test_predictions_count_under_the_labels_of_another_version(work: Path, out: Path, tmp_path: Path) -> None:
    swapped, dropped = pair(out, "Square", "Open"), pair(out, "Red", "Open")
    relabel(str(out), [line(swapped, "swap"), line(dropped, "drop")], "2.0.0")
    one, file = str(work / "one"), work / "guard.parquet"
    told = CliRunner().invoke(group, ["score", str(file), "--data", str(out), "--json"])
    figures = json.loads(told.stdout)
    # The guard is right by the labels of 1.0.0, so of the seven pairs that stay it inverts the swapped one.
    assert (figures["n_pairs"], figures["pair_accuracy"], figures["inverted_rate"]) == (7, 6 / 7, 1 / 7)
    (note,) = [each for each in figures["notes"] if each.startswith("made on")]
    assert f"7 pairs; 1 of its pairs gone ('{dropped}'); 1 with members swapped ('{swapped}')" in note
    assert "no prediction" not in note and "another category" not in note
    table = pq.read_table(file).to_pandas()
    kept = ["pair_id", "reference", "score"]
    for columns in (table, table[[*kept, "sha256", "policy"]], table[[*kept, "sha256"]], table[kept]):
        scored = sp.score(columns, data=str(out), as_of=one)
        assert isinstance(scored, AsOfScore) and scored.as_of
        assert (scored.pair_accuracy, scored.as_of.pair_accuracy, scored.as_of.gone) == (6 / 7, 1.0, 0.0)
        assert [(each.pair_id, each.how) for each in scored.as_of.pairs] == sorted(
            [(swapped, "swapped"), (dropped, "gone")]
        )
        assert (scored.as_of.n_swapped, scored.as_of.n_other_category) == (1, 0)
    own = tmp_path / "own.csv"
    table[[*kept, "sha256"]].to_csv(own, index=False)
    refused = CliRunner().invoke(group, ["score", str(own), "--data", str(out)])
    with pytest.raises(
        PairError, match=rf"does not say which policies it is of, .* \('{swapped}'\); .* column policy$"
    ):
        raise refused.exception or AssertionError(refused.output)


def test_a_version_of_both_kinds_keeps_them_apart(work: Path, tmp_path: Path) -> None:
    folder, image_file = work / "mixed", tmp_path / "images.parquet"
    data = f"{folder}@1.1.0"
    assert problems(folder) == []
    found = diff(open_named(str(work / "one")), open_named(str(folder)))
    assert found.to_dict()["counts"]["added"] == 6 and found.to_dict()["policy_pairs"]["added"] == 0

    page = tmp_path / "page.html"
    shown = json.loads(CliRunner().invoke(group, ["report", data, "--out", str(page), "--json"]).stdout)
    assert (shown["pairs_in_all"], shown["policy_pairs"]) == (14, 8)
    counted = [
        {each["category"]: each["pairs"] for each in shown[name]} for name in ("categories", "policy_categories")
    ]
    assert counted == [{SLUGS["Red"]: 3, SLUGS["Square"]: 3}, {SLUGS["Red"]: 2, SLUGS["Square"]: 6}]
    # An image that is unsafe by a policy is never shown unasked, and that of a policy pair stands once.
    cards, policies = re.split("<li>|</li>", page.read_text()), rows_of(folder)
    pictured = {
        each["pair_id"]: next(card for card in cards if each["pair_id"] in card and "<img" in card)
        for each in shown["pairs"]
    }
    blurred = {(name in policies, card.count("hidden-image"), card.count("<img")) for name, card in pictured.items()}
    assert blurred == {(True, 1, 1), (False, 1, 2)}

    assert len(open_reviewed(data).pairs) == 6  # two pictures that are the same are no question to a person
    for what in (work / "one", work / "bench" / "run"):
        with pytest.raises(SafetyPairsError, match="has no pair of two images to review"):
            open_reviewed(str(what))
    sp.evaluate(by_policy, data, image_file, split="test")
    on = Benchmark("lab/pairs", parse("1.1.0"), "", {}, open_named(data))
    assert read_predicted(image_file, on, read_run(image_file), None).split == "test"
    policy_file = tmp_path / "policies.parquet"
    sp.evaluate(by_policy, data, policy_file, split="test", configs=["policy_pairs"])
    with pytest.raises(
        PairError, match=r"has predictions on policy pairs; a result on .*@1\.1\.0 is on its pairs of images"
    ):
        read_predicted(policy_file, on, read_run(policy_file), None)
    files = [str(image_file), str(policy_file), str(work / "guard.parquet")]
    told = json.loads(CliRunner().invoke(group, ["report", *files, "--out", str(page), "--json"]).stdout)
    assert [each["of_policies"] for each in told["guards"]] == [False, True, True]
    assert {(each["of_policies"], each["pairs"]) for each in told["differences"]} == {(True, 8)}
    assert {(each["category"], each["of_policies"], each["pairs"]) for each in told["categories"]} == {
        *((SLUGS[name], True, count) for name, count in (("Red", 2), ("Square", 6))),
        *((each, False, figures.n_pairs) for each, figures in sp.score(image_file).per_category.items()),
    }
    tables = [pq.read_table(file) for file in files[:2]]
    for rows in (tables, [each.to_pylist() for each in tables[::-1]], files[:2]):
        with pytest.raises(
            PairError,
            match=r"(the (first|second)|policies\.parquet) is of policy pairs and .* compare guards on one kind",
        ):
            sp.compare(*rows, common=True)
    with pytest.raises(PairError, match="is of policy pairs and the first of pairs of images"):
        sp.compare_many({"a": tables[0], "b": tables[1]})


def test_a_drawn_policy_pair_is_blurred_and_a_run_of_them_has_its_pages(work: Path, out: Path, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    relabel(str(out), [line(pair(out, "Square", "Open"), "swap")], "2.0.0")
    old, new = open_named(str(work / "one")), open_named(str(out))
    sheets = []
    for name, show in (("blurred", False), ("shown", True)):
        assert draw(diff(old, new), old, new, tmp_path / f"{name}.png", show_unsafe=show) == 1
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        sheets.append(np.abs(np.diff(pixels[50:], axis=1)).mean())  # below the words
    assert sheets[0] < sheets[1] * 2 / 3  # the steps between the tiles; with one image sharp it is 3 of 4
    done = CliRunner().invoke(group, ["report", str(work / "bench" / "run"), "--full", str(tmp_path / "full")])
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "full" / "images").iterdir())) == 8  # one of each pair
    index = (tmp_path / "full" / "index.html").read_text()
    assert index.count('hidden-image"') == index.count("<img") >= 8
