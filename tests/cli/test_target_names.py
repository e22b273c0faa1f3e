"""Every command, and every way in from Python, reads the name of a dataset alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builds import make_run
from hub_fixtures import ORGS, USERS, Hub, commands

from safetypairs_hf.testing.localhub.server import serve

BOTH = (
    "lab/set is a folder here and could be a Hub id too; for the folder write ./{}; for the dataset on the Hub run "
    "this in another folder"
)
NOTHING = (
    "'{0}' is no target: there is no folder of that name here; write ./{0} for a folder, or org/{0} for a dataset on "
    "the Hub"
)
GUARD = "colour-and-clutter"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("lab")
    with serve(folder / "hub", USERS, ORGS) as server:
        yield Hub(server, folder)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Path:
    """A dataset lab/set on the Hub, and the folders lab/set, mydata and pairs@lab, each with 1.0.0; and predictions."""
    folder = tmp_path_factory.mktemp("work")
    make_run(folder / "run", pairs=6, test_fraction=1.0)
    done = commands(
        hub,
        folder,
        ["publish", "run", "lab/set", "--version", "1.0.0"],
        *(["publish", "run", f"./{place}", "--version", "1.0.0"] for place in ("lab/set", "mydata", "pairs@lab")),
        ["evaluate", GUARD, "--data", "./mydata", "--out", "mood.parquet"],
    )
    assert [code for code, _ in done] == [0] * 5, done
    return folder


def reading(place: str) -> dict[str, list[str]]:
    """Each command that reads one version, on `place`@1.0.0."""
    name = f"{place}@1.0.0"
    return {
        "evaluate": ["evaluate", GUARD, "--data", name, "--out", "new.parquet", "--fresh"],
        "score": ["score", "mood.parquet", "--data", name],
        "verify": ["verify", name],
        "diff": ["diff", name, "./pairs@lab"],
        "report": ["report", name, "--out", "data.html"],
        "report of a guard": ["report", "mood.parquet", "--data", name, "--out", "guard.html"],
    }


def whole(place: str) -> dict[str, list[str]]:
    """Each command that takes a dataset without a version, on `place`; none of them changes anything."""
    return {
        "versions": ["versions", place],
        "verify with a version": ["verify", place, "--version", "1.0.0"],
        "diff of two versions": ["diff", place, "1.0.0", "1.0.0"],
        "publish": ["publish", "run", place, "--version", "1.0.0"],
        "takedown": ["takedown", place, "0" * 16, "--reason", "r", "--version", "2.0.0", "--dry-run"],
    }


def said(hub: Hub, work: Path, lines: dict[str, list[str]]) -> dict[str, tuple[int, str]]:
    return dict(zip(lines, commands(hub, work, *lines.values()), strict=True))


def test_a_folder_that_could_be_on_the_hub_is_refused_everywhere(hub: Hub, work: Path) -> None:
    results = ["results", "push", "mood.parquet", "alice/guard", "--data", "lab/set@1.0.0"]
    versioned = said(hub, work, reading("lab/set") | {"results": results})
    assert versioned == dict.fromkeys(versioned, (1, BOTH.format("lab/set@1.0.0")))
    plain = said(hub, work, whole("lab/set"))
    assert plain == dict.fromkeys(plain, (1, BOTH.format("lab/set")))
    assert not (work / "new.parquet").exists()


@pytest.mark.parametrize("place", ["mydata", "mydata/", "./lab/set", "./pairs@lab", "pairs@lab"])
def test_a_folder_is_taken_everywhere(hub: Hub, work: Path, place: str) -> None:
    found = said(hub, work, reading(place) | whole(place))
    down = found.pop("takedown")
    assert {name: code for name, (code, _) in found.items()} == dict.fromkeys(found, 0), found
    recorded = place.rstrip("/")
    assert down[0] == 1
    assert down[1].startswith(f"{recorded} 1.0.0 has no pair '0000000000000000'")
    assert found["publish"][1] == f"{recorded} holds 1.0.0 already: nothing to do\n"
    assert found["verify"][1].startswith(f"{recorded}@1.0.0: 6 pairs, ")
    assert f"data:{recorded}@1.0.0|" in found["score"][1]
    run = json.loads(pq.read_schema(work / "new.parquet").metadata[b"safetypairs"])
    assert run["data"]["name"] == f"{recorded}@1.0.0"


def test_the_hub_is_read_where_no_folder_is_in_the_way(hub: Hub, work: Path, tmp_path: Path) -> None:
    """What was read is what is recorded; the bare name too names what it means."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(work / "pairs@lab", elsewhere / "pairs@lab")
    shutil.copy(work / "mood.parquet", elsewhere)
    found = said(hub, elsewhere, reading("lab/set"))
    assert {name: code for name, (code, _) in found.items()} == dict.fromkeys(found, 0), found
    assert "data:lab/set@1.0.0|" in found["score"][1]
    code = """
import os, json
os.environ["SAFETYPAIRS_REPO"] = "lab/set"
import safetypairs_hf as sp
from safetypairs_hf.icons.scene_guards import ColourAndClutter
from safetypairs_hf.dataset.store.open_store import open_named
for data in ("safetypairs", "safetypairs@v1.0.0"):
    print(sp.evaluate(ColourAndClutter(), data, "bare.parquet").signature, open_named(data).name)
"""
    lines = hub.run_python(code, cwd=elsewhere).splitlines()
    assert [line.split("|")[0] for line in lines] == ["data:lab/set@1.0.0"] * 2
    assert [line.split()[-1] for line in lines] == ["lab/set@1.0.0"] * 2


def test_a_bare_word_that_is_no_folder(hub: Hub, work: Path) -> None:
    """One line with both spellings, the same from every command."""
    versioned = said(hub, work, reading("other"))
    assert versioned == dict.fromkeys(versioned, (1, NOTHING.format("other@1.0.0")))
    plain = said(hub, work, whole("other"))
    assert plain == dict.fromkeys(plain, (1, NOTHING.format("other")))


def test_targets_that_are_spelt_as_something_else(hub: Hub, work: Path) -> None:
    page = f"{hub.endpoint}/datasets/lab/new"
    expected = {
        page: f"{page!r} is no target; for that dataset write lab/new",
        "hf://datasets/lab/new": "'hf://datasets/lab/new' is no target; for that dataset write lab/new",
        "lab/new@1.0.0": "lab/new@1.0.0 names a version, and here a whole dataset is named; write lab/new",
        "./new@1.0.0": "./new@1.0.0 names a version, and here a whole dataset is named; write ./new",
        "safetypairs": "'safetypairs' is the dataset in the package, which only a new safetypairs-hf can change; "
        "write ./safetypairs for a folder, or org/name for the Hub",
    }
    found = commands(hub, work, *(["publish", "run", text, "--version", "1.0.0"] for text in expected))
    assert found == [(1, line) for line in expected.values()]
    assert not hub.api().repo_exists("lab/new", repo_type="dataset")
    found = commands(hub, work, ["versions", "lab/new@1.0.0"], ["report", page, "--out", "x.html"])
    assert found == [(1, expected["lab/new@1.0.0"]), (1, expected[page])]


def test_a_release_to_a_bare_folder_is_a_folders(hub: Hub, work: Path, tmp_path: Path) -> None:
    """Its card does not point to the Hub."""
    (tmp_path / "mine").mkdir()
    words = ["publish", str(work / "run"), "mine", "--version", "1.0.0"]
    assert commands(hub, tmp_path, words, ["verify", "mine"])[1][0] == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert 'load_dataset("./mine", split="test")' in card
    assert "https://huggingface.co/datasets/mine" not in card
