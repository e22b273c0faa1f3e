"""Runs in an object store, in an environment of its own: s3fs wants another `botocore` than boto3 has here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pinned import CHECKOUT, python_of

HERE = Path(__file__).parent


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_local_and_slurm_end_in_the_bytes_of_a_folder(tmp_path: Path) -> None:
    python = python_of(HERE / "environments" / "s3fs-moto.txt", ours=True)
    command = [str(python), str(HERE / "on_s3.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "equal\n"
