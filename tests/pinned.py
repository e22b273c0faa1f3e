"""Environments of exact packages, for what does not go into the one that the tests run in.

Each is made of a list of versions (what pip took on the day that the list was written, so nothing is resolved) in
`.venv-pinned/` of the checkout, under the list's name, and kept; another list or interpreter makes it anew. What the
tests' own environment has in the very version of the list is linked from there, and so installed and compiled once.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from filelock import FileLock

CHECKOUT = Path(__file__).parents[1]
ENVIRONMENTS = CHECKOUT / ".venv-pinned"
_QUICK = ("--quiet", "--no-compile", "--disable-pip-version-check")


def python_of(packages: Path, *, ours: bool = False) -> Path:
    """The interpreter of the environment of a list, made unless it is there.

    `ours`: with this checkout installed, entry points and all; the list then has hatchling and editables, to build it.
    """
    folder = ENVIRONMENTS / packages.stem
    ENVIRONMENTS.mkdir(exist_ok=True)
    linked = _linked(packages)
    content = "\n".join([packages.read_text(), *map(str, linked)]).encode()
    with FileLock(ENVIRONMENTS / f"{packages.stem}.lock"):
        if not _is_made(folder, "made", content):
            shutil.rmtree(folder, ignore_errors=True)
            _run("-m", "venv", "--without-pip", str(folder))
            for path in linked:
                (_site(folder) / path.name).symlink_to(path)
            _install(folder, packages)
            _note(folder, "made", content)
        project = (CHECKOUT / "pyproject.toml").read_bytes()
        if ours and not _is_made(folder, "ours", project):
            _pip(folder, "--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT))
            _note(folder, "ours", project)
    return folder / "bin" / "python"


def _linked(packages: Path) -> list[Path]:
    """What lies at the top of this environment's site-packages for those of a list that it has in the same version."""
    found: list[Path] = []
    for line in packages.read_text().splitlines():
        name, _, version = line.partition("==")
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        top = _top(installed)
        if installed.version == version and all(map(_has_one_owner, top)):
            found += top
    return sorted(found)


def _top(installed: Distribution) -> list[Path]:
    """The files and folders of a distribution in site-packages, without its commands."""
    names = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
    return [Path(str(installed.locate_file(name))) for name in names]


def _has_one_owner(path: Path) -> bool:
    """Whether a file or folder of site-packages is of one distribution: a namespace package may be of several."""
    return path.is_file() or path.suffix in (".dist-info", ".libs") or (path / "__init__.py").is_file()


def _site(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))


def _install(folder: Path, packages: Path) -> None:
    # What torch needs beside it differs between its builds, so that alone is left to pip.
    torch = [line for line in packages.read_text().splitlines() if line.startswith("torch==")]
    if torch:
        _pip(folder, "--constraint", str(packages), *torch)
    _pip(folder, "--no-deps", "--requirement", str(packages))


def _is_made(folder: Path, name: str, of: bytes) -> bool:
    note = folder / name
    return note.is_file() and note.read_text() == _digest(of)


def _note(folder: Path, name: str, of: bytes) -> None:
    """Written last: what it stands for is whole."""
    (folder / name).write_text(_digest(of))


def _digest(of: bytes) -> str:
    return hashlib.sha256(of + f"{sys.base_prefix} {sys.version}".encode()).hexdigest()


def _pip(folder: Path, *words: str) -> None:
    _run("-m", "pip", "--python", str(folder / "bin" / "python"), "install", *_QUICK, *words)


def _run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
