"""What this machine found out before, kept between processes in a folder under HF_HOME.

Whatever cannot be written or read is forgotten: it is found out again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetypairs_hf.core.foreign_text import parse_object, read_text


def recall(kind: str, about: str) -> dict[str, Any]:
    """What was kept of this kind about something (a folder, a repo); {} where nothing was."""
    try:
        held = parse_object(read_text(_file(kind, about)))
        return dict(held["found"]) if held["about"] == about else {}
    except Exception:  # whatever is wrong with the file
        return {}


def remember(kind: str, about: str, found: dict[str, Any]) -> None:
    """Keep JSON values beside those that are kept already; of one key the new value stays."""
    file = _file(kind, about)
    text = json.dumps({"about": about, "found": recall(kind, about) | found})
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        part.replace(file)


def _file(kind: str, about: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HOME, "safetypairs-hf", kind, hashlib.sha256(about.encode()).hexdigest()[:32] + ".json")
