"""The config `controls`: published beside the pairs, loaded by real clients, and gone with its pair."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import make_run, tree
from hub_fixtures import Hub, hub  # noqa: F401
from traced_runs import NEUTRAL, NULL, REGENERATED, held, problems, put, rows, traced_run

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import card
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.versions.diff import diff


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `small` (9 pairs) and `large` (20), and the folder `whole` with 1.0.0 and 1.1.0 of them."""
    folder = tmp_path_factory.mktemp("controls")
    for minor, (name, pairs) in enumerate((("small", 9), ("large", 20))):
        put(traced_run(folder / name, pairs=pairs, test_fraction=0.5), folder / "whole", f"1.{minor}.0")
    return folder


@pytest.fixture
def copy(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "whole", tmp_path / "copy"))


def large(work: Path) -> RunFolder:
    return open_run(str(work / "large"))


def test_each_pair_has_its_controls_in_the_file_beside_its_own(work: Path) -> None:
    pairs = {row["pair_id"]: row for row in rows(work / "whole", "data")}
    controls = rows(work / "whole", "controls")
    # The judge that goes by the trace confirms no regenerated pair and no null edit, and neutral edits bear it too.
    assert sorted((row["pair_id"], row["control"]) for row in controls) == sorted(
        (pair_id, kind) for pair_id in pairs for kind in (NULL, REGENERATED)
    )
    assert len(pairs) == 20
    for row in controls:
        pair = pairs[row["pair_id"]]
        assert row["file"].removeprefix("controls/") == pair["file"].removeprefix("data/")
        for column in ("category", "group", "introduced"):
            assert row[column] == pair[column]
        assert not row["confirmed"]
        assert row["direction"] == (1 if row["control"] == REGENERATED else 0)
        assert row["generator"]["editor"] == "traced"
        assert row["generator"]["seed"] is None
    assert {row["file"].split("/")[1] for row in controls} == {"train", "test"}


def test_the_images_are_those_of_the_run_to_the_byte(work: Path) -> None:
    drawn = {item.entrant.identity.pair_id for item in run_reader.selected(large(work))}
    made = {
        (control.pair_id, control.kind): control
        for _, controls in open_finished(large(work)).pairs(drawn)
        for control in controls
    }
    for row in rows(work / "whole", "controls"):
        if row["control"] == REGENERATED:
            control = made[row["pair_id"], "both_regenerated"]
            assert control.unsafe and control.safe
            assert row["unsafe_image"] == {"bytes": control.unsafe.data, "path": None}
            assert row["safe_image"] == {"bytes": control.safe.data, "path": None}
            assert [judge["p_unsafe_before"] for judge in row["judges"]] == [
                judgement.p_unsafe_before for judgement in control.judgements
            ]
        else:
            control = made[row["pair_id"], "null_edit"]
            assert control.unsafe
            assert row["unsafe_image"]["bytes"] == control.unsafe.data
            assert row["safe_image"] is None
            assert [judge["p_unsafe_after"] for judge in row["judges"]] == [None, None]


def test_what_all_judges_confirm_is_marked_so_and_a_neutral_edit_is_published_only_then(tmp_path: Path) -> None:
    put(make_run(tmp_path / "run", pairs=5, controls="true"), tmp_path / "out", "1.0.0")
    found = rows(tmp_path / "out", "controls")
    assert sorted(row["control"] for row in found) == [NULL] * 5 + [NEUTRAL] * 5 + [REGENERATED] * 5
    assert all(row["confirmed"] for row in found)
    assert problems(tmp_path / "out") == []


def test_a_run_without_controls_publishes_as_before(tmp_path: Path) -> None:
    put(make_run(tmp_path / "run", pairs=5), tmp_path / "out", "1.0.0")
    assert not (tmp_path / "out" / "controls").exists()
    assert held(tmp_path / "out").extras == {}
    text = (tmp_path / "out" / "README.md").read_text()
    assert "controls" not in card.configs(held(tmp_path / "out"))
    assert "### Controls" not in text
    assert "artifact_gap" not in text


def test_the_card_says_what_there_is_and_the_gap_of_the_builds_own_judges(work: Path) -> None:
    found = held(work / "whole")
    views = card.configs(found)["controls"]
    sizes = {
        split: [row for row in rows(work / "whole", f"controls/{split}") if row["file"]] for split in ("train", "test")
    }
    assert {view.split: view.total.pairs for view in views} == {split: len(of) for split, of in sizes.items()}
    images = [row[name]["bytes"] for row in sizes["test"] for name in ("unsafe_image", "safe_image") if row[name]]
    assert next(view.total.size for view in views if view.split == "test") == sum(map(len, images))
    text = (work / "whole" / "README.md").read_text()
    assert "| `red-judge` | 20 | 1.0000 | 1.0000 | +0.0000 | 1.0000 of 20 |" in text
    assert "| `trace-judge` | 20 | 1.0000 | 0.0000 | +1.0000 | 0.0000 of 20 |" in text
    assert "the config `controls` has 40 rows" in text


def test_a_release_adds_files_and_a_second_publish_changes_nothing(work: Path, tmp_path: Path) -> None:
    put(open_run(str(work / "small")), tmp_path / "out", "1.0.0")
    before = tree(tmp_path / "out")
    put(large(work), tmp_path / "out", "1.1.0")
    after = tree(tmp_path / "out")
    controls = {name for name in before if name.startswith("controls/")}
    assert controls
    assert {name: before[name] for name in controls} == {name: after[name] for name in controls}
    assert {name.rsplit("/", 1)[-1].split("-")[0] for name in after if name.startswith("controls/")} == {
        "1.0.0",
        "1.1.0",
    }
    assert not put(large(work), tmp_path / "out", "1.1.0").done
    assert tree(tmp_path / "out") == after
    assert held(tmp_path / "out").extras == held(work / "whole").extras


def test_a_takedown_takes_the_controls_too(copy: Path) -> None:
    first = held(copy)
    files = [entry.file for entry in first.entries]
    alone = next(entry for entry in first.entries if files.count(entry.file) == 1)
    among = next(entry for entry in first.entries if files.count(entry.file) > 1)
    before = tree(copy)
    gone = [alone.pair_id, among.pair_id]
    takedown(parse_target(str(copy)), gone, "asked for", parse("2.0.0"))
    after = tree(copy)
    sibling = {entry.pair_id: entry.file.replace("data/", "controls/", 1) for entry in (alone, among)}
    assert sibling[alone.pair_id] not in after
    controls = {name for name in before if name.startswith("controls/")}
    assert {name for name in controls & after.keys() if after[name] != before[name]} == {sibling[among.pair_id]}
    assert {row["pair_id"] for row in rows(copy, "controls")} == {
        entry.pair_id for entry in first.entries if entry not in (alone, among)
    }
    assert held(copy).files.keys() == {name for name in after if name.startswith(("data/", "controls/"))}
    assert problems(copy) == []
    assert "| `trace-judge` | 18 |" in (copy / "README.md").read_text()


def test_what_replaces_the_pairs_replaces_their_controls(work: Path, copy: Path) -> None:
    put(open_run(str(work / "small")), copy, "2.0.0", replace=True)
    assert {row["pair_id"] for row in rows(copy, "controls")} == {row["pair_id"] for row in rows(copy, "data")}
    assert len(rows(copy, "data")) == 9
    assert problems(copy) == []


def test_a_difference_knows_nothing_of_them(work: Path, tmp_path: Path) -> None:
    put(make_run(tmp_path / "with", pairs=5, controls="true"), tmp_path / "one", "1.0.0")
    put(make_run(tmp_path / "without", pairs=5), tmp_path / "two", "1.0.0")
    editions = [open_published(str(tmp_path / name)).open(None) for name in ("one", "two")]
    assert diff(*editions).changes == []


def test_a_flipped_bit_in_a_file_of_controls_is_found(copy: Path) -> None:
    rng = random.Random(3)
    path = rng.choice(sorted((copy / "controls").rglob("*.parquet")))
    whole, name = path.read_bytes(), path.relative_to(copy).as_posix()
    for place in (0, len(whole) - 6, *(rng.randrange(len(whole)) for _ in range(2))):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        told = problems(copy)
        assert f"{name}: its bytes are not those that the manifest names: damaged there, or in the copy here" in told
        assert all(line.startswith(name) for line in told)
    path.write_bytes(whole)
    assert problems(copy) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found[0].update(pair_id="0" * 16), "is a control of no pair of its data file, or occurs twice"),
        (lambda found: found.append(found[0]), "is a control of no pair of its data file, or occurs twice"),
        (lambda found: found.pop(), "its rows are not those that the manifest counts"),
        (lambda found: found[0].update(group="other"), "group of a control is 'other', and the manifest says"),
        (lambda found: found[0].update(control=1, safe_image=None), "a control neutral_edit has the wrong members"),
        (lambda found: found[0]["unsafe_image"].update(bytes=b"none"), "its unsafe_image does not decode"),
        (lambda found: found[0]["judges"][0].update(p_unsafe_before=0.0), "its rows are not those that the manifest"),
        (lambda found: found[0].update(judges=None), "a value of a row is missing or broken"),
    ],
)
def test_a_wrong_row(copy: Path, change: Callable[[list[dict[str, Any]]], None], message: str) -> None:
    path = min((copy / "controls").rglob("*.parquet"))
    table = pq.read_table(path, partitioning=None)
    found = table.to_pylist()
    change(found)
    pq.write_table(type(table).from_pylist(found, table.schema), path)
    assert any(message in line for line in problems(copy)), problems(copy)


def test_a_file_that_is_missing_and_one_too_many(copy: Path) -> None:
    path = min((copy / "controls").rglob("*.parquet"))
    stray = path.with_name("9.9.9-00000.parquet")
    path.rename(stray)
    told = problems(copy)
    assert f"{path.relative_to(copy).as_posix()}: is missing, and the manifest names it" in told
    assert f"{stray.relative_to(copy).as_posix()}: is in no row of the manifest" in told


def test_on_the_hub_real_clients_load_them_and_a_rewritten_history_keeps_none(hub: Hub, work: Path) -> None:  # noqa: F811
    first = held(work / "whole").entries[0].pair_id
    code = f"""
import safetypairs_hf as sp
from datasets import load_dataset
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.publishing.purge import History
from safetypairs_hf.dataset.store.open_store import open_published
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.takedown import takedown
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.versions.verify import verify
from safetypairs_hf.core.version import parse
publish(open_run({str(work / "large")!r}), parse_target("lab/pairs"), parse("1.0.0"))
for data in (load_dataset("lab/pairs", "controls", split="test"),
             sp.load("lab/pairs", version="1.0.0", config="controls", split="test", streaming=True),
             load_dataset({str(work / "whole")!r}, "controls", split="test")):
    rows = list(data)
    print(len(rows), data.features["control"].names, rows[0]["unsafe_image"].size,
          sum(row["safe_image"] is None for row in rows))
done = takedown(parse_target("lab/pairs"), [{first!r}], "asked for", parse("2.0.0"))
gone = {{(entry.unsafe_sha256, entry.safe_sha256) for entry in done.plan.removed}}
print(History("lab/pairs").rewrite(gone).removed, verify(open_published("lab/pairs")).problems)
"""
    *loaded, rewritten = hub.run_python(code).splitlines()[-4:]
    pairs = sum("/test/" in row["file"] for row in rows(work / "whole", "data"))
    assert loaded == [f"{2 * pairs} ['null_edit', 'neutral_edit', 'both_regenerated'] (64, 64) {pairs}"] * 3
    assert rewritten == "2 []"  # the pair's data file, and the file of controls beside it
