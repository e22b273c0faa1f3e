"""`safetypairs autoload`: make the bare name known in every Python process of this environment; opt-in, reversible.

A `.pth` file in site-packages runs one line when the interpreter starts, which registers the name (see `bare_name`). It
does nothing if the package was uninstalled, so it can never break a start.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import NamedTuple

from safetypairs_hf.core import default_dataset
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.target_name import no_folder, parse_target_name
from safetypairs_hf.loading import resolve

# An error at interpreter start must not show in programs that do not use this package.
_LINE = (
    'import sys; exec("try:\\n from safetypairs_hf.loading.bare_name import register as r\\n r()\\n'
    'except Exception:\\n pass")\n'
)


class Status(NamedTuple):
    """Whether this environment registers the name at start (`on`), and what the name means now (the other fields)."""

    on: bool
    pth: str
    config: str
    repo: str
    version: str | None
    origin: str


def pth_file() -> Path:
    """Return the path of the `.pth` file in the site-packages of the running Python."""
    # Such files run in the order of their names, and another one may be what makes this package importable.
    return Path(sysconfig.get_path("purelib")) / "zz_safetypairs_autoload.pth"


def on(repo: str | None = None, version: str | None = None) -> Status:
    """Register the name at every start, and save its meaning.

    Args:
        repo: A folder or `org/name`; None means the dataset that the package includes.
        version: The version; None means the newest one.

    Raises:
        SafetyPairsError: `repo` or `version` is not valid, or a file cannot be written.
    """
    asked = resolve.version_of(version) if version else None
    if repo is not None:
        name = parse_target_name(repo, asked)
        if name.is_folder and not name.path.is_dir():
            raise no_folder(name.place)
        by_path = name.is_folder and not name.is_embedded
        repo = str(name.path.resolve()) if by_path else name.place  # the same from every working directory
        asked = name.version
    file = pth_file()
    try:
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(_LINE, "utf-8")
        part.replace(file)
    except OSError as error:
        raise SafetyPairsError(
            f"cannot write {file}: {error.strerror}; use a virtual environment of your own, or import safetypairs_hf"
        ) from error
    default_dataset.save(repo, str(asked) if asked else None)
    return status()


def off() -> Status:
    """Undo `on`: remove the `.pth` file and the saved settings. Does nothing if autoload is off."""
    for file in (pth_file(), default_dataset.config_file()):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise SafetyPairsError(f"cannot remove {file}: {error.strerror}; remove it by hand") from error
    return status()


def status() -> Status:
    """Return whether autoload is on, and what the bare name means now."""
    repo, version, origin = default_dataset.current()
    file = pth_file()
    on = file.is_file() and file.read_text("utf-8") == _LINE
    return Status(on, str(file), str(default_dataset.config_file()), repo, version, origin)
