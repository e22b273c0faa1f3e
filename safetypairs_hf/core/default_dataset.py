"""Which dataset `safetypairs` names: by the environment, else by what `autoload on` saved, else the package's own."""

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
    """`repo`: `org/name` on the Hub, a folder, or `safetypairs`, the set that the package carries.

    `version`: None is the newest. `origin`: where `repo` was set.
    """

    repo: str
    version: str | None
    origin: str


def config_file() -> Path:
    """The file that `autoload on` saves: SAFETYPAIRS_CONFIG, else config.json in the user's configuration folder."""
    if os.environ.get("SAFETYPAIRS_CONFIG"):
        return Path(os.environ["SAFETYPAIRS_CONFIG"])
    if sys.platform == "win32":
        home = os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming"
    else:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "safetypairs" / "config.json"


def current() -> Settings:
    """The settings in force.

    A saved version belongs to the repo that it was saved with: a repo set by SAFETYPAIRS_REPO does not take it.
    Raises SafetyPairsError where the saved file does not read.
    """
    version = os.environ.get("SAFETYPAIRS_VERSION") or None
    if os.environ.get("SAFETYPAIRS_REPO"):
        return Settings(os.environ["SAFETYPAIRS_REPO"], version, "environment")
    saved = _saved()
    if saved is None:
        return Settings(NAME, version, "default")
    return Settings(saved.repo, version or saved.version, "saved")


def save(repo: str | None, version: str | None) -> Path:
    """Save the repo (None: the package's own set) and version (None: the newest); answers the file."""
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
