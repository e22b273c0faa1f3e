"""The config `policy_pairs`: one image that is unsafe by the policy of one category and safe by that of another.

A policy pair is otherwise like any pair: it has a row in the manifest, whose category is the one whose policy calls the
image unsafe, and a group, which holds all pairs of its image. It has its own files and columns, because it has one
image instead of two, so it is not in the config `default`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import pyarrow as pa

from safetypairs_hf.core.records import Candidate
from safetypairs_hf.dataset.schema import COLUMNS, IMAGE, SOURCE, features, schema_of
from safetypairs_hf.taxonomy.categories import Taxonomy

CONFIG = "policy_pairs"
ROOT = f"{CONFIG}/"

POLICIES = ("unsafe_policy", "safe_policy")  # the columns of the two policies

POLICY_PAIR_COLUMNS: dict[str, pa.DataType] = {
    "pair_id": pa.string(),
    "category": COLUMNS["category"],
    "image": IMAGE,
    "unsafe_policy": pa.string(),
    "safe_policy": pa.string(),
    "source": SOURCE,
    "group": pa.string(),
    "introduced": pa.string(),
}


def policy_pair_schema(taxonomy: Taxonomy) -> pa.Schema:
    """Return the schema of a published file of policy pairs."""
    category = features(taxonomy)["category"]
    return schema_of(POLICY_PAIR_COLUMNS, {"category": category, "image": {"_type": "Image"}})


def policy_pair_row(candidate: Candidate, group: str, taxonomy: Taxonomy, version: str) -> dict[str, Any]:
    """Return the published row of a policy pair. It names policies by id; `taxonomy.yaml` has their texts."""
    assert candidate.identity and candidate.finished and candidate.finished.safe_policy
    return {
        "pair_id": candidate.identity.pair_id,
        "category": taxonomy.number(candidate.category),
        "image": {"bytes": candidate.unsafe.data, "path": None},
        "unsafe_policy": taxonomy.policy_id(candidate.category),
        "safe_policy": taxonomy.policy_id(candidate.finished.safe_policy),
        "source": candidate.origin._asdict(),
        "group": group,
        "introduced": version,
    }


def as_pair(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy pair's row as a row of a pair, for pages of pairs: the image twice, and both policies."""
    what = f"unsafe by {row['unsafe_policy']}, safe by {row['safe_policy']}"
    return {**row, "unsafe_image": row["image"], "safe_image": row["image"], "critical_feature": what}


def slug_of(policy: str) -> str:
    """Return the category of a policy id: "nudity" for "nudity@1.0"."""
    return policy.partition("@")[0]


def are_policy_pairs(columns: Container[str]) -> bool:
    """Return whether rows with these columns are published rows of policy pairs."""
    return all(name in columns for name in ("image", *POLICIES))


def is_policy_pair(row: Mapping[str, Any]) -> bool:
    """Return whether a row of the manifest is that of a policy pair."""
    return bool(row["unsafe_sha256"] == row["safe_sha256"])
