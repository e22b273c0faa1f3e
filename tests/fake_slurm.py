"""SLURM for tests: an `sbatch` that runs the tasks of a job, one after another, before it answers, and a `squeue`.

A job that depends on one that failed does not run. Each job has a file in the folder of the command, which says its
script and what came of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

_SBATCH = f"""#!{sys.executable}
import os, pathlib, re, subprocess, sys

script = pathlib.Path(sys.argv[-1])
after = [word.rpartition(":")[2] for word in sys.argv if word.startswith("--dependency=afterok:")]
here = pathlib.Path(__file__).parent
job = here / f"job-{{len(list(here.glob('job-*'))) + 1}}"
job.write_text(script.name)
said = "failed"
if not any("failed" in (here / f"job-{{each}}").read_text() for each in after):
    array = re.search(r"^#SBATCH --array=0-([0-9]+)$", script.read_text(), re.MULTILINE)
    tasks = range(int(array[1]) + 1) if array else [None]
    codes = []
    for task in tasks:
        env = os.environ | {{"SLURM_JOB_ID": job.name[4:], "SLURM_ARRAY_TASK_ID": str(task)}}
        with open(here / "log", "a") as log:
            codes.append(subprocess.run(["bash", str(script)], env=env, stdout=log, stderr=log).returncode)
    said = "failed" if any(codes) else "done"
job.write_text(f"{{script.name}} {{said}}")
print(f"{{job.name.removeprefix('job-')}};cluster")
"""

_SQUEUE = f"""#!{sys.executable}
import pathlib

for job in pathlib.Path(__file__).parent.glob("job-*"):
    if " " not in job.read_text():
        print(job.name[4:])
"""


def fake_slurm(folder: Path) -> Path:
    """Put the commands into a folder, which is to be the first of the path."""
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def jobs(folder: Path) -> list[str]:
    """The script of each job, and what came of it, in the order in which they were handed over."""
    found = sorted(folder.glob("job-*"), key=lambda path: int(path.name.removeprefix("job-")))
    return [path.read_text() for path in found]
