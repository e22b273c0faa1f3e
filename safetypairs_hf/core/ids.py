"""Content ids and derived seeds. Equal input gives equal output, on every machine and in any order."""

from __future__ import annotations

import hashlib


def content_id(*parts: str | bytes) -> str:
    """Return 16 hex digits of the SHA-256 of the parts with their lengths, so that two lists of parts never collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def derived_seed(source_id: str, stage: str, attempt: int) -> int:
    """Return a seed in [0, 2**63) that depends only on the source, the stage and the attempt."""
    return int(content_id(source_id, stage, str(attempt)), 16) >> 1


def unit_interval(text: str) -> float:
    """Return a number in [0, 1), uniform over texts. It decides the split of a group."""
    return int(content_id("split", text), 16) / 2**64


def policy_pair_id(image_sha256: str, unsafe_policy: str, safe_policy: str) -> str:
    """Return the id of a policy pair: a hash of its image file and of its unsafe and its safe category."""
    return content_id("policy pair", image_sha256, unsafe_policy, safe_policy)


def failure_id(unsafe_sha256: str, edited_sha256: str, category: str, attempt: int) -> str:
    """Return the id of a failed attempt: a hash of the arguments, which is the same in every run that makes it."""
    return content_id("failure", unsafe_sha256, edited_sha256, category, str(attempt))
