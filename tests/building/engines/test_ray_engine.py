"""The Ray engine, on real local clusters: the bytes of the local engine, whatever dies."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builds import SQUARES, tree
from processes import interruptible, processes_in, wait_for

from safetypairs_hf.building.build import build, claim
from safetypairs_hf.building.engines import ray_pool
from safetypairs_hf.building.engines.base import Segment, segments
from safetypairs_hf.building.engines.ray import ON_GPU, RayEngine
from safetypairs_hf.building.engines.ray_pool import Pool, Worker, order
from safetypairs_hf.building.judge import Judging
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.tempo import Meter
from safetypairs_hf.core.errors import RecipeError, RunError, SafetyPairsError
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.guards.shieldgemma import ShieldGemma

ray = pytest.importorskip("ray")
import psutil  # noqa: E402  # Ray brings one along, where there is none

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[str]:
    """One for the tests of this file, as builds in this process find it; its address, for others."""
    with RayEngine(2):
        yield ray.get_runtime_context().gcs_address


def ray_run(out: Path, recipe: str = SQUARES, workers: int | None = 2, **settings: object) -> None:
    build(load_recipe(recipe, {key: str(value) for key, value in settings.items()}), str(out), workers, engine="ray")


def local_run(out: Path, recipe: str = SQUARES, **settings: object) -> None:
    build(load_recipe(recipe, {key: str(value) for key, value in settings.items()}), str(out), 1)


def test_icons_have_equal_bytes(tmp_path: Path) -> None:
    for make, name in ((local_run, "local"), (ray_run, "ray")):
        make(tmp_path / name, "icons", pairs=45, size=128)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


@pytest.mark.thorough
def test_every_class_of_a_gpu_build_has_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    import torch

    # Not the number of threads that the cluster was started with, nor the one that Ray sets.
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ray_run(tmp_path / "ray", "tiny", weights=tmp_path / "weights", workers=1)  # one actor, so models are loaded once
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        local_run(tmp_path / "local", "tiny", weights=tmp_path / "weights")
    finally:
        torch.set_num_threads(threads)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_rounds_controls_and_growth_have_equal_bytes(tmp_path: Path) -> None:
    settings = {"models": True, "rounds": 2, "attempts": 2, "misses": 0.5, "controls": True}
    ray_run(tmp_path / "ray", pairs=9, **settings)
    ray_run(tmp_path / "ray", pairs=40, **settings)
    local_run(tmp_path / "local", pairs=40, **settings)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_models_have_a_gpu_each_and_end_with_their_job(tmp_path: Path) -> None:
    """To Ray a GPU is a number: two are claimed, and the actors of each job are told which is theirs.

    Of four CPUs each actor has two, for processes beside its model, which finish what it made.
    """
    recipe = tmp_path / "gpus.py"
    look = (
        "        import os\n"
        f"        with open({str(tmp_path / 'seen')!r}, 'a') as seen:\n"
        "            print(os.getpid(), os.environ.get('CUDA_VISIBLE_DEVICES'), self.name, file=seen)\n"
    )
    finishes = (
        "from safetypairs_hf.recipes import Exact\n"
        "class Told(Exact):\n"
        "    def finish(self, before, after, baseline):\n"
        f"        import os\n        with open({str(tmp_path / 'finished')!r}, 'a') as file:\n"
        "            print(os.getpid(), file=file)\n"
        "        return after\n"
    )
    red = "        return [self._look(image.pixels, box)"
    missed = "        each = zip(images, instructions, seeds, strict=True)\n"
    text = Path(SQUARES).read_text()
    changes = {
        red: look + red,
        missed: look + missed,
        "        pairs=pairs,\n": "        pairs=pairs,\n        preservation=Told(),\n",
        "\n\ndef recipe(": f"\n\n{finishes}\n\ndef recipe(",
        "np.ones((8, 8, 1))": "np.ones((32, 32, 1))",  # large enough for a process beside the model
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    recipe.write_text(text)
    code = (
        "import ray\nfrom safetypairs_hf.building.recipe import load_recipe\n"
        "from safetypairs_hf.building.build import build\n"
        "ray.init('local', num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)\n"
        f"build(load_recipe({str(recipe)!r}, {{'pairs': '40', 'models': 'true'}}), 'run', engine='ray')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    seen = {tuple(line.split()) for line in (tmp_path / "seen").read_text().splitlines()}
    assert {(gpu, name) for _, gpu, name in seen} == {(gpu, name) for gpu in "01" for name in ("painter", "red-judge")}
    assert len({pid for pid, _, _ in seen}) == len(seen)
    finished = set((tmp_path / "finished").read_text().split())
    assert len(finished) >= 2 and finished.isdisjoint(pid for pid, _, _ in seen)
    local_run(tmp_path / "local", str(recipe), pairs=40, models=True)
    assert tree(tmp_path / "run") == tree(tmp_path / "local")


def test_killed_by_either_engine_the_other_ends_in_equal_bytes(tmp_path: Path) -> None:
    local_run(tmp_path / "whole", pairs=300, models=True)
    begin(tmp_path, "one", "ray")
    wait_for(lambda: not processes_in(tmp_path), "processes of killed builds are left")
    local_run(tmp_path / "one", pairs=300, models=True)
    assert tree(tmp_path / "one") == tree(tmp_path / "whole")
    begin(tmp_path, "two", "local")
    ray_run(tmp_path / "two", pairs=300, models=True)
    assert tree(tmp_path / "two") == tree(tmp_path / "whole")


def begin(folder: Path, out: str, engine: str) -> None:
    """Start a build, and kill it and what it has started when it has written some parts."""
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", out, "--engine", engine]
    process = subprocess.Popen([*command, "--pairs", "300", "--set", "models=true"], cwd=folder, start_new_session=True)
    wait_for(lambda: len(list(folder.glob(f"{out}/*/part-?????.parquet"))) > 15, "the build does not begin")
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_an_interrupt_is_one_line_on_a_cluster_that_goes_on(cluster: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", "run", "--pairs", "900"]
    process = subprocess.Popen(
        [*command, "--engine", "ray"],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": cluster},
        start_new_session=True,
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(list(tmp_path.glob("run/judge/*"))) > 3, "the build does not begin")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    kept = r"safetypairs: stopped; \d+ parts are whole and kept in run; run the same command again to continue\n"
    assert re.fullmatch(kept, said)
    wait_for(lambda: not processes_in(tmp_path), "actors of a stopped build are left")
    assert ray.cluster_resources()["CPU"] == 2


def test_an_actor_that_is_killed_is_replaced(tmp_path: Path) -> None:
    killed = []

    def progress(step: str, done: int, planned: int) -> None:
        if step == "source" and done in (3, 9):
            victim = actors()[0]
            victim.kill()
            killed.append(victim.pid)

    loaded = load_recipe(SQUARES, {"pairs": "200"})
    build(loaded, str(tmp_path / "ray"), 2, progress, "ray")
    local_run(tmp_path / "local", pairs=200)
    assert len(set(killed)) == 2
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_a_unit_that_always_kills_its_actor_is_one_line(tmp_path: Path) -> None:
    recipe = altered(tmp_path, "        each = zip(", "        __import__('os')._exit(7)\n        each = zip(")
    with pytest.raises(RunError, match=r"^an actor of Ray died at unit \d+, 3 times \(out of memory\?\); run the same"):
        ray_run(tmp_path / "run", recipe, workers=1, pairs=9)


@pytest.mark.parametrize("raised", ["RecipeError('no such colour; give another')", "KeyError('colour')"])
def test_what_a_recipe_raises_is_as_by_the_local_engine(raised: str, tmp_path: Path) -> None:
    imported = "        from safetypairs_hf.core.errors import RecipeError\n"
    recipe = altered(tmp_path, "        each = zip(", f"{imported}        raise {raised}\n        each = zip(")
    caught: list[Any] = []
    for make in (local_run, ray_run):
        with pytest.raises((RecipeError, KeyError)) as one:
            make(tmp_path / make.__name__, recipe, pairs=9)
        caught.append(one.value)
    assert type(caught[0]) is type(caught[1])
    assert str(caught[0]) == str(caught[1])


def altered(folder: Path, old: str, new: str) -> str:
    text = Path(SQUARES).read_text()
    assert old in text
    (folder / "mine.py").write_text(text.replace(old, new))
    return str(folder / "mine.py")


def test_a_gpu_that_no_machine_has(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe 'squares' needs .*(GPU with 1e\+06 GB|PyTorch)"):
        ray_run(tmp_path / "run", gpu_gb=1e6)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_wrong_guard_folder_stops_at_once(engine: str, tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    loaded = load_recipe(SQUARES)
    judging = Judging((ShieldGemma(str(tmp_path / "guard"), fidelity="common"),))
    wrong = replace(loaded, recipe=replace(loaded.recipe, judging=judging))
    with pytest.raises(SafetyPairsError, match="holds LlamaForCausalLM, and this needs ShieldGemma2") as caught:
        build(wrong, str(tmp_path / "run"), 2, engine=engine)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_a_folder_that_actors_cannot_see(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is in the memory of one process"):
        build(load_recipe(SQUARES, {"pairs": "9"}), "memory://ray/run", engine="ray")
    with pytest.raises(RunError, match="is not the same folder on every node"):
        Worker().start(ordered(tmp_path / "run", made=False))


def test_a_node_with_other_packages_is_named(tmp_path: Path) -> None:
    other = ordered(tmp_path / "run")._replace(versions={"safetypairs-hf": "0.0.1", "numpy": "1.0"})
    with pytest.raises(RunError, match=r" has safetypairs-hf .*, but the build was started with 0\.0\.1"):
        Worker().start(other)


def test_units_do_not_wait_for_an_actor_that_has_no_place(tmp_path: Path) -> None:
    """As many actors as the cluster has CPUs, and two more."""
    pool = Pool(ray, {"num_cpus": 1}, ordered(tmp_path / "run"), RunFolder(str(tmp_path / "run")), Meter())
    try:
        pool.hire(4)
        assert sorted(pool.work(range(12))) == list(range(12))
        assert 1 <= len(pool.leave()) <= 2  # one may do all before the other has started
    finally:
        pool.close()
        for actor in actors():
            with contextlib.suppress(psutil.NoSuchProcess):
                actor.kill()


def test_a_cluster_that_is_never_free_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_pool, "PATIENCE", 1.0)
    pool = Pool(ray, ON_GPU, ordered(tmp_path / "run"), RunFolder(str(tmp_path / "run")), Meter())
    try:
        pool.hire(1)
        with pytest.raises(RunError, match="no CPU or GPU of the Ray cluster was free for"):
            list(pool.work(range(2)))
    finally:
        pool.close()


def test_a_wrong_address_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safetypairs_hf", "build", SQUARES, "--out", "run", "--engine", "ray"]
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("safetypairs: there is no usable Ray cluster at RAY_ADDRESS=127.0.0.1:1: [Errno")
    assert done.stderr.count("\n") == 1


def ordered(folder: Path, made: bool = True) -> Any:
    """The order for the one segment of the squares; `made`: their run has been begun."""
    loaded = load_recipe(SQUARES, {})
    run = RunFolder(str(folder))
    if made:
        claim(run, loaded)
    (segment,) = segments(loaded.recipe)
    assert isinstance(segment, Segment)
    return order(loaded, run, segment)


def actors() -> list[psutil.Process]:
    """The actors of this process's cluster that run; one may end while it is looked at."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one too
            if "".join(process.cmdline()).startswith("ray::Worker"):
                found.append(process)
    return found
