"""A task of an array job: makes its share of a job's units.

Run as `python -m` this module, with a file and a number.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetypairs_hf.building.engines.base import Opened, Sent, holds_model
from safetypairs_hf.building.engines.local import LocalEngine
from safetypairs_hf.building.recipe import LoadedRecipe, versions
from safetypairs_hf.building.tempo import noted
from safetypairs_hf.core.errors import RunError, SafetyPairsError
from safetypairs_hf.core.run_folder import RECIPE


class ArrayJob(NamedTuple):
    """A job for the tasks of an array: the name of the recipe, the job, its units, and the number of tasks."""

    recipe: str
    sent: Sent
    units: tuple[int, ...]
    tasks: int

    def pack(self) -> bytes:
        """Return the content of the file that the tasks read.

        It is a pickle, which only its writer's tasks may read.
        """
        return pickle.dumps(tuple(self))

    @classmethod
    def read(cls, path: str) -> ArrayJob:
        """Read the file. Raises RunError if it does not exist."""
        try:
            return cls(*pickle.loads(Path(path).read_bytes()))
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}; every node needs it at this path") from error


def make(path: str, task: int) -> None:
    """Make the units of a task. Units whose parts exist, from an earlier start of the task, are skipped.

    Raises:
        SafetyPairsError: As in a build.
    """
    array = ArrayJob.read(path)
    opened = array.sent.open()
    _refuse_other_versions(opened)
    loaded = LoadedRecipe(array.recipe, array.sent.path, {}, opened.recipe)
    units = [unit for unit in array.units[task :: array.tasks] if not opened.job.is_done(opened.run, unit)]
    with LocalEngine(_cores()) as engine:
        doing = engine.do(loaded, opened.run, opened.job, units)
        if holds_model(opened.recipe, opened.job):
            engine.check(loaded)
            doing = noted(Path(path), task, opened.job.name, engine.meter, doing)
        for _ in doing:
            pass


def _refuse_other_versions(opened: Opened) -> None:
    """Raise RunError if this machine would make other bytes than the one that started the build."""
    begun = opened.run.read_json(RECIPE, "versions")["versions"]
    for name, version in versions(opened.recipe).items():
        if version != begun.get(name):
            raise RunError(
                f"{socket.gethostname()} has {name} {version}, but the run was started with {begun.get(name)}; every "
                "node needs the same"
            )


def _cores() -> int:
    """Return the number of cores that the task may use."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return int(given) if given.isdecimal() else len(affinity(0)) if affinity else os.cpu_count() or 1


def main(arguments: Sequence[str]) -> int:
    """Make the units of task `arguments[1]` of the job in the file `arguments[0]`. Return the exit status."""
    try:
        make(arguments[0], int(arguments[1]))
    except SafetyPairsError as error:
        sys.stderr.write(f"safetypairs: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
