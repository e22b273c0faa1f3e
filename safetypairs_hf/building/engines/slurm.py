"""The SLURM engine: jobs become scripts of array jobs; a last job, the join, continues the build.

A build with this engine makes no units itself. It writes a script for each job that has units to make (an array of
tasks that share the units) and one for the join, which runs the same command again; each waits for the one before. Some
decisions depend on the units, such as how many more the draw needs and which pairs get controls: the join makes them,
and either ends the build or writes the next scripts.

The scripts are next to the run, not in it, so that a run has the same files whichever engine made it. Every node needs
the folder of the scripts, the run, and the files that the recipe reads, at the same paths.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from safetypairs_hf.building.engines import array_task
from safetypairs_hf.building.engines.array_task import ArrayJob
from safetypairs_hf.building.engines.base import HandedOver, Job, Sent, holds_model
from safetypairs_hf.building.recipe import LoadedRecipe
from safetypairs_hf.building.tempo import Meter
from safetypairs_hf.core.errors import RunError, cut
from safetypairs_hf.core.run_folder import RunFolder

TASKS: Final = 16  # default number of tasks of an array job
SUBMIT: Final = "submit.sh"
SUBMITTED: Final = "submitted.txt"  # the output of sbatch
_JOIN: Final = "join"

_SUBMIT_TEXT: Final = """\
#!/bin/bash
# Hands the jobs to SLURM: each begins when the one before it is done, and none where that failed.
set -euo pipefail
cd "$(dirname "$0")"
after=()
for script in {scripts}; do
    id=$(sbatch --parsable ${{after[@]+"${{after[@]}}"}} "$script")
    id=${{id%%;*}}
    echo "$script: job $id"
    after=("--dependency=afterok:$id" --kill-on-invalid-dep=yes)
done
"""


@dataclass
class SlurmEngine:
    """Write scripts for SLURM.

    Args:
        resume: The command that continues the build, which the join runs.
        tasks: The largest number of tasks of an array job; None means 16. A task loads its model once and makes its
            units one after another.
        options: sbatch options for every job, without the dashes, such as "partition=gpu".
        model_options: Additional options for jobs that hold a model. If the recipe needs a GPU and no option selects
            one, these jobs get "gpus=1".
        submit: Whether to submit the scripts with sbatch.

    Raises:
        RunError: `submit` is set and there is no sbatch on this machine.
    """

    resume: Sequence[str]
    tasks: int | None = None
    options: Sequence[str] = ()
    model_options: Sequence[str] = ()
    submit: bool = False
    meter: Meter = field(default_factory=Meter, init=False, repr=False)  # not used: tasks write their own notes
    _pending: list[tuple[LoadedRecipe, Job, list[int]]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.submit and shutil.which("sbatch") is None:
            raise RunError(
                "--submit needs sbatch, which this machine does not have; run the same command where it is installed"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: there is nothing to release."""

    def check(self, loaded: LoadedRecipe) -> None:
        """Do nothing: each job checks its own machine."""

    def do(self, loaded: LoadedRecipe, run: RunFolder, job: Job, units: Sequence[int]) -> Iterator[int]:
        if not run.shared:
            raise RunError(f"{run.url} is in the memory of one process; name another --out for the slurm engine")
        if units:
            self._pending.append((loaded, job, list(units)))
        return iter(())

    def join(self, run: RunFolder) -> None:
        """Write the scripts of the jobs that have units, and submit them.

        Raises:
            HandedOver: There were such jobs; the build continues when they are done.
            RunError: The scripts cannot be written, or sbatch refuses them.
        """
        if not self._pending:
            return
        if self.submit:
            _refuse_twice(run.scripts)
        units = len({unit for _, _, numbers in self._pending for unit in numbers})
        try:
            folder = _new_folder(run.scripts)
            names = [self._write_array(folder, run, number) for number in range(len(self._pending))]
            self._write(folder, _JOIN, [], shlex.join(self.resume))
            scripts = " ".join(f"{name}.sh" for name in (*names, _JOIN))
            (folder / SUBMIT).write_text(_SUBMIT_TEXT.format(scripts=scripts))
        except OSError as error:
            raise RunError(f"cannot write {error.filename}: {error.strerror}; make its folder writable") from error
        said = _submit(folder / SUBMIT) if self.submit else ""
        raise HandedOver(units, len(names), str(folder / SUBMIT), said)

    def _write_array(self, folder: Path, run: RunFolder, number: int) -> str:
        loaded, job, units = self._pending[number]
        name = f"{number + 1:02d}-{job.name}"
        tasks = min(len(units), self.tasks or TASKS)
        packed = folder / f"{name}.job"
        packed.write_bytes(ArrayJob(loaded.name, Sent.pack(loaded, run, job), tuple(units), tasks).pack())
        options = [f"array=0-{tasks - 1}"]
        if holds_model(loaded.recipe, job):
            asked = any(option.startswith(("gpus", "gres")) for option in (*self.options, *self.model_options))
            options += [*(["gpus=1"] if loaded.recipe.gpu_gb and not asked else []), *self.model_options]
        task = [sys.executable, "-m", array_task.__name__, str(packed)]
        self._write(folder, name, options, f'{shlex.join(task)} "$SLURM_ARRAY_TASK_ID"')
        return name

    def _write(self, folder: Path, name: str, options: Sequence[str], command: str) -> None:
        log = f"{name}-%A_%a.log" if options else f"{name}-%j.log"
        lines = [f"job-name=safetypairs-{name}", f"output={folder / log}", *options, *self.options]
        heads = "".join(f"#SBATCH --{line}\n" for line in lines)
        text = f"#!/bin/bash\n{heads}set -euo pipefail\ncd {shlex.quote(str(Path.cwd()))}\nexec {command}\n"
        (folder / f"{name}.sh").write_text(text)


def _new_folder(beside: Path) -> Path:
    """Make a folder for the next scripts."""
    beside.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(each.name) for each in beside.iterdir() if each.name.isdecimal()), default=0)
    folder = beside / f"{number:03d}"
    folder.mkdir()
    return folder


def _refuse_twice(beside: Path) -> None:
    """Raise RunError if jobs of the run are still in the queue, because two jobs would make the same units."""
    ids = [
        word for each in beside.glob(f"*/{SUBMITTED}") for word in re.findall(r": job (\d+)$", each.read_text(), re.M)
    ]
    if not ids or shutil.which("squeue") is None:
        return
    asked = ["squeue", "--noheader", "--format=%A", f"--jobs={','.join(ids)}"]
    found = subprocess.run(asked, capture_output=True, text=True).stdout.split()  # it fails if it knows none of them
    left = sorted({each for each in found if each in ids} - {os.environ.get("SLURM_JOB_ID")}, key=int)
    if left:
        raise RunError(
            f"jobs of this run are still queued or running ({', '.join(left)}); the join continues when they are done, "
            f"or cancel them: scancel {' '.join(left)}"
        )


def _submit(script: Path) -> str:
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True)
    (script.parent / SUBMITTED).write_text(done.stdout)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RunError(f"sbatch refused a job of {script}: {cut(said[-1] if said else 'it said nothing', 200)}")
    return done.stdout.strip()
