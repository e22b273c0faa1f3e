"""What was taken down: how it is listed for everybody, and how it is known again in a later run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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


def render(manifest: Manifest) -> dict[str, str]:
    """takedowns.json of a version; nothing where no pair was ever taken down."""
    if not manifest.takedowns:
        return {}
    # Sorted, as the manifest keeps them: read back from it, the text is the same to the byte.
    return {NAME: json.dumps(manifest.takedowns, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}


class TakenDown:
    """Knows taken-down pairs again, by id, by the SHA-256 of a file, and by PDQ hash.

    `bits`: the PDQ distance, of 256, up to which an image counts as one that was taken down. Both members of the pair
    are held against both members of every takedown.
    """

    def __init__(self, takedowns: Sequence[Mapping[str, Any]], bits: int) -> None:
        self._bits = bits
        self._ids = {item["pair_id"] for item in takedowns}
        self._files = {item[name] for item in takedowns for name in ("unsafe_sha256", "safe_sha256")}
        hashes = [bytes.fromhex(item[name]) for item in takedowns for name in ("unsafe_phash", "safe_phash")]
        self._words = np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 4)

    def holds(self, identity: Identity) -> bool:
        """Whether the pair, or anything that looks like a member of it, was taken down."""
        if identity.pair_id in self._ids or not self._files.isdisjoint(identity[1:3]):
            return True
        return any(self._near(phash) for phash in (identity.unsafe_phash, identity.safe_phash))

    def holds_image(self, sha256: str, phash: bytes) -> bool:
        """Whether the image, or one that looks like it, was a member of a pair that was taken down."""
        return sha256 in self._files or self._near(phash)

    def _near(self, phash: bytes) -> bool:
        distance = np.bitwise_count(self._words ^ np.frombuffer(phash, np.uint64)).sum(axis=1)
        return bool((distance <= self._bits).any())
