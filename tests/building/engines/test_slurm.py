"""The SLURM engine, with its tasks run by hand: the bytes of the local engine, killed or not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builds import SQUARES, make_run, tree
from fake_slurm import fake_slurm, jobs
from processes import wait_for

from safetypairs_hf.building.build import Built, build
from safetypairs_hf.building.engines import array_task
from safetypairs_hf.building.engines.slurm import SlurmEngine
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.tempo import Tempos
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import RunFolder

RESUME = ("echo", "the join")


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a few units needs no processes of its own."""
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")


def build_by_slurm(out: Path | str, settings: dict[str, str], **options: object) -> Built:
    return build(load_recipe(SQUARES, settings), str(out), engine=SlurmEngine(RESUME, **options))  # type: ignore[arg-type]


def tasks_of(folder: Path) -> list[tuple[str, int]]:
    """The file and the number of every task of the scripts in a folder, in order."""
    found = []
    for script in sorted(folder.glob("0*.sh")):
        last = re.search(r"--array=0-(\d+)$", script.read_text(), re.MULTILINE)
        assert last
        found += [(str(script.with_suffix(".job")), number) for number in range(int(last[1]) + 1)]
    return found


def run_by_hand(folder: Path) -> None:
    for path, task in tasks_of(folder):
        assert array_task.main([path, str(task)]) == 0


def test_killed_by_hand_it_ends_in_the_bytes_of_the_local_engine(tmp_path: Path) -> None:
    settings = {"pairs": "41", "models": "true", "controls": "true", "sources": "60"}
    make_run(tmp_path / "local", **settings)
    out = tmp_path / "run"
    first = build_by_slurm(out, settings, tasks=2).handed_over
    assert first is not None and (first.units, first.jobs) == (7, 4)
    folder = tmp_path / "run.slurm" / "001"
    assert first.script == str(folder / "submit.sh")
    names = ["01-source.sh", "02-instruct.sh", "03-edit.sh", "04-judge.sh", "join.sh", "submit.sh"]
    assert sorted(path.name for path in folder.glob("*.sh")) == names
    (path, task), *_ = tasks_of(folder)
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(task)}
    killed = subprocess.Popen(["bash", path.replace(".job", ".sh")], env=environment, start_new_session=True)
    wait_for(lambda: bool(list(out.glob("source/part-*"))), "the task makes nothing")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(list(out.glob("source/part-*"))) < 7
    rounds = 1
    while (waiting := build_by_slurm(out, settings).handed_over) is not None:
        rounds += 1
        assert waiting.jobs == (4 if rounds < 4 else 2)
        assert waiting.script.endswith(f"{rounds:03d}/submit.sh")
        run_by_hand(tmp_path / "run.slurm" / f"{rounds:03d}")
    assert rounds == 4  # the units that were left, those that the draw still needed, and the controls of what it drew
    assert tree(out) == tree(tmp_path / "local")
    images = [
        [(step, each["images"]) for step, each in Tempos(RunFolder(str(run))).to_dict().items()]
        for run in (out, tmp_path / "local")
    ]
    assert images[0] == images[1] and len(images[0]) == 5  # as the tasks noted them beside their scripts


def test_submit_goes_all_the_way(tmp_path: Path) -> None:
    slurm = fake_slurm(tmp_path / "slurm")
    make_run(tmp_path / "local", pairs=9, controls="true")
    words = ["build", SQUARES, "--out", "run", "--pairs", "9", "--set", "controls=true", "--engine", "slurm"]
    words += ["--workers", "1", "--sbatch", "partition=gpu x", "--submit"]
    command = [sys.executable, "-m", "safetypairs_hf", *words]
    environment = {**os.environ, "PATH": f"{slurm}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "2 work units are for 1 array job of SLURM and a join\n01-source-to-judge.sh: job 1\n"
    )
    again = (
        "safetypairs build " + SQUARES + " --out run --engine slurm --pairs 9 --workers 1 --sbatch 'partition=gpu x'"
    )
    assert f"{again} --set controls=true --submit\n" in done.stdout
    assert jobs(slurm) == [
        "01-source-to-judge.sh done",
        "join.sh done",
        "01-controls.sh done",
        "02-controls-judge.sh done",
        "join.sh done",
    ]
    assert "9 pairs in run" in (slurm / "log").read_text()
    assert tree(tmp_path / "run") == tree(tmp_path / "local")
    head = (tmp_path / "run.slurm" / "001" / "01-source-to-judge.sh").read_text().splitlines()
    assert head[1:5] == [
        "#SBATCH --job-name=safetypairs-01-source-to-judge",
        f"#SBATCH --output={tmp_path}/run.slurm/001/01-source-to-judge-%A_%a.log",
        "#SBATCH --array=0-0",
        "#SBATCH --partition=gpu x",
    ]


def test_a_node_with_other_versions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_by_slurm(tmp_path / "run", {"pairs": "9"})
    recipe = tmp_path / "run" / "recipe.json"
    recipe.write_text(re.sub('"pillow": "[^"]*"', '"pillow": "1.0"', recipe.read_text()))
    [(path, task)] = tasks_of(tmp_path / "run.slurm" / "001")[:1]
    assert array_task.main([path, str(task)]) == 1
    said = capsys.readouterr().err
    assert re.search(r"has pillow [\d.]+, but the run was started with 1\.0; every node needs the same\n$", said)


def test_jobs_that_fail_and_jobs_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = fake_slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm}:{os.environ['PATH']}")
    settings = {"pairs": "9", "models": "true", "gpu_gb": "1e6"}  # that no machine has
    said = build_by_slurm(tmp_path / "run", settings, submit=True, tasks=1).handed_over
    assert said is not None and said.said.splitlines()[-1] == "join.sh: job 5"
    source, *others = jobs(slurm)
    assert source == "01-source.sh done"
    assert others == [f"{name}.sh failed" for name in ("02-instruct", "03-edit", "04-judge", "join")]
    (slurm / "job-4").write_text("04-judge.sh")  # as if it were still queued
    with pytest.raises(RunError, match=r"still queued or running \(4\); the join continues .* scancel 4$"):
        build_by_slurm(tmp_path / "run", settings, submit=True)
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: a1000' >&2\nexit 1\n")
    (slurm / "job-4").write_text("04-judge.sh failed")
    with pytest.raises(RunError, match=r"^sbatch refused a job of .*/002/submit\.sh: sbatch: error: invalid partition"):
        build_by_slurm(tmp_path / "run", settings, submit=True)


@pytest.mark.parametrize(
    ("options", "asked"),
    [({}, "gpus=1"), ({"model_options": ["gres=gpu:a100:1"]}, "gres=gpu:a100:1"), ({"options": ["gpus=2"]}, "gpus=2")],
)
def test_jobs_with_models_ask_for_a_gpu(options: dict[str, list[str]], asked: str, tmp_path: Path) -> None:
    build_by_slurm(tmp_path / "run", {"pairs": "9", "models": "true", "gpu_gb": "1e6"}, **options)
    folder = tmp_path / "run.slurm" / "001"
    texts = [path.read_text() for path in sorted(folder.glob("0*.sh"))]
    found = [[line[10:] for line in text.splitlines() if "=gpu" in line or "gpus=" in line] for text in texts]
    assert found == [["gpus=2"] if "options" in options else [], *[[asked]] * 3]


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert array_task.main([str(tmp_path / "no.job"), "0"]) == 1
    assert capsys.readouterr().err == (
        f"safetypairs: cannot read {tmp_path}/no.job: No such file or directory; every node needs it at this path\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(RunError, match="--submit needs sbatch, which this machine does not have"):
            SlurmEngine(RESUME, submit=True)
    (tmp_path / "run.slurm").write_text("")
    with pytest.raises(RunError, match=r"cannot write .*run\.slurm: File exists"):
        build_by_slurm(tmp_path / "run", {"pairs": "9"})
