"""The run of an import: stopped and gone on with, grown, published, added to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builds import tree
from own_pairs import encoded, files, ground, lay, members, pairs_of

import safetypairs_hf as sp
from safetypairs_hf.core.errors import PublishError, RunError
from safetypairs_hf.core.run_folder import open_run
from safetypairs_hf.core.target_name import parse_place
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import store_of
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.versions.verify import verify

MANY = 40  # three work units


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `mine` of pairs, and the run `run` of an import of them that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    lay(folder / "mine", range(MANY))
    (folder / "mine" / "safe" / "p011.png").unlink()
    (folder / "mine" / "safe" / "p012.png").write_bytes(b"no image")
    sp.import_pairs(folder / "mine", folder / "run", category="O6", workers=1)
    return folder


class StopError(Exception):
    pass


def test_stopped_anywhere_the_same_command_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    stops = 0
    for after in range(1, 30):
        left = after

        def progress(step: str, done: int, total: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise StopError

        try:
            sp.import_pairs(whole / "mine", tmp_path / "run", category="O6", workers=1, progress=progress)
        except StopError:
            stops += 1
            if after % 2:
                shutil.rmtree(tmp_path / "run", ignore_errors=True)  # else it goes on with what is there
            continue
        break
    assert stops > 5
    assert tree(tmp_path / "run") == tree(whole / "run")


def test_killed_it_ends_in_the_same_bytes_with_any_number_of_workers(whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safetypairs_hf", "import", str(whole / "mine"), "--category", "O6"]
    command += ["--out", str(tmp_path / "run"), "--workers", "2"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    while "left out" not in (line := child.stdout.readline()):  # what was understood is printed before anything is made
        assert line, "it ended without a word"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "38 pairs in" in done.stdout and done.stdout.endswith("--version 1.0.0\n")
    assert tree(tmp_path / "run") == tree(whole / "run")


def test_a_source_that_gained_pairs_keeps_its_run(whole: Path, tmp_path: Path) -> None:
    lay(tmp_path / "mine", range(3, MANY, 2))
    sp.import_pairs(tmp_path / "mine", tmp_path / "run", category="O6", workers=1)
    before = tree(tmp_path / "run")
    lay(tmp_path / "mine", range(4))
    done = sp.import_pairs(tmp_path / "mine", tmp_path / "run", category="O6", workers=1)
    assert done.pairs == 22
    after = tree(tmp_path / "run")
    kept = [name for name in before if name.startswith(("source/part", "judge/part"))]
    assert [name for name in kept if after[name] != before[name]] == []
    (tmp_path / "mine" / "safe" / "p005.png").write_bytes(encoded(ground(77)))
    with pytest.raises(RunError, match=r"changed or disappeared: p005 \(changed\)"):
        sp.import_pairs(tmp_path / "mine", tmp_path / "run", category="O6", workers=1)


def test_a_run_does_not_lie_in_its_source(whole: Path) -> None:
    with pytest.raises(RunError, match=r"lies in the source .*; name a folder outside it: --out"):
        sp.import_pairs(whole / "mine", whole / "mine" / "run", category="O6")


def test_another_import_does_not_go_on_with_a_run(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    with pytest.raises(RunError, match=r"parts.source.settings.category: O6 -> O7"):
        sp.import_pairs(whole / "mine", tmp_path / "run", category="O7", workers=1)


def test_a_run_is_published_and_a_second_import_adds_what_is_new(whole: Path, tmp_path: Path) -> None:
    target = parse_target(str(tmp_path / "set"))
    first = publish(open_run(str(whole / "run")), target, parse("1.0.0"))
    assert first.plan.counts == (38, 0, 0)
    assert verify(store_of(parse_place(str(tmp_path / "set")))).problems == []
    rows = [dict(zip(("unsafe", "safe"), files(number), strict=True), id=str(number)) for number in (1, 2, 100, 101)]
    rows.append({"id": "like 3", "unsafe": encoded(members(3)[0] // 8 * 7), "safe": encoded(ground(102))})
    sp.import_pairs(rows, tmp_path / "more", category="O6")
    second = publish(open_run(str(tmp_path / "more")), parse_target(str(tmp_path / "set")), parse("1.1.0"))
    assert second.plan.counts == (3, 0, 0)  # the pairs 1 and 2 have the same ids again
    assert verify(store_of(parse_place(str(tmp_path / "set")))).problems == []
    edition = store_of(parse_place(str(tmp_path / "set"))).newest()
    assert edition is not None
    places = {row["pair_id"]: (row["group"], row["split"]) for row in edition.table.to_pylist()}
    new, old = (pairs_of(run)[name].identity for run, name in ((tmp_path / "more", "like 3"), (whole / "run", "p003")))
    assert new and old and places[new.pair_id] == places[old.pair_id]
    row = sp.load(str(tmp_path / "set"), split="test")[0]
    assert (row["direction"], row["generator"]) == (3, None)
    again = sp.import_pairs(tmp_path / "set", tmp_path / "again", workers=1)  # a version is a source, too
    assert again.pairs == 41
    assert {pair.identity.pair_id for pair in pairs_of(tmp_path / "again").values() if pair.identity} == set(places)
    card = (tmp_path / "set" / "README.md").read_text()
    assert "The pairs came finished" in card and "No judge was asked." in card
    assert "| source | 5 | 5 |  |\n| select | 5 | 5 |  |\n" in card
    assert "| category | source | select |\n|---|---:|---:|\n| `weapons_substances` | 5 | 5 |\n" in card


def test_pairs_that_differ_everywhere_are_measured_and_verified(tmp_path: Path) -> None:
    import numpy as np

    unsafe, safe = members(1, 128, 128)
    noise = np.random.default_rng(0).integers(-2, 3, safe.shape)
    row = {"unsafe": encoded(unsafe), "safe": encoded(np.clip(safe + noise, 0, 255).astype(np.uint8))}
    sp.import_pairs([row], tmp_path / "run", category="O6")
    (pair,) = pairs_of(tmp_path / "run").values()
    assert pair.edit_box and pair.preservation
    assert max(abs(x - y) for x, y in zip(pair.edit_box, (8, 20, 24, 40), strict=True)) <= 2
    assert 0.9 < pair.preservation.ssim_outside < 1
    assert pair.preservation.changed_fraction == pytest.approx(16 * 20 / 128**2, rel=0.2)
    publish(open_run(str(tmp_path / "run")), parse_target(str(tmp_path / "set")), parse("1.0.0"))
    assert verify(store_of(parse_place(str(tmp_path / "set")))).problems == []


def test_hash_lists_and_published_sets_keep_pairs_out(tmp_path: Path, whole: Path) -> None:
    pair = pairs_of(whole / "run")["p000"]
    assert pair.finished
    (tmp_path / "list.txt").write_text(f"sha256:{pair.finished.safe_file},asked for\n")
    rows = [dict(zip(("unsafe", "safe"), files(number), strict=True)) for number in (0, 50)]
    done = sp.import_pairs(rows, tmp_path / "run", category="O6", hash_lists=[str(tmp_path / "list.txt")])
    assert done.rejected == {"on_hash_list": 1}


def test_a_licence_is_asked_for_before_a_public_place(tmp_path: Path) -> None:
    rows = [dict(zip(("unsafe", "safe"), files(number), strict=True)) for number in range(2)]

    class Public:
        name, public = "lab/pairs", True

    sp.import_pairs(rows, tmp_path / "run", category="O6")
    with pytest.raises(PublishError, match=r"the licence of the imported pairs .* import them with --license ID"):
        publish(open_run(str(tmp_path / "run")), Public(), parse("1.0.0"))  # type: ignore[arg-type]
    sp.import_pairs(rows, tmp_path / "licensed", category="O6", license="CC-BY-4.0")
    assert open_run(str(tmp_path / "licensed")).read_json("recipe.json")["parts"]["license"] == "CC-BY-4.0"
