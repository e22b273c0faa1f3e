"""The Ray engine: runs each job on a pool of actors, on this machine or a cluster. Ray is imported on first use.

Only the numbers of units are sent over Ray: an actor reads and writes parts in the run folder itself. So one engine can
finish a run that another began. Controls are jobs like any other. Actors of a job that holds a model have one GPU each,
if the cluster has GPUs, and end with the job, so that the next job has the whole GPU; actors on a CPU are kept for the
next job, with the modules that they imported.

The cluster is the one in RAY_ADDRESS or the one that the process is connected to; otherwise it is this machine, while
the engine is open. Every node needs the recipe's file, and the files that the recipe reads, at the same paths.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

from safetypairs_hf.building.engines.base import Job, holds_model
from safetypairs_hf.building.engines.cpu_work import MOST
from safetypairs_hf.building.engines.ray_pool import BUSY, PATIENCE, TRIES, Pool, order, raise_cause, reason
from safetypairs_hf.building.recipe import LoadedRecipe, check_gpu
from safetypairs_hf.building.tempo import Meter
from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.run_folder import RunFolder

ON_CPU = {"num_cpus": 1}
ON_GPU = {"num_gpus": 1, "num_cpus": 0}
STORE = 80 * 2**20  # bytes of Ray's object store: the minimum, as hardly anything is stored there


class RayEngine:
    """`workers`: the number of actors of a job; None means one per core of the cluster, or per GPU with a model.

    Raises:
        RunError: Ray is not installed, does not start, or has no cluster at RAY_ADDRESS.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers
        self._ray = _import_ray()
        self.meter = Meter()
        self._ours = False
        self._kept: list[Any] = []  # actors on a CPU, kept from the previous job

    def __enter__(self) -> Self:
        if not self._ray.is_initialized():
            _connect(self._ray, max(os.cpu_count() or 1, self.workers or 1))
            self._ours = True
        return self

    def __exit__(self, *error: object) -> None:
        self._let_go()
        if self._ours:
            self._ray.shutdown()

    def check(self, loaded: LoadedRecipe) -> None:
        """Check a machine of the cluster; the machine that asks may have no GPU."""
        if not loaded.recipe.gpu_gb:
            return
        task = self._ray.remote(**self._room(heavy=True).needs, max_retries=TRIES)(check_gpu)
        try:
            self._ray.get(task.remote(loaded.name, loaded.recipe.gpu_gb), timeout=PATIENCE)
        except self._ray.exceptions.GetTimeoutError as error:
            raise RunError(BUSY) from error
        except self._ray.exceptions.RayTaskError as error:
            raise_cause(error)

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        if not units:
            return
        if not run.shared:
            raise RunError(f"{run.url} is in the memory of one process; name another --out for the ray engine")
        room = self._room(holds_model(loaded.recipe, job))
        size = max(1, min(room.actors, self.workers or room.actors, len(units)))
        if room.needs != ON_CPU:
            self._let_go()
        pool = Pool(self._ray, room.needs, order(loaded, run, job, room.beside), run, self.meter)
        kept, self._kept = self._kept, []
        try:
            pool.hire(size, kept)
            yield from pool.work(units)
            if room.needs == ON_CPU:
                self._kept = pool.leave()
        finally:
            pool.close()

    def join(self, run: RunFolder) -> None:
        """Do nothing: a job is done when `do` ends."""

    def _let_go(self) -> None:
        while self._kept:
            self._ray.kill(self._kept.pop())

    def _room(self, heavy: bool) -> _Room:
        has = self._ray.cluster_resources()
        if heavy and has.get("GPU", 0) >= 1:
            return _Room(int(has["GPU"]), ON_GPU, max(1, min(MOST, int(has.get("CPU", 0) / has["GPU"]))))
        return _Room(int(has.get("CPU", 0)), ON_CPU, beside=1)


class _Room(NamedTuple):
    """How many actors fit on a cluster, the resources of each, and the number of processes next to each model.

    Actors on a CPU use all CPUs; actors on a GPU share the CPUs of the cluster, which are free during such a job.
    """

    actors: int
    needs: dict[str, int]
    beside: int


def _import_ray() -> Any:
    if not os.environ.get("RAY_ADDRESS"):  # a new cluster reads these when Ray is imported
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # it would upload the working folder with all runs
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RunError("the ray engine needs Ray; install it: pip install 'safetypairs-hf[ray]'") from error
    return ray


def _connect(ray: Any, cpus: int) -> None:
    """Connect to the cluster at RAY_ADDRESS, or to a new one on this machine. Neither prints to the terminal."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            _knock(address)
            ray.init(**quiet)
        else:
            ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=STORE, **quiet)
    except Exception as error:
        where = f"there is no usable Ray cluster at RAY_ADDRESS={address}" if address else "Ray does not start"
        raise RunError(f"{where}: {reason(error)}") from error


def _knock(address: str) -> None:
    """Raise OSError if nothing listens at host:port, because Ray tries for minutes. Other addresses are left to Ray."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
