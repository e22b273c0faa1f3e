"""Twins of the sets that layouts are for, on a Hub: pushed by the real clients, imported, published, and scored."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_fixtures import USERS, Hub, commands
from PIL import Image

import safetypairs_hf as sp
from importing import twins
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.testing.localhub.server import serve

ORGS = {name: ["alice"] for name in ("tyodd", "Advait-s06", "DeeWoo", "lab")}
# A guard that sees red, and calls that unsafe.
RED = "def judge(image, category):\n    return float((255, 0, 0) in dict.fromkeys(image.convert('RGB').getdata()))\n"
DIRECTIONS = ("unsafe_to_safe", "both_regenerated", "safe_to_unsafe", "unknown")


class Twin(NamedTuple):
    """A twin: what is typed after `import`, what nobody but its user can say to `publish`, and its licence."""

    words: list[str]
    publish: list[str]
    license: str


TWINS = {
    "bench": Twin([twins.SAFE_EDIT_BENCH, "--layout", "safeeditbench"], [], "cc-by-4.0"),
    "edits": Twin(
        [twins.IMAGE_EDITS, "--layout", "safe-vs-unsafe-image-edits", "--category", "O6"],
        ["--accept-license"],
        "NOASSERTION",
    ),
    "batch2": Twin(
        [twins.SECOND_BATCH, "--layout", "safe-vs-unsafe-image-edits", "--category", "O6", "--license", "CC0-1.0"],
        [],
        "CC0-1.0",
    ),
    "contra": Twin([twins.CONTRA_SAFE, "--layout", "contrasafe-vl", "--category", "hate"], [], "research-use-only"),
}


class Done(NamedTuple):
    """The Hub, the folder where the commands ran, and what each said."""

    hub: Hub
    folder: Path
    said: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Each twin is imported, published as lab/NAME and judged; bob, who has no access, tries one, too."""
    folder = tmp_path_factory.mktemp("twins")
    home = folder / "hf_home"
    home.mkdir()
    (folder / "red.py").write_text(RED)
    with serve(folder / "hub", USERS, ORGS) as server:
        hub = Hub(server, home)
        push = [sys.executable, Path(twins.__file__)]
        made = subprocess.run(push, env=hub.env(), capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        lines = {}
        for name, twin in TWINS.items():
            lines[f"import {name}"] = ["import", *twin.words, "--out", name, "--workers", "1"]
            lines[f"publish {name}"] = ["publish", name, f"lab/{name}", "--version", "1.0.0", *twin.publish]
            guard = ["evaluate", "function", "--set", "function=red.py:judge"]
            lines[f"evaluate {name}"] = [*guard, "--data", f"lab/{name}@1.0.0", "--out", f"{name}.parquet"]
        lines["verify"] = ["verify", "lab/bench@1.0.0"]
        said = dict(zip(lines, commands(hub, folder, *lines.values()), strict=True))
        words = lines["import contra"]
        said |= {"bob": commands(hub, folder, [*words[:-4], "--out", "bob"], user="bob")[0]}
        yield Done(hub, folder, said)


def fetched(done: Done, name: str, file: str) -> str:
    """A file of version 1.0.0 of lab/NAME."""
    where = {"repo_type": "dataset", "revision": "v1.0.0", "cache_dir": done.hub.cache}
    return done.hub.api().hf_hub_download(f"lab/{name}", file, **where)


def taxonomy(done: Done, name: str) -> Taxonomy:
    return sp.taxonomy.read(fetched(done, name, "taxonomy.yaml"))


def published(done: Done, name: str) -> list[dict[str, Any]]:
    """The rows of version 1.0.0 of lab/NAME, with `split`, and the category by its slug."""
    found = []
    slugs = taxonomy(done, name).slugs
    for file in done.hub.api().list_repo_files(f"lab/{name}", repo_type="dataset", revision="v1.0.0"):
        if file.startswith("data/"):
            for row in pq.read_table(fetched(done, name, file)).to_pylist():
                row |= {"category": slugs[row["category"]], "direction": DIRECTIONS[row["direction"]]}
                found.append({**row, "split": file.split("/")[1]})
    return found


def pixels(cell: Any) -> Any:
    return np.asarray(Image.open(io.BytesIO(cell["bytes"])))


def is_scene(row: dict[str, Any], scene: object) -> bool:
    return all(np.array_equal(pixels(row[f"{label}_image"]), twins.picture(scene, label)) for label in twins.COLOURS)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_goes_all_the_way(done: Done, name: str) -> None:
    for step in ("import", "publish", "evaluate"):
        assert done.said[f"{step} {name}"][0] == 0, done.said[f"{step} {name}"]
    rows = published(done, name)
    assert {row["source"]["license"] for row in rows} == {TWINS[name].license}
    assert {row["source"]["dataset"].partition("@")[0] for row in rows} == {TWINS[name].words[0]}
    score = sp.score(done.folder / f"{name}.parquet")
    assert (score.n_pairs, score.pair_accuracy) == (sum(row["split"] == "test" for row in rows), 1.0)


def test_safe_edit_bench(done: Done) -> None:
    rows = published(done, "bench")
    expected = {
        (f"policy_l{number}", stem)
        for number in range(1, 6)
        for stem in twins.STEMS
        if not (number == 1 and stem in twins.STEMS[:2]) and not (number == 5 and stem == twins.STEMS[-1])
    }
    scenes = {row["pair_id"]: next(stem for stem in twins.STEMS if is_scene(row, stem)) for row in rows}
    assert len(rows) == len(expected)
    assert {(row["category"], scenes[row["pair_id"]]) for row in rows} == expected
    assert {row["split"] for row in rows} == {"test"}  # as the source has it
    assert {row["direction"] for row in rows} == {"unsafe_to_safe"}
    assert len({(scenes[row["pair_id"]], row["group"]) for row in rows}) == len({row["group"] for row in rows}) == 4
    assert done.said["verify"][0] == 0
    said = done.said["import bench"][1]
    assert "left out: 3 missing_half" in said
    policies = {each.slug: each for each in taxonomy(done, "bench").categories}
    assert policies["policy_l3"].name == "Policy L3"
    assert policies["policy_l3"].scope == "No red at all:"
    assert policies["policy_l3"].should_not == ("no red square", "no red frame")


@pytest.mark.parametrize(("name", "batch"), [("edits", 0), ("batch2", 1)])
def test_image_edits(done: Done, name: str, batch: int) -> None:
    rows = published(done, name)
    assert sorted(n for row in rows for n in range(12) if is_scene(row, (batch, n))) == list(range(12))
    assert {row["category"] for row in rows} == {"weapons_substances"}
    assert {row["direction"] for row in rows} == {"unknown"}
    assert all(row["generator"] is None for row in rows)
    assert len({row["group"] for row in rows}) == 12
    assert {row["split"] for row in rows} == {"train", "test"}  # one split alone is no split of the source's


def test_contra_safe(done: Done) -> None:
    rows = published(done, "contra")
    scenes = {scene: row for row in rows for scene in range(10) if is_scene(row, scene)}
    ways = {scene: row["direction"] for scene, row in scenes.items()}
    assert len(rows) == 8
    assert ways == {
        **dict.fromkeys((0, 1, 2, 3, 7), "unsafe_to_safe"),
        4: "safe_to_unsafe",
        5: "both_regenerated",
        6: "unknown",
    }
    assert [scenes[number]["source"]["id"] for number in range(4)] == [f"csvl-a{number}" for number in range(4)]
    assert {row["category"] for row in rows} == {"hate"}
    assert "left out: 2 no_pair" in done.said["import contra"][1]


def test_a_gated_set_without_access_is_one_line(done: Done) -> None:
    code, said = done.said["bob"]
    assert code == 1
    assert said.startswith("DeeWoo/ContraSafe-VL is gated, and this token has no access; ask for it on its page")
    assert "\n" not in said
