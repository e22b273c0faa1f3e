"""The dataset that the name `safetypairs` means.

It is set by the environment, else by `safetypairs autoload on`, else it is the set that the package carries.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, ForeignTextError, parse_object, read_text, reading


class Settings(NamedTuple):
    """The dataset that the bare name means.

    Attributes:
        repo: `org/name` on the Hub, a folder, or `safetypairs` for the set that the package carries.
        version: The version; None for the newest one.
        origin: Where `repo` was set: "environment", "saved" or "default".
    """

    repo: str
    version: str | None
    origin: str


def config_file() -> Path:
    """Return the file that `autoload on` writes: SAFETYPAIRS_CONFIG, else a file in the user's configuration folder."""
    if os.environ.get("SAFETYPAIRS_CONFIG"):
        return Path(os.environ["SAFETYPAIRS_CONFIG"])
    if sys.platform == "win32":
        home = os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming"
    else:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "safetypairs" / "config.json"


def current() -> Settings:
    """Return the settings in force.

    A saved version applies only to the repo that it was saved with, not to one set by SAFETYPAIRS_REPO.

    Raises:
        SafetyPairsError: The saved file cannot be read.
    """
    version = os.environ.get("SAFETYPAIRS_VERSION") or None
    if os.environ.get("SAFETYPAIRS_REPO"):
        return Settings(os.environ["SAFETYPAIRS_REPO"], version, "environment")
    saved = _saved()
    if saved is None:
        return Settings(NAME, version, "default")
    return Settings(saved.repo, version or saved.version, "saved")


def save(repo: str | None, version: str | None) -> Path:
    """Save the settings and return the file.

    Args:
        repo: The dataset; None for the set that the package carries.
        version: The version; None for the newest one.

    Raises:
        SafetyPairsError: The file cannot be written.
    """
    file = config_file()
    content = json.dumps({"repo": repo or NAME, "version": version}, indent=2) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(content, "utf-8")
        part.replace(file)
    except OSError as error:
        raise SafetyPairsError(f"cannot write {file}: {error.strerror}; set SAFETYPAIRS_CONFIG to another") from error
    return file


def _saved() -> Settings | None:
    file = config_file()
    if not os.path.lexists(file):
        return None
    with reading(f"the saved settings {file}", "run `safetypairs autoload on` again, or delete it"):
        saved = parse_object(read_text(file, MOST_SETTING_BYTES))
        repo, version = saved.get("repo"), saved.get("version", 0)
        if not isinstance(repo, str) or not isinstance(version, str | None):
            raise ForeignTextError("hold no repo and version that are texts")
    return Settings(repo, version, "saved")
