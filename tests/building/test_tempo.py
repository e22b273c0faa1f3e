"""How fast a build goes: counted by units, kept out of the run folder, shown by `status` and by the progress line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from builds import SQUARES, make_run, tree
from click.testing import CliRunner

from safetypairs_hf.building import tempo
from safetypairs_hf.building.build import build
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.tempo import Meter, Note, Tempos
from safetypairs_hf.cli import group
from safetypairs_hf.cli.progress import Lines
from safetypairs_hf.core.run_folder import RunFolder, open_run

HELD = ["instruct", "edit", "judge", "controls", "controls-judge"]  # by a recipe with `models=true`


def test_a_build_is_measured_and_its_folder_is_not_touched(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9, models=True, controls=True)
    whole = tree(tmp_path / "run")
    found = Tempos(run).to_dict()
    funnel = run.read_json("funnel.json")
    worked = {stage["stage"]: stage["in"] for stage in funnel["stages"]}
    assert list(found) == HELD
    assert {step: found[step]["images"] for step in HELD[:3]} == {step: worked[step] for step in HELD[:3]}
    assert all(each["seconds"] > 0 and 0 <= each["busy_share"] <= 1 for each in found.values())
    status = CliRunner().invoke(group, ["status", run.url, "--json"])
    assert json.loads(status.stdout)["tempo"] == found
    lines = CliRunner().invoke(group, ["status", run.url]).stdout.splitlines()
    assert [line.split(":")[0] for line in lines if "images/h, model busy" in line] == HELD
    make_run(tmp_path / "run", pairs=9, models=True, controls=True)
    assert Tempos(run).to_dict() == found and tree(tmp_path / "run") == whole  # nothing was done
    plain = make_run(tmp_path / "plain", pairs=9)
    assert Tempos(plain).to_dict() == {}


def test_a_judge_that_is_shown_nothing_has_no_speed(tmp_path: Path) -> None:
    """Every pair fails by its pixels."""
    loaded = load_recipe(SQUARES, {"pairs": "9", "models": "true", "sources": "16"})
    none = replace(loaded.recipe, judging=replace(loaded.recipe.judging, max_changed_fraction=0.0))
    build(replace(loaded, recipe=none), str(tmp_path / "run"), workers=1)
    run = open_run(str(tmp_path / "run"))
    stages = {stage["stage"]: stage["in"] for stage in run.read_json("funnel.json")["stages"]}
    assert stages["judge"] == 15 and list(Tempos(run).to_dict()) == ["instruct", "edit"]


def test_what_is_done_again_counts_again_and_another_run_in_the_folder_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9, models=True)
    once = Tempos(run).to_dict()["edit"]["images"]
    run.remove("edit/part-00000.parquet")
    run.remove("funnel.json")
    make_run(tmp_path / "run", pairs=9, models=True)
    assert once < Tempos(run).to_dict()["edit"]["images"] < 2 * once
    for name in run.files():
        run.remove(name)
    assert Tempos(make_run(tmp_path / "run", pairs=9, models=True)).to_dict()["edit"]["images"] == once


def test_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two units of 30 s, in which a model works 24 and 27 s on 10 images each, and one that has nothing for it."""
    clock = 0.0

    def doing(meter: Meter) -> Iterator[int]:
        nonlocal clock
        for unit, busy in enumerate((24.0, 27.0, 0.0)):
            clock += 30
            meter.add(10 if busy else 0, busy)
            yield unit

    monkeypatch.setattr(tempo, "monotonic", lambda: clock)
    tempos, meter = Tempos(RunFolder(str(tmp_path))), Meter()
    assert list(tempos.timed("edit", meter, doing(meter))) == [0, 1, 2]
    assert tempos.to_dict() == {
        "edit": {"images": 20, "seconds": 60.0, "images_an_hour": 1200.0, "busy_share": 0.85},
    }
    assert list(Tempos(RunFolder(str(tmp_path))).lines()) == ["edit: 1,200 images/h, model busy 85%"]
    lines = Lines("build", lambda: clock, tempos.of)
    lines.report("edit", 0, 40)
    clock += 60
    lines.report("edit", 2, 40)
    said = lines.line()
    assert said == "safetypairs: build, edit: 2 of 40 (5%), 1,200 images/h, model busy 85%, 19 min left"
    lines.report("judge", 0, 40)
    lines.report("judge", 1, 40)
    assert "images/h" not in lines.line()


def test_the_figures_of_tasks(tmp_path: Path) -> None:
    """Two tasks of 60 s, 30 s of them at the same time; one that did nothing, a damaged note, and one of before."""
    folder = tmp_path / "run.slurm" / "001"
    folder.mkdir(parents=True)
    notes = [("edit", 20, 54.0, 100.0, 160.0), ("edit", 10, 36.0, 130.0, 190.0), ("judge", 0, 0.0, 100.0, 160.0)]
    for number, note in enumerate(notes):
        (folder / f"{number}.tempo").write_text(json.dumps(asdict(Note(*note))))
    (folder / "3.tempo").write_text('{"step"')
    tempos = Tempos(RunFolder(str(tmp_path / "run")))
    expected = {"images": 30, "seconds": 90.0, "images_an_hour": 1200.0, "busy_share": 0.75}
    assert tempos.to_dict() == {"edit": expected}
    tempos.add("edit", 10, 30.0, 15.0)
    assert list(tempos.lines()) == ["edit: 1,200 images/h, model busy 69%"]
    tempos.begin()
    assert Tempos(RunFolder(str(tmp_path / "run"))).to_dict() == {}


def test_what_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pairs=9, models=True)
    for damaged in ({"steps": {"edit": {"speed": 3}}}, {"steps": "fast"}):
        tempo.remember("tempo", run.fs.unstrip_protocol(run.root), damaged)
        assert Tempos(open_run(run.url)).to_dict() == {}
