"""Remember values between processes, in files of a folder under HF_HOME.

A file that cannot be written or read is ignored: its values are computed again.
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
    """Return the remembered values of this kind about a subject (a folder, a repo); {} if there are none."""
    try:
        held = parse_object(read_text(_file(kind, about)))
        return dict(held["found"]) if held["about"] == about else {}
    except Exception:  # any fault of the file
        return {}


def remember(kind: str, about: str, found: dict[str, Any]) -> None:
    """Add JSON values to those that are remembered. A new value replaces the old value of its key."""
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
