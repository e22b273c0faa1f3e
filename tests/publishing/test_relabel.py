"""Relabels: in a folder, and their whole life on a real server on loopback, with the real clients."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builds import make_run, tree
from click.testing import CliRunner
from hub_fixtures import Hub, hub  # noqa: F401

from safetypairs_hf.building.run_reader import open_finished
from safetypairs_hf.cli.diff import command as diff_command
from safetypairs_hf.cli.relabel import command as relabel_command
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset import errata, manifest
from safetypairs_hf.dataset.manifest import Entry, Manifest
from safetypairs_hf.dataset.manifest_head import KEY
from safetypairs_hf.dataset.store.open_store import open_named, open_published
from safetypairs_hf.loading.load import load
from safetypairs_hf.publishing.hub_target import HubTarget
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan import make_plan
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.publishing.relabel import Relabelled, relabel
from safetypairs_hf.publishing.takedown import images_of, takedown
from safetypairs_hf.publishing.target import open_head
from safetypairs_hf.versions.diff import diff
from safetypairs_hf.versions.verify import verify

REPO = "lab/safetypairs"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs `small` (12 pairs) and `large` (16), with controls, and `first`: 1.0.0 of the small one."""
    folder = tmp_path_factory.mktemp("relabel")
    for name, pairs in (("small", 12), ("large", 16)):
        make_run(folder / name, pairs=pairs, controls="true", attempts=2)
    run = RunFolder(str(folder / "small"))
    publish(run, parse_target(str(folder / "first")), parse("1.0.0"), with_failures=True, probe=False)
    return folder


@pytest.fixture
def out(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work / "first", tmp_path / "out"))


def read(folder: Path) -> Manifest:
    found = manifest.load((folder / "manifest.parquet").read_bytes())
    assert found is not None
    return found


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("data/*/*/*.parquet"))
    return {row["pair_id"]: row for path in files for row in pq.ParquetFile(path).read().to_pylist()}


def line(entry: Entry, action: str, value: str = "", **texts: str) -> dict[str, str]:
    return {"pair_id": entry.pair_id, "action": action, "value": value, "reason": f"why {action}", "by": "R1", **texts}


def problems(folder: Path) -> list[str]:
    return [str(each) for each in verify(open_published(str(folder))).problems]


def picked(folder: Path) -> dict[str, Entry]:
    """A pair for each action: `category` one that lies alone in its file, `drop` and `swap` in files of two."""
    entries = read(folder).entries
    files: dict[str, list[Entry]] = {}
    for entry in entries:
        files.setdefault(entry.file, []).append(entry)
    alone = [of[0] for of in files.values() if len(of) == 1]
    among = [of for of in files.values() if len(of) > 1]
    return {"category": alone[0], "text": alone[1], "swap": among[0][0], "beside": among[0][1], "drop": among[1][0]}


def other(entry: Entry) -> str:
    return "hate" if entry.category != "hate" else "nudity"


def corrections(found: Mapping[str, Entry]) -> list[dict[str, str]]:
    return [
        line(found["swap"], "swap", instruction="Paint the other square."),
        line(found["category"], "category", other(found["category"])),
        line(found["text"], "text", "a large red square"),
        line(found["drop"], "drop"),
    ]


def test_a_relabel_changes_what_it_names_and_no_other_file(out: Path) -> None:
    before, first, then = tree(out), read(out), rows(out)
    found = picked(out)
    done = relabel(str(out), corrections(found), "2.0.0")
    after, second, now = tree(out), read(out), rows(out)
    assert (done.counts, done.pairs, done.done) == ((0, 1, 3), 11, True)
    assert problems(out) == []

    # The files: one a changed pair, and the new one of its category.
    data = {name for name in before if name.startswith(("data/", "controls/"))}
    changed = {name for name in data & after.keys() if before[name] != after[name]}
    held = {found[name].file for name in ("swap", "text", "drop")}
    controls = {f"controls/{found[name].file.removeprefix('data/')}" for name in ("swap", "drop")}
    assert changed == held | controls
    moved = f"data/{found['category'].split}/{other(found['category'])}/2.0.0-00000.parquet"
    gone = found["category"].file
    assert data - after.keys() == {gone, f"controls/{gone.removeprefix('data/')}"}
    new = {name for name in after.keys() - before.keys() if name.startswith(("data/", "controls/"))}
    assert new == {moved, f"controls/{moved.removeprefix('data/')}"}
    assert sorted(done.files) == sorted({*held, gone})

    # The pairs: ids, groups, splits and versions stay.
    old = {entry.pair_id: entry for entry in first.entries}
    for entry in second.entries:
        was = old[entry.pair_id]
        assert (entry.group, entry.split, entry.introduced) == (was.group, was.split, was.introduced)
    assert old.keys() - {entry.pair_id for entry in second.entries} == {found["drop"].pair_id}
    assert now[found["beside"].pair_id] == then[found["beside"].pair_id]
    one, two = then[found["swap"].pair_id], now[found["swap"].pair_id]
    assert (one["unsafe_image"], one["safe_image"]) == (two["safe_image"], two["unsafe_image"])
    assert [(j["p_unsafe_before"], j["p_unsafe_after"]) for j in one["judges"]] == [
        (j["p_unsafe_after"], j["p_unsafe_before"]) for j in two["judges"]
    ]
    assert (one["direction"], two["direction"], two["instruction"]) == (0, 2, "Paint the other square.")
    one, two = then[found["category"].pair_id], now[found["category"].pair_id]
    category = other(found["category"])
    assert {**one, "category": two["category"], "policy": f"{category}@1.0"} == two
    assert load(str(out), version="2.0.0")["test"].features["category"].int2str(two["category"]) == category
    one, two = then[found["text"].pair_id], now[found["text"].pair_id]
    assert {**one, "critical_feature": "a large red square"} == two

    # What the manifest says of it.
    listed = second.errata
    assert [each["action"] for each in listed] == ["swap", "category", "text", "drop"]
    assert listed[0]["was"]["unsafe_sha256"] == listed[0]["now"]["safe_sha256"] == found["swap"].unsafe_sha256
    assert listed[1]["was"] == {"category": found["category"].category, "policy": f"{found['category'].category}@1.0"}
    assert listed[2]["was"] == {"critical_feature": "a red square"}
    assert (listed[3]["now"], listed[3]["was"]["category"]) == ({}, found["drop"].category)
    assert {(each["reason"], each["by"], each["version"]) for each in listed[1:2]} == {("why category", "R1", "2.0.0")}
    assert json.loads(after["errata.json"]) == listed
    release = second.releases[-1]
    assert (release["removed"], release["relabelled"], release["pairs"]) == (1, 3, 11)
    for each in listed:
        assert f"`{each['pair_id']}` | " in after["README.md"].decode()
        assert f"| {each['reason']} | R1 |" in after["README.md"].decode()
    for pair_id, labels in errata.first_labels(listed).items():
        whole = {**old[pair_id]._asdict(), **labels}
        assert content_id(whole["unsafe_sha256"], whole["safe_sha256"], whole["category"]) == pair_id
    assert len(second.extras) > 0 and sum(each["rows"] for each in second.extras.values()) == len(
        [row for path in out.glob("*/**/*.parquet") if path.parts[-4] == "controls" for row in pq.read_table(path)[0]]
    ) + sum(each["rows"] for name, each in second.extras.items() if name.startswith("failures/"))


def test_a_further_one_undoes_it_and_a_dropped_pair_comes_back(work: Path, out: Path) -> None:
    found = picked(out)
    relabel(str(out), corrections(found), "2.0.0")
    undo = [line(found[name], "undo") for name in ("swap", "category", "text")]
    with pytest.raises(PublishError, match=r"row 4: a folder keeps no earlier version .*; give the value"):
        relabel(str(out), [*undo, line(found["drop"], "undo")], "3.0.0")
    back = line(found["drop"], "undo", str(work / "first"))
    done = relabel(str(out), [*undo, back], "3.0.0")
    assert (done.counts, done.pairs) == ((1, 0, 3), 12)
    assert problems(out) == []
    assert rows(out) == rows(work / "first")
    keep = [entry._replace(file="") for entry in read(work / "first").entries]
    now = {entry.pair_id: entry._replace(file="") for entry in read(out).entries}
    assert [now[entry.pair_id] for entry in keep] == keep
    assert errata.standing(read(out).errata) == set()
    assert [errata.in_words(each) for each in read(out).errata[4:]] == [
        "undone: members swapped, other instruction",
        f"undone: {other(found['category'])} to {found['category'].category}",
        "undone: other critical_feature",
        f"undone: back in {found['drop'].category}",
    ]


@pytest.mark.parametrize("replace", [False, True])
def test_a_later_release_of_the_run_keeps_the_errata(work: Path, out: Path, replace: bool) -> None:
    found = picked(out)
    relabel(str(out), corrections(found), "2.0.0")
    before = {entry.pair_id: entry for entry in read(out).entries}
    done = publish(RunFolder(str(work / "large")), parse_target(str(out)), parse("2.1.0"), replace=replace, probe=False)
    assert done.plan.rejected == {"erratum": 1}  # the dropped pair stays out
    after = {entry.pair_id: entry for entry in read(out).entries}
    assert len(after) == 15 and before.items() <= after.items()
    assert [each["version"] for each in read(out).errata] == ["2.0.0"] * 4
    assert problems(out) == []


@pytest.mark.parametrize("replace", [False, True])
def test_a_run_that_has_the_new_category_adds_no_twin(work: Path, out: Path, replace: bool) -> None:
    """A pair's id has its first category; a run that was mended too gives the same images another id."""
    pair = picked(out)["category"]
    relabel(str(out), [line(pair, "category", other(pair))], "2.0.0")
    finished = open_finished(RunFolder(str(work / "small")))
    twin = content_id(pair.unsafe_sha256, pair.safe_sha256, other(pair))
    drawn = []
    for item in finished.drawn:
        entrant = item.entrant
        if entrant.identity.pair_id == pair.pair_id:
            entrant = entrant._replace(category=other(pair), identity=entrant.identity._replace(pair_id=twin))
        drawn.append(item._replace(entrant=entrant))
    mended = dataclasses.replace(finished, drawn=tuple(drawn))
    plan = make_plan(mended, open_head(parse_target(str(out))), parse("3.0.0"), replace=replace)
    if replace:
        assert (plan.counts, plan.relabelled) == ((0, 0, 1), {pair.pair_id: twin})
    else:
        assert (plan.empty, plan.rejected) == (True, {"erratum": 1})


BAD = {
    "\ufeffpair_id,action,value,reason,by\r\n{swap},swop,,x,R1\r\n": r"line 2: no action 'swop'; the nearest is 'swap'",
    "pair_id,action,value,reason,by\n{swap},swop,,x,R1": r"line 2: no action 'swop'; the nearest is 'swap'",
    "pair_id,action,value,reason,by\n\n0{swap},swap,,x,R1": r"line 3: .* no pair '0\w{{16}}'; the nearest is '{swap}'",
    "pair_id,action,value,reason,by\n{swap},category,voilence,x,R1": r"line 2: no category 'voilence'; the nearest is",
    "pair_id,action,value,reason,by\n{swap},swap,,x,R1\n{swap},drop,,x,R1": r"line 3: .* already has .*line 2\); a",
    "pair_id,action,value,reason,by\n{swap},category,{own},x,R1": r"line 2: pair {swap} is in {own} already",
    "pair_id,action,value,reason,by\n{swap},text,a red square,x,R1": r"line 2: pair {swap} already has this",
    "pair_id,action,value,reason,by\n{swap},swap,,,R1": r"line 2: no reason; expected why",
    "pair_id,action,value,reason,by\n{swap},swap,,x,": r"line 2: no by; expected who says so",
    "pair_id,action,value,reason,by\n{swap},swap,hate,x,R1": r"line 2: swap takes no value, but 'hate' was given",
    "pair_id,action,value,reason,by\n{swap},category,,x,R1": r"line 2: category needs the new category",
    "pair_id,action,value,reason,by\n{swap},text,,x,R1": r"line 2: text needs the new critical_feature",
    "pair_id,action,value,reason,by\n{swap},undo,,x,R1": r"line 2: pair {swap} has no erratum that could be undone",
    "pair_id,action,value,reason,by\n{swap},swap,,a, b,R1": r"line 2 has 6 cells, and line 1 names 5 columns; quote",
    "pair_id,action,valeu,reason,by\n": r"line 1: no column 'valeu'; the nearest is 'value'",
    "pair_id,action,value,by\n": r"line 1: there is no column reason",
    "pair_id,action,value,reason,by\n": r"holds no correction",
    "": r"holds no correction",
    '{{"pair_id": "{swap}", "action": "swap", "reason": "x"}}': r"line 1: no by",
    '{{"pair_id": "{swap}", "action": "swap", "reason": "x", "by": 7}}': r"line 1: by is 7; expected a text",
    '\n{{"pair_id": 1\n': r"line 2 is not JSON",
    '[{{"pair_id": 1}}]': r"is a JSON array; expected JSON Lines",
}


def test_what_is_refused_in_one_line_with_its_number(out: Path, tmp_path: Path) -> None:
    swap = picked(out)["swap"]
    before = tree(out)
    for text, message in BAD.items():
        names = {"swap": swap.pair_id, "own": swap.category}
        file = tmp_path / "errata.csv"
        file.write_text(text.format(**names))
        done = CliRunner().invoke(relabel_command, [str(out), str(file), "--version", "2.0.0"])
        assert isinstance(done.exception, PublishError), text
        said = str(done.exception)
        with pytest.raises(PublishError, match=message.format(**names)):
            raise done.exception
        assert "\n" not in said and said.startswith(str(file)), said
    for version, message in (
        ("1.1.0", "1 pair is relabelled; give 2.0.0"),
        ("2.1.0", "new major one, which a relabel"),
    ):
        with pytest.raises(PublishError, match=message):
            relabel(str(out), [line(swap, "swap")], version)
    with pytest.raises(PublishError, match="errata, row 1 is of type str; expected a dict"):
        relabel(str(out), ["swap"], "2.0.0")  # type: ignore[list-item]
    with pytest.raises(PublishError, match=r"nowhere.csv does not read: No such file"):
        relabel(str(out), tmp_path / "nowhere.csv", "2.0.0")
    with pytest.raises(PublishError, match="that would leave no pair"):
        relabel(str(out), [line(entry, "drop") for entry in read(out).entries], "2.0.0")
    assert tree(out) == before


def test_a_dry_run_the_same_again_and_two_at_once(out: Path, tmp_path: Path) -> None:
    swap = picked(out)["swap"]
    file = tmp_path / "errata.jsonl"
    file.write_text(json.dumps(line(swap, "swap")) + "\n")
    before = tree(out)
    words = [str(out), str(file), "--version", "2.0.0"]
    said = CliRunner().invoke(relabel_command, [*words, "--dry-run", "--json"])
    told = json.loads(said.stdout)
    assert (told["relabelled"], told["where"], told["controls_left_out"]) == (1, None, 3)
    assert told["files"] == [swap.file]
    assert tree(out) == before
    late = parse_target(str(out))
    held = late.head()
    assert (
        CliRunner()
        .invoke(relabel_command, words)
        .stdout.startswith("relabelled in 2.0.0 (last: 1.0.0): 1 pair relabelled, ")
    )

    class Late:
        """A target whose head was read before the other release, as where two publish at once."""

        name, published_name = late.name, late.published_name
        fetch, begin, send, commit = late.fetch, late.begin, late.send, late.commit

        def head(self) -> Manifest:
            return held

    with pytest.raises(PublishError, match=r"somebody else published to .* meanwhile; nothing was changed"):
        relabel(Late(), file, "2.0.0")  # type: ignore[arg-type]
    before = tree(out)
    again = CliRunner().invoke(relabel_command, words)
    assert again.stdout == f"{out} holds 2.0.0 already: nothing to do\n"
    assert tree(out) == before


# A child ends itself at the Nth change of a file beside the folder, as a kill does; the first one counts them.
KILLED = """
import json, os, shutil, sys
from safetypairs_hf.publishing.relabel import relabel

folder, file = sys.argv[1:]
relabel(folder, file, "2.0.0", dry_run=True)  # all is imported


def child(at):
    place = f"killed-{at}"
    shutil.copytree(folder, f"{place}/pairs")
    end, out = os.pipe()
    if os.fork():
        os.close(out)
        return os.fdopen(end).read()
    count = 0

    def seen(event, args):
        nonlocal count
        writes = event != "open" or (isinstance(args[1], str) and set(args[1]) & set("wxa+"))
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link") and writes:
            count += place in str(args[0])
            if count == at:
                os._exit(9)

    sys.addaudithook(seen)
    relabel(os.path.abspath(f"{place}/pairs"), file, "2.0.0")
    os.write(out, str(count).encode())
    os._exit(0)


count = int(child(0))
# The first and the last, where the folders are exchanged, and two of the files that are written between them.
ends = sorted({1, count // 3, count // 2, *range(count - 5, count + 1)})
assert [child(at) for at in ends] == [""] * len(ends)
print(json.dumps(ends))
"""


@pytest.mark.thorough
def test_a_relabel_that_was_killed_leaves_a_version_and_goes_on(out: Path, tmp_path: Path) -> None:
    file = tmp_path / "errata.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in corrections(picked(out))))
    words = [sys.executable, "-c", KILLED, str(out), str(file)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    before, after, left = tree(out), tree(tmp_path / "killed-0" / "pairs"), []
    for at in json.loads(done.stdout):
        folder = tmp_path / f"killed-{at}" / "pairs"
        # Between two renames both folders lie beside; the next command puts one of them back.
        left.append(tree(folder) if folder.exists() else None)
        assert left[-1] in (None, before, after)
        assert relabel(str(folder), file, "2.0.0").done == (left[-1] != after)
        assert tree(folder) == after
        assert {path.name for path in folder.parent.iterdir()} <= {"pairs", ".pairs.lock"}
    assert (left[0], left[-1]) == (before, after) and left.count(None) <= 1


def test_diff_lists_the_errata_with_their_reasons(work: Path, out: Path) -> None:
    found = picked(out)
    relabel(str(out), corrections(found), "2.0.0")
    told = json.loads(CliRunner().invoke(diff_command, [str(work / "first"), str(out), "--json"]).stdout)
    kinds = {each["pair_id"]: each["kind"] for each in told["pairs"]}
    names = {"swap": "swapped", "category": "relabelled", "text": "reworded", "drop": "removed"}
    assert kinds == {found[name].pair_id: kind for name, kind in names.items()}
    assert (told["least"], told["allowed"]) == ("2.0.0", True)
    assert told["errata"] == read(out).errata
    text = CliRunner().invoke(diff_command, [str(work / "first"), str(out)]).stdout
    assert f"2.0.0  {found['swap'].pair_id}  members swapped, other instruction: why swap (by R1)" in text
    # In parts, a swapped pair is in another part of each version.
    import safetypairs_hf.versions.diff as module

    whole = diff(open_named(str(work / "first")), open_named(str(out)))
    module.PART_ROWS, rows_a_part = 2, module.PART_ROWS
    try:
        assert diff(open_named(str(work / "first")), open_named(str(out))) == whole
    finally:
        module.PART_ROWS = rows_a_part


def forged(folder: Path, **changes: Any) -> None:
    """Write the manifest anew with other values."""
    made = Manifest(**{**vars(read(folder)), **changes})
    (folder / "manifest.parquet").write_bytes(manifest.dump(made))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held[1:], "its id is not the hash of its images and category"),
        (
            lambda held: [{**held[0], "action": "turn"}, *held[1:]],
            "an erratum has the action 'turn', which is not an action",
        ),
        (lambda held: [*held[:3], {**held[3], "version": "1.5.0"}], "an erratum is of 1.5.0, which is no release"),
        (
            lambda held: [held[0], {**held[1], "now": {"category": "sexual"}}, *held[2:]],
            "its last erratum says 'sexual'",
        ),
        (lambda held: [*held, {**held[1], "was": {"category": "sexual"}}], "says that category was 'sexual'"),
        (lambda held: [*held[:3], {**held[3], "pair_id": held[2]["pair_id"]}], "say that it was dropped, but it is"),
    ],
)
def test_verify_finds_errata_that_do_not_fit(out: Path, change: Any, message: str) -> None:
    relabel(str(out), corrections(picked(out)), "2.0.0")
    forged(out, errata=change(read(out).errata))
    assert [each for each in problems(out) if message in each], problems(out)


def test_a_manifest_without_errata_is_as_older_code_reads_it_and_one_with_them_says_so(out: Path) -> None:
    def written() -> int:
        return int(json.loads(pq.read_metadata(out / "manifest.parquet").metadata[KEY])["format"])

    assert written() == 2
    relabel(str(out), [line(picked(out)["swap"], "swap")], "2.0.0")
    assert written() == 3  # code that knows no errata asks for an upgrade, as for any newer format


def test_a_takedown_knows_a_swapped_pair_in_older_versions(out: Path) -> None:
    swap = picked(out)["swap"]
    relabel(str(out), [line(swap, "swap")], "2.0.0")
    takedown(parse_target(str(out)), [swap.pair_id], "asked for", parse("3.0.0"))
    assert images_of(parse_target(str(out)), [swap.pair_id]) == {(swap.safe_sha256, swap.unsafe_sha256)}
    assert problems(out) == []
    with pytest.raises(PublishError, match="was taken down, which cannot be undone"):
        relabel(str(out), [line(swap, "undo")], "4.0.0")


def test_on_a_hub_what_was_stopped_before_its_tag_is_ended_and_purged_versions_go(work: Path, hub: Hub) -> None:  # noqa: F811
    from safetypairs_hf.publishing.purge import History

    def target() -> HubTarget:
        return HubTarget(REPO, api=hub.api())

    def sent() -> Relabelled:
        return relabel(target(), [line(swap, "swap")], "2.0.0")

    publish(RunFolder(str(work / "small")), target(), parse("1.0.0"), probe=False)
    swap = picked(work / "first")["swap"]
    late = target()
    late.head()
    assert sent().where.endswith("(tag v2.0.0)")
    hub.api().delete_tag(REPO, tag="v2.0.0", repo_type="dataset")  # as where it was killed before it
    assert sent().done is False
    refs = hub.api().list_repo_refs(REPO, repo_type="dataset")
    assert {tag.name for tag in refs.tags} == {"v1.0.0", "v2.0.0"}
    traces = History(REPO, hub.api()).traces({(swap.safe_sha256, swap.unsafe_sha256)})
    assert traces.tags == ["v1.0.0", "v2.0.0"]  # the older one has the members the other way round
    proposed = relabel(HubTarget(REPO, api=hub.api(), create_pr=True), [line(swap, "undo")], "3.0.0")
    assert "a pull request" in proposed.where
