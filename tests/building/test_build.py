"""The build: the same bytes however it is run, and a clear line where it cannot be run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builds import SQUARES, make_run, tree
from processes import interruptible, processes_in, wait_for

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.errors import RecipeError, RunError
from safetypairs_hf.core.run_folder import RunFolder, open_run


def drawn(run: RunFolder) -> list[tuple[str, str, str]]:
    return [(item.entrant.identity.pair_id, item.group, item.split) for item in run_reader.selected(run)]


def test_the_funnel_counts_every_source_once(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18, sources=40)
    stages = {stage["stage"]: stage for stage in run_reader.funnel(run)["stages"]}
    # Of the numbers 0 to 39: 12, 25 and 38 have no hint; 9, 19, 29 and 39 are too pale.
    assert (stages["source"]["in"], stages["source"]["out"]) == (24, 24)  # ceil(18 / 0.8 + 1) = 23, in units of 8
    assert stages["instruct"]["rejected"] == {"no_hint": 1}
    assert stages["judge"]["rejected"] == {"too_faint": 2}
    assert stages["select"]["in"] == 21
    assert stages["select"]["out"] == 18
    for stage in stages.values():
        assert stage["in"] == stage["out"] + sum(stage["rejected"].values())
        assert stage["in"] == sum(cell["in"] for cell in stage["by_category"].values())


def test_a_reject_keeps_its_reason(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9)
    rejected = [row for row in run.rows("judge/part-00001.parquet") if row["reject"]]
    assert [row["reject"]["reason"] for row in rejected] == ["too_faint"]
    assert rejected[0]["reject"]["detail"].startswith("red-judge: P(unsafe) before = 0.25")


def test_workers_and_engine_change_no_byte(tmp_path: Path) -> None:
    make_run(tmp_path / "one", workers=1, pairs=30)
    make_run(tmp_path / "two", workers=2, pairs=30)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_model_stages_change_no_byte_of_a_part(tmp_path: Path) -> None:
    make_run(tmp_path / "plain", pairs=30)
    make_run(tmp_path / "models", pairs=30, models="true")
    plain, models = tree(tmp_path / "plain"), tree(tmp_path / "models")
    assert plain.keys() == models.keys()
    assert [name for name in plain if plain[name] != models[name]] == ["recipe.json"]


def test_a_larger_build_holds_every_pair_of_a_smaller_one(tmp_path: Path) -> None:
    small, large = make_run(tmp_path / "small", pairs=13), make_run(tmp_path / "large", pairs=41)
    assert drawn(large)[:13] == drawn(small)


def test_a_run_grows_to_what_it_would_have_been(tmp_path: Path) -> None:
    make_run(tmp_path / "grown", pairs=13)
    make_run(tmp_path / "grown", pairs=41)
    make_run(tmp_path / "fresh", pairs=41)
    assert tree(tmp_path / "grown") == tree(tmp_path / "fresh")


def test_killed_at_random_it_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    make_run(tmp_path / "whole", pairs=200)
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", "killed", "--pairs", "200"]
    dice, kills = random.Random(0), 0
    for workers in ("1", "2") * 3:
        process = subprocess.Popen([*command, "--workers", workers], cwd=tmp_path, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        goal = len(list(tmp_path.glob("killed/*/*"))) + dice.randint(1, 40)
        while process.poll() is None and len(list(tmp_path.glob("killed/*/*"))) < goal and time.monotonic() < deadline:
            time.sleep(0.001)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert kills >= 2
    wait_for(lambda: not processes_in(tmp_path), "workers of killed builds are left")
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_an_interrupt_is_one_line_and_the_build_goes_on_after(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", "run", "--pairs", "900"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(list(tmp_path.glob("run/judge/*"))) > 3, "the build does not begin")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, said = process.communicate()
    assert process.returncode == 130
    parts = len(list(tmp_path.glob("run/**/*.parquet")))
    assert (
        said
        == f"safetypairs: stopped; {parts:,} parts are whole and kept in run; run the same command again to continue\n"
    )
    wait_for(lambda: not processes_in(tmp_path), "workers of a stopped build are left")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


def test_a_changed_recipe_says_what_changed(tmp_path: Path) -> None:
    make_run(tmp_path / "run", pairs=9)
    with pytest.raises(RunError, match=r"parts\.source\.seed: 0 -> 1"):
        make_run(tmp_path / "run", pairs=9, seed=1)
    with pytest.raises(RunError, match=r"inputs:  -> other"):
        make_run(tmp_path / "run", pairs=9, variant="other")
    with pytest.raises(RunError, match="holds a run of 9 pairs, but 8 were asked for"):
        make_run(tmp_path / "run", pairs=8)


def test_a_changed_version_of_a_package_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9)
    recipe = run.read_json("recipe.json")
    recipe["versions"]["numpy"], recipe["hash"] = "1.0", "0"
    run.write_json("recipe.json", recipe)
    with pytest.raises(RunError, match=r"versions\.numpy: 1\.0 -> "):
        make_run(tmp_path / "run", pairs=9)


def test_sources_that_run_out_end_the_build(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=100, sources=30)
    assert len(run_reader.selected(run)) == 30 - 2 - 3  # 12 and 25 without a hint; 9, 19 and 29 too pale


def test_a_hopeless_recipe_stops_with_the_reason(tmp_path: Path) -> None:
    hopeless = tmp_path / "hopeless.py"
    hopeless.write_text(Path(SQUARES).read_text().replace("% 13 == 12", "% 1 == 0"))
    with pytest.raises(RunError, match=r"0 of 9 pairs after 128 sources.*safetypairs status"):
        build(load_recipe(str(hopeless), {"pairs": "9"}), str(tmp_path / "run"), workers=1)


def test_a_source_without_some_categories_stops_with_their_names(tmp_path: Path) -> None:
    few = tmp_path / "few.py"
    text = Path(SQUARES).read_text()
    few.write_text(text.replace("slugs[number % len(self.taxonomy.slugs)]", "slugs[2 + number % 7]"))
    line = r"9 of 9 pairs after 128 sources: .* no pair of hate, violence came; add sources of them, or give"
    with pytest.raises(RunError, match=line):
        build(load_recipe(str(few), {"pairs": "9"}), str(tmp_path / "run"), workers=1)


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("dear")
    with pytest.raises(RunError, match="is not empty and is not a run"):
        make_run(tmp_path / "run")
    assert tree(tmp_path / "run") == {"thesis.tex": b"dear"}
    with pytest.raises(RunError, match="is a file"):
        make_run(tmp_path / "run" / "thesis.tex")
    with pytest.raises(RunError, match="holds no run"):
        open_run(str(tmp_path / "nowhere"))


def test_a_run_folder_may_be_any_fsspec_url(tmp_path: Path) -> None:
    loaded = load_recipe(SQUARES, {"pairs": "9"})
    build(loaded, "memory://here/run", workers=2)
    make_run(tmp_path / "run", pairs=9)
    memory = RunFolder("memory://here/run")
    assert {name: memory.read(name) for name in memory.files()} == tree(tmp_path / "run")


def test_an_unfinished_run_shows_how_far_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18)
    run.remove("funnel.json")
    run.remove("judge/part-00002.parquet")
    found = run_reader.funnel(run)
    assert found["finished"] is False
    assert [stage["in"] for stage in found["stages"]] == [24, 24, 23, 15, 0]
    with pytest.raises(RunError, match="is not finished"):
        run_reader.selected(run)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("icon", {}, "no recipe 'icon'; the nearest is 'icons'"),
        ("nowhere/x.py", {}, "no recipe file 'nowhere/x.py'"),
        (SQUARES, {"colour": "1"}, "has no setting 'colour'; it takes pairs, seed, sources"),
        (SQUARES, {"pairs": "many"}, "pairs=many: expected an int"),
        (SQUARES, {"pairs": "0"}, "pairs = 0: give at least 1"),
        (SQUARES, {"models": "perhaps"}, "models=perhaps: expected true or false"),
        (SQUARES, {"test_fraction": "1.5"}, "expected a number from 0 to 1"),
    ],
)
def test_wrong_recipes_and_settings(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no function recipe()"),
        ("def recipe(:\n", "mine.py, line 1: SyntaxError: "),
        ("import no_such_module\n", "needs the module 'no_such_module'"),
    ],
)
def test_broken_recipe_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(tmp_path / "mine.py"))
    assert message in str(caught.value)


def test_a_full_disk_is_one_line_and_the_run_goes_on_after(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the write fails in the middle, for real, with an OSError."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        f"from safetypairs_hf.cli import main\nmain(['build', {SQUARES!r}, '--out', 'run', '--pairs', '200',"
        " '--workers', '1'])\n"
    )
    failed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("safetypairs: cannot write run: File too large")
    assert not list(tmp_path.glob("run/*/*.tmp-*"))
    make_run(tmp_path / "run", pairs=200)
    make_run(tmp_path / "whole", pairs=200)
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=18)
    whole = tree(tmp_path / "run")
    for name in ("judge/part-00001.parquet", "source/part-00000.parquet"):
        (tmp_path / "run" / name).write_bytes(whole[name][:-50])
        run.remove("funnel.json")
        with pytest.raises(RunError, match=rf"{name} is damaged .*; delete it, and funnel.json, and build again"):
            make_run(tmp_path / "run", pairs=18)
        run.remove(name)
        make_run(tmp_path / "run", pairs=18)
        assert tree(tmp_path / "run") == whole


def test_the_resolved_recipe_is_all_in_one_file(tmp_path: Path) -> None:
    make_run(tmp_path / "run", pairs=9, seed=3)
    resolved = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert resolved["recipe"] == "squares"
    assert resolved["pairs"] == 9
    assert resolved["parts"]["source"] == {"class": "Squares", "seed": 3, "size": None, "variant": ""}
    assert resolved["parts"]["judging"]["unsafe_at_least"] == 0.5
    assert set(resolved["versions"]) == {"safetypairs-hf", "numpy", "pillow"}
