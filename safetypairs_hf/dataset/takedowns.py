"""The published list of takedowns, and the identity by which a taken-down pair is recognised later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import parse_json, read_text, reading
from safetypairs_hf.core.records import Identity
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset.manifest import Entry, Manifest

NAME = "takedowns.json"


def listed(entry: Entry, reason: str, version: Version) -> dict[str, str]:
    """A takedown as JSON: hashes that know the pair again, and nothing that shows it. `version` is where it went."""
    return {
        "pair_id": entry.pair_id,
        "category": entry.category,
        "reason": reason,
        "version": str(version),
        "unsafe_sha256": entry.unsafe_sha256,
        "safe_sha256": entry.safe_sha256,
        "unsafe_phash": entry.unsafe_phash.hex(),
        "safe_phash": entry.safe_phash.hex(),
    }


def identity_of(takedown: Mapping[str, Any]) -> Identity:
    """What the pair of a takedown was known by; a takedown keeps no family."""
    unsafe_phash, safe_phash = (bytes.fromhex(takedown[name]) for name in ("unsafe_phash", "safe_phash"))
    files = takedown["unsafe_sha256"], takedown["safe_sha256"]
    return Identity(takedown["pair_id"], *files, unsafe_phash, safe_phash, "")


def lists_any(file: Path) -> bool:
    """Whether a takedowns.json lists a pair; one that does not read as a list of them lists none."""
    try:
        with reading(NAME):
            found = parse_json(read_text(file))
    except SafetyPairsError:
        return False
    return isinstance(found, list) and bool(found) and all(isinstance(each, dict) for each in found)


def render(manifest: Manifest) -> dict[str, str]:
    """takedowns.json of a version; nothing where no pair was ever taken down."""
    if not manifest.takedowns:
        return {}
    # Sorted, as the manifest keeps them: read back from it, the text is the same to the byte.
    return {NAME: json.dumps(manifest.takedowns, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}
