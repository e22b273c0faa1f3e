"""A taxonomy of one's own, along the whole road: three categories, of which two map to the nine and one to none."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from builds import SQUARES, make_run, tree
from click.testing import CliRunner
from hub_fixtures import Hub, commands, hub  # noqa: F401

import safetypairs_hf as sp
from safetypairs_hf.cli.build import command as build_command
from safetypairs_hf.core.errors import PublishError, RecipeError, RunError, SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder, open_run
from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named, open_published
from safetypairs_hf.guards.user_guard import OwnFunction
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.report import report
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE
from safetypairs_hf.taxonomy.taxonomy_yaml import parse as parse_yaml
from safetypairs_hf.versions.diff import diff
from safetypairs_hf.versions.verify import verify

ROAD_FILE = Path(__file__).parents[1] / "recipes" / "road.yaml"
ROAD = sp.taxonomy.read(ROAD_FILE)
SLUGS = ("fires", "blades", "litter")

# Sees what the squares are about: red is unsafe.
_SEES_RED = """
def judge(image, category):
    assert category in ("fires", "blades", "litter"), category
    return float(any(red > 220 and green < 30 and blue < 30 for _, (red, green, blue) in image.getcolors(1 << 16)))
"""


def changed(old: str, new: str, version: str = "1.1") -> Taxonomy:
    """The taxonomy with other words in its file."""
    text = ROAD_FILE.read_text()
    assert old in text
    text = text.replace(old, new).replace("version: 1.0", f"version: {version}")
    found, faults = parse_yaml(text, NINE)
    assert found is not None, faults
    return found


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `run` of 12 pairs, built by the command, and its release 1.0.0 in `data`."""
    folder = tmp_path_factory.mktemp("road")
    words = [SQUARES, "--out", str(folder / "run"), "--pairs", "12", "--workers", "1", "--taxonomy", str(ROAD_FILE)]
    done = CliRunner().invoke(build_command, [*words, "--set", "controls=true", "--set", "misses=0.3"])
    assert done.exit_code == 0, done.output
    publish(open_run(str(folder / "run")), parse_target(str(folder / "data")), parse("1.0.0"), with_failures=True)
    return folder


def released(folder: Path, version: str, run: RunFolder, **options: Any) -> Any:
    return publish(run, parse_target(str(folder)), parse(version), **options)


def test_the_run_names_its_taxonomy(road: Path, tmp_path: Path) -> None:
    recipe = json.loads((road / "run" / "recipe.json").read_text())
    assert recipe["taxonomy"] == {"name": "road@1.0", "digest": ROAD.digest}
    assert recipe["parts"]["categories"] == list(SLUGS)
    assert sp.taxonomy.read(road / "run" / "taxonomy.yaml") == ROAD
    for wording in (None, changed("a full litter bin", "an empty litter bin")):
        with pytest.raises(RunError, match="was started with another recipe"):
            make_run(road / "run", pairs=12, controls="true", misses=0.3, taxonomy=wording)
    (tmp_path / "copy").symlink_to(road / "run")
    of_nine = make_run(tmp_path / "nine", pairs=9)
    (tmp_path / "nine" / "taxonomy.yaml").write_bytes((road / "run" / "taxonomy.yaml").read_bytes())
    with pytest.raises(RunError, match=r"is not the safetypairs@1\.0 that the run was made with"):
        released(tmp_path / "data", "1.0.0", of_nine)
    (tmp_path / "nine" / "taxonomy.yaml").unlink()  # as in a run of before there were taxonomies
    released(tmp_path / "data", "1.0.0", of_nine)
    assert open_named(str(tmp_path / "data")).taxonomy == NINE


def test_what_is_published_follows_the_taxonomy(road: Path) -> None:
    data = road / "data"
    assert sp.taxonomy.read(data / "taxonomy.yaml") == ROAD
    edition = open_named(str(data))
    assert edition.taxonomy == ROAD and edition.releases[-1]["taxonomy"] == "road@1.0"
    assert Counter(edition.table["category"].to_pylist()) == dict.fromkeys(SLUGS, 4)
    header = yaml.safe_load((data / "README.md").read_text().split("---\n")[1])
    names = [config["config_name"] for config in header["configs"]]
    assert names == ["default", "by_category", *SLUGS, "controls", "failures"]
    text = (data / "README.md").read_text()
    assert "| `fires` (R1) | Fires on the Road |" in text and "nudity" not in text and "`taxonomy.yaml`" in text
    assert "policy names: Fires on the Road; Blades in the Car; Litter." in " ".join(text.replace("> ", "").split())
    croissant = json.loads((data / "croissant.json").read_text())
    (categories,) = (each for each in croissant["recordSet"] if each["name"] == "categories")
    assert [row["categories/slug"] for row in categories["data"]] == list(SLUGS)
    (_, task, _) = yaml.safe_load((data / "eval.yaml").read_text())["tasks"]
    assert f"Policy litter@1.0: {ROAD.policy('litter')}" in task["solvers"][0]["args"]["template"]
    for file in data.glob("*/**/*.parquet"):
        if file.name != "manifest.parquet":
            row = pq.read_table(file).to_pylist()[0]
            assert SLUGS[row["category"]] in file.parts
            assert row.get("policy", "").partition("@")[0] in ("", SLUGS[row["category"]])
    assert verify(open_published(str(data))).problems == []


def test_verify_reads_the_file(road: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(road / "data", data)
    file = data / "taxonomy.yaml"
    file.write_text(file.read_text().replace("a full litter bin", "an empty litter bin"))
    assert {problem.file for problem in verify(open_published(str(data))).problems} == {"taxonomy.yaml"}
    file.unlink()
    assert "taxonomy.yaml: is missing" in map(str, verify(open_published(str(data))).problems)
    assert open_named(str(data)).taxonomy == ROAD


def test_load_gives_its_categories(road: Path) -> None:
    from datasets import load_dataset

    data = sp.load(str(road / "data"), "1.0.0")
    assert data["test"].features["category"].names == list(SLUGS)
    rows = sp.images(data["test"])
    assert set(rows["category"]) == set(SLUGS)
    assert set(sp.load(str(road / "data"), config="by_category")) == set(SLUGS)
    (litter,) = {*load_dataset(str(road / "data"), "litter", split="test")["category"]}
    assert litter == SLUGS.index("litter")
    with pytest.raises(SafetyPairsError, match="no config 'nudity'; there are default, by_category, fires, blades"):
        sp.load(str(road / "data"), config="nudity")


def test_the_loading_script_gives_its_categories(road: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(road / "data" / "loading_script"))
    script = importlib.import_module("safetypairs")
    names = ["default", "by_category", *SLUGS, "controls", "failures"]
    for name, splits in {"default": {"train", "test"}, "by_category": set(SLUGS), "litter": {"train", "test"}}.items():
        builder = script.SafetyPairs(name, repo=str(road / "data"), cache_dir=str(tmp_path))
        assert list(builder.builder_configs) == names and set(builder._files) <= splits
        builder.download_and_prepare()
        found = builder.as_dataset()
        assert set(found) == set(builder._files) and found["test" if name != "by_category" else "fires"]
        if name == "by_category":
            assert list(found) == list(SLUGS)
    assert list(script.SafetyPairs.builder_configs)[2:4] == ["hate", "violence"]
    with pytest.raises(ValueError, match="BuilderConfig 'nudity' not found"):
        script.SafetyPairs("nudity", repo=str(road / "data"), cache_dir=str(tmp_path))


@pytest.fixture
def sees_red(tmp_path: Path) -> OwnFunction:
    (tmp_path / "red.py").write_text(_SEES_RED)
    return OwnFunction(f"{tmp_path / 'red.py'}:judge")


def test_a_guard_is_scored_by_its_categories(road: Path, tmp_path: Path, sees_red: OwnFunction) -> None:
    out = tmp_path / "red.parquet"
    score = sp.evaluate(sees_red, f"{road / 'data'}@1.0.0", out)
    assert set(score.per_category) <= set(SLUGS) and len(score.per_category) > 1
    assert score.pair_accuracy == 1.0
    run = json.loads(pq.read_schema(out).metadata[b"safetypairs"])
    assert run["data"]["taxonomy"] == "road@1.0" and run["guard"]["taxonomy"] == f"road@1.0 {ROAD.digest}"
    page = tmp_path / "report.html"
    report([str(out)], page)
    assert all(slug in page.read_text() for slug in score.per_category)
    report([str(road / "data")], page)
    assert all(category.name in page.read_text() for category in ROAD.categories)


def test_a_dataset_that_names_no_version_needs_the_taxonomy(road: Path, tmp_path: Path, sees_red: OwnFunction) -> None:
    data: Any = sp.load(str(road / "data"), split="test")
    with pytest.raises(
        SafetyPairsError, match=r"has the category 'fires', and safetypairs@1\.0 has hate, .*taxonomy=FILE"
    ):
        sp.evaluate(sees_red, data, tmp_path / "a.parquet")
    assert sp.evaluate(sees_red, data, tmp_path / "b.parquet", taxonomy=ROAD_FILE).pair_accuracy == 1.0
    with pytest.raises(SafetyPairsError, match="has its own taxonomy"):
        sp.evaluate(sees_red, str(road / "data"), tmp_path / "c.parquet", taxonomy=ROAD)


def test_on_a_hub(road: Path, hub: Hub) -> None:  # noqa: F811
    said = commands(
        hub,
        road,
        ["publish", "run", "lab/road", "--version", "1.0.0"],
        ["verify", "lab/road", "--version", "1.0.0"],
        ["versions", "lab/road"],
    )
    assert [code for code, _ in said] == [0, 0, 0], said
    files = hub.api().list_repo_files("lab/road", repo_type="dataset", revision="v1.0.0")
    assert "taxonomy.yaml" in files
    code = """
import safetypairs_hf as sp
from datasets import load_dataset
data = sp.load("lab/road", version="1.0.0", split="test")
print(*data.features["category"].names)
print(sorted({*load_dataset("lab/road", "litter", revision="v1.0.0", split="test")["category"]}))
from safetypairs_hf.evaluating.data import open_data
print(open_data("lab/road@1.0.0").taxonomy.name)
"""
    assert hub.run_python(code).splitlines()[-3:] == ["fires blades litter", "[2]", "road@1.0"]
    before = len(hub.server.log)
    offline = hub.run_python("import os\nos.environ['HF_HUB_OFFLINE'] = '1'\n" + code)
    assert offline.splitlines()[-1] == "road@1.0" and len(hub.server.log) == before


def test_other_words_take_a_minor_version(road: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    released(data, "1.0.0", open_run(str(road / "run")))
    was = tree(data)
    words = changed("a full litter bin", "an empty litter bin")
    run = make_run(tmp_path / "words", pairs=12, controls="true", misses=0.3, taxonomy=words)
    with pytest.raises(
        PublishError, match=r"too small a step from 1\.0\.0: the texts of its policies differ .*1\.1\.0"
    ):
        released(data, "1.0.1", run)
    assert tree(data) == was
    plan = released(data, "1.1.0", run).plan
    assert "policies reworded (road@1.1)" in plan.summary
    assert open_named(str(data)).taxonomy == words
    kept = [name for name in was if name.startswith("data/")]
    assert all((data / name).read_bytes() == was[name] for name in kept)  # the rows cite litter@1.0, as before
    assert verify(open_published(str(data))).problems == []

    with pytest.raises(PublishError, match=r"road@1\.0 follows road@1\.1: give it version 1\.2 or later"):
        released(data, "1.2.0", open_run(str(road / "run")))
    same_name = make_run(tmp_path / "same", pairs=3, taxonomy=changed("on the verge", "in a ditch"))
    with pytest.raises(PublishError, match=r"road@1\.1 follows road@1\.1: give it version 1\.2 or later"):
        released(data, "1.2.0", same_name)


def test_other_categories_take_a_major_version_and_new_numbers(road: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    released(data, "1.0.0", open_run(str(road / "run")), with_failures=True)
    old = open_named(str(data))
    table, files = old.table, {name: pq.read_table(data / name) for name in old.head["files"] if "/" in name}
    blades, litter = (ROAD.categories[number] for number in (1, 2))
    more = Taxonomy("road", "2.0", (litter, *ROAD.categories[:1], blades, *NINE.categories[:1]))
    run = make_run(tmp_path / "more", pairs=16, seed=1, controls="true", misses=0.3, taxonomy=more)
    with pytest.raises(
        PublishError, match=r"too small a step from 1\.0\.0: the categories differ .*give 2\.0\.0 or more"
    ):
        released(data, "1.1.0", run, with_failures=True)
    released(data, "2.0.0", run, with_failures=True)
    new = open_named(str(data))
    assert new.taxonomy == more and set(table["pair_id"].to_pylist()) < set(new.table["pair_id"].to_pylist())
    assert verify(open_published(str(data))).problems == []
    for name, before in files.items():
        if name.startswith(("data/", "controls/")):
            after = pq.read_table(data / name)
            slugs = [SLUGS[number] for number in before["category"].to_pylist()]
            assert [more.slugs[number] for number in after["category"].to_pylist()] == slugs
            assert after.drop_columns("category").equals(before.drop_columns("category"))
    loaded = sp.load(str(data), "2.0.0")
    assert loaded["test"].features["category"].names == ["litter", "fires", "blades", "hate"]

    without = Taxonomy("road", "3.0", more.categories[1:])
    fewer = make_run(tmp_path / "fewer", pairs=9, seed=2, taxonomy=without)
    with pytest.raises(PublishError, match=r"rows of .* 2\.0\.0 are in litter, which road@3\.0 does not .*--replace"):
        released(data, "3.0.0", fewer)
    released(data, "3.0.0", fewer, replace=True)
    assert verify(open_published(str(data))).problems == []
    assert set(open_named(str(data)).table["category"].to_pylist()) == {"fires", "blades", "hate"}


def test_diff_of_versions_tells_the_taxonomy(road: Path, tmp_path: Path) -> None:
    for name, taxonomy in (("a", ROAD), ("b", changed("a full litter bin", "an empty litter bin"))):
        run = make_run(tmp_path / f"run-{name}", pairs=6, taxonomy=taxonomy)
        released(tmp_path / name, "1.0.0" if name == "a" else "1.0.1", run)
    found = diff(open_named(str(tmp_path / "a")), open_named(str(tmp_path / "b")))
    assert found.taxonomy and found.taxonomy.step == "minor" and not found.changes and not found.schema
    assert (str(found.least), found.allowed) == ("1.1.0", False)
    same = diff(open_named(str(tmp_path / "a")), open_named(str(tmp_path / "a")))
    assert same.taxonomy is None and not same.differs


def test_a_taxonomy_that_a_recipe_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from safetypairs_hf.recipes import *\n"
        "from safetypairs_hf.icons import *\n"
        "def recipe(pairs: int = 2):\n"
        "    return Recipe(IconScenes(), IconInstructor(), IconEditor(), Judging((IconMatcher(),)), Selection(),\n"
        "                  pairs, 'CC0-1.0', 'x')\n"
    )
    from safetypairs_hf.building.recipe import load_recipe

    with pytest.raises(RecipeError, match="recipe 'own' takes no taxonomy; give its function a parameter taxonomy"):
        load_recipe(str(tmp_path / "own.py"), {}, ROAD)
    with pytest.raises(RecipeError, match=r"no category of litter@1\.0 maps to one"):
        load_recipe("icons", {}, Taxonomy("litter", "1.0", ROAD.categories[2:]))
    assert load_recipe(str(tmp_path / "own.py"), {}, NINE).recipe.taxonomy == NINE
    with pytest.raises(RecipeError, match="has no setting 'taxonomy'"):
        load_recipe("icons", {"taxonomy": "x"})
    named_as_ours = Taxonomy("safetypairs", "1.0", ROAD.categories)
    with pytest.raises(RecipeError, match=r"safetypairs@1\.0 is that of a taxonomy in this package"):
        load_recipe(SQUARES, {}, named_as_ours)


def test_icons_are_drawn_for_what_maps_to_the_nine(tmp_path: Path) -> None:
    from safetypairs_hf.building.build import build
    from safetypairs_hf.building.recipe import load_recipe

    loaded = load_recipe("icons", {"pairs": "4", "size": "256"}, ROAD)
    assert loaded.recipe.categories == ("fires", "blades")
    build(loaded, str(tmp_path / "run"), 1)
    released(tmp_path / "data", "1.0.0", open_run(str(tmp_path / "run")))
    assert set(open_named(str(tmp_path / "data")).table["category"].to_pylist()) == {"fires", "blades"}
    assert verify(open_published(str(tmp_path / "data"))).problems == []


def test_a_fault_of_the_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("id: road\n")
    words = ["build", SQUARES, "--out", str(tmp_path / "run"), "--taxonomy", str(tmp_path / "bad.yaml")]
    done = subprocess.run([sys.executable, "-m", "safetypairs_hf", *words], capture_output=True, text=True)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "bad.yaml is not a valid taxonomy: it has no 'version'; it has no 'categories'; see:" in done.stderr
    assert not (tmp_path / "run").exists()
