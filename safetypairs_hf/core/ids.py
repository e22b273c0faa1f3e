"""Content ids and derived seeds: the same input gives the same bytes, on any machine, in any order."""

from __future__ import annotations

import hashlib


def content_id(*parts: str | bytes) -> str:
    """16 hex characters of SHA-256 over the parts, each with its length, so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def derived_seed(source_id: str, stage: str, attempt: int) -> int:
    """A seed in [0, 2**63) that depends on nothing but the source, the stage and the attempt."""
    return int(content_id(source_id, stage, str(attempt)), 16) >> 1


def unit_interval(text: str) -> float:
    """A number in [0, 1), uniform over texts: what decides the split of a group."""
    return int(content_id("split", text), 16) / 2**64


def policy_pair_id(image_sha256: str, unsafe_policy: str, safe_policy: str) -> str:
    """The id of a policy pair: a hash of its image's file and of the categories whose policies call it each thing."""
    return content_id("policy pair", image_sha256, unsafe_policy, safe_policy)


def failure_id(unsafe_sha256: str, edited_sha256: str, category: str, attempt: int) -> str:
    """The id of a failed attempt, the same in every run that makes it: a hash of both files, category and attempt."""
    return content_id("failure", unsafe_sha256, edited_sha256, category, str(attempt))
