"""Builds in buckets of a moto server on loopback; run in the environment of `environments/s3fs-moto.txt`.

A build by this machine, and one by array jobs of which a task is killed, end in the bytes that one in a folder has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).parents[2]))
from builds import SQUARES, make_run, tree

from safetypairs_hf.building.build import build
from safetypairs_hf.building.engines import array_task
from safetypairs_hf.building.engines.slurm import SlurmEngine
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.core.run_folder import RunFolder

SETTINGS = {"pairs": "20", "controls": "true"}


def content(url: str) -> dict[str, bytes]:
    run = RunFolder(url)
    return {name: run.read(name) for name in run.files()}


def by_slurm(url: str, scripts: Path) -> None:
    """Run every script by hand until the build is over; the first task is killed in its first unit, and run again."""
    killed = False
    while (script := _next(url)) is not None:
        for job in sorted(script.parent.glob("*.job")):
            if not killed:
                killed = kill_a_task(job, url)
            else:
                assert [array_task.main([str(job), str(task)]) for task in range(2)] == [0, 0]
    assert scripts.is_dir()


def _next(url: str) -> Path | None:
    """Write the next scripts; the one that would hand them over. The recipe is loaded as by a command of its own."""
    built = build(load_recipe(SQUARES, SETTINGS), url, engine=SlurmEngine(["true"], tasks=2))
    return None if built.handed_over is None else Path(built.handed_over.script)


def kill_a_task(job: Path, url: str) -> bool:
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "0"}
    task = subprocess.Popen(["bash", str(job.with_suffix(".sh"))], env=environment, start_new_session=True)
    while not any("/part-" in name for name in RunFolder(url).files()):
        assert task.poll() is None, "the task ended before it was killed"
        time.sleep(0.01)
    os.killpg(task.pid, signal.SIGKILL)
    task.wait()
    return True


def main(folder: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(access, AWS_ENDPOINT_URL=f"http://{host}:{port}", SLURM_CPUS_PER_TASK="1")
    RunFolder("s3://bucket/").fs.mkdir("bucket")
    make_run(folder / "run", **SETTINGS)
    whole = tree(folder / "run")
    os.chdir(folder)
    build(load_recipe(SQUARES, SETTINGS), "s3://bucket/here", workers=2)
    by_slurm("s3://bucket/jobs", folder / "jobs.slurm")
    assert content("s3://bucket/here") == whole
    assert content("s3://bucket/jobs") == whole
    server.stop()
    print("equal")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
