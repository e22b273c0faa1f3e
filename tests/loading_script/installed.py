"""An environment for each `datasets` that the published repo is proven with; ours is installed in none of them.

Made once in the checkout (`.venv-datasets/2.21.0`, ...) and kept; all four take about a minute on two cores. The lists
in `environments/` are what `pip install datasets==X pillow` took on 2026-11-22, so nothing is resolved.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

ENVIRONMENTS = Path(__file__).parents[2] / ".venv-datasets"
VERSIONS = ("2.21.0", "3.6.0", "4.0.0", "5.2.0")


def pythons() -> dict[str, Path]:
    """The interpreter of each environment, by the version of `datasets`; what is missing is made, two at a time."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with FileLock(ENVIRONMENTS / "lock"), ThreadPoolExecutor(2) as pool:
        return dict(zip(VERSIONS, pool.map(_python, VERSIONS), strict=True))


def _python(version: str) -> Path:
    packages = Path(__file__).parent / "environments" / f"datasets-{version}.txt"
    folder = ENVIRONMENTS / version
    made = folder / "made"  # written last; another list or interpreter makes it anew
    wanted = hashlib.sha256(packages.read_bytes() + f"{sys.base_prefix} {sys.version}".encode()).hexdigest()
    python = folder / "bin" / "python"
    if not made.is_file() or made.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run("-m", "venv", "--without-pip", str(folder))
        quick = ("--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check")
        _run("-m", "pip", "--python", str(python), "install", *quick, "-r", str(packages))
        made.write_text(wanted)
    return python


def _run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
