"""The published list of takedowns, and the identity that recognises a taken-down pair later."""

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
    """Return a takedown as JSON values: hashes that recognise the pair and do not show it. `version` removed it."""
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
    """Return the identity of a taken-down pair. A takedown does not record the family."""
    unsafe_phash, safe_phash = (bytes.fromhex(takedown[name]) for name in ("unsafe_phash", "safe_phash"))
    files = takedown["unsafe_sha256"], takedown["safe_sha256"]
    return Identity(takedown["pair_id"], *files, unsafe_phash, safe_phash, "")


def lists_any(file: Path) -> bool:
    """Return whether a takedowns.json lists a pair; false if it cannot be read as a list of takedowns."""
    try:
        with reading(NAME):
            found = parse_json(read_text(file))
    except SafetyPairsError:
        return False
    return isinstance(found, list) and bool(found) and all(isinstance(each, dict) for each in found)


def render(manifest: Manifest) -> dict[str, str]:
    """Return takedowns.json of a version; empty if no pair was ever taken down."""
    if not manifest.takedowns:
        return {}
    # Sorted as in the manifest, so that the text made from a manifest that was read back is equal to the byte.
    return {NAME: json.dumps(manifest.takedowns, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}
