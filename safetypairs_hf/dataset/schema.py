"""The public schema: the columns of a published file, and the features for `datasets` in its metadata.

Only features that do not follow from the Arrow type are written: `datasets` since 2.21 infers the others, each version
in its own notation. All features would add 1.4 kB to every file, and a release of few pairs has many small files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from safetypairs_hf.core.records import DIRECTIONS, Candidate
from safetypairs_hf.taxonomy.categories import Taxonomy

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
UNREVIEWED = "unreviewed"
BOX = pa.list_(pa.int32())  # x0, y0, x1, y1 in pixels; x1 and y1 are exclusive
SOURCE = pa.struct({"dataset": pa.string(), "id": pa.string(), "license": pa.string()})
GENERATOR = pa.struct(
    {
        "instructor": pa.string(),
        "editor": pa.string(),
        "revision": pa.string(),
        "seed": pa.int64(),
        "attempt": pa.int32(),
    }
)
JUDGES = pa.list_(pa.struct({"name": pa.string(), "p_unsafe_before": pa.float64(), "p_unsafe_after": pa.float64()}))
PRESERVATION = pa.struct(
    {
        "ssim_outside": pa.float64(),
        "changed_fraction": pa.float64(),
        "distances": pa.list_(pa.struct({"name": pa.string(), "distance": pa.float64()})),
    }
)
REVIEW = pa.struct({"status": pa.string(), "reviewers": pa.int32(), "agreement": pa.float64()})

COLUMNS: dict[str, pa.DataType] = {
    "pair_id": pa.string(),
    "category": pa.int64(),
    "unsafe_image": IMAGE,
    "safe_image": IMAGE,
    "critical_feature": pa.string(),
    "instruction": pa.string(),
    "direction": pa.int64(),
    "edit_box": BOX,
    "policy": pa.string(),
    "source": SOURCE,
    "group": pa.string(),
    "generator": GENERATOR,
    "judges": JUDGES,
    "preservation": PRESERVATION,
    "review": REVIEW,
    "introduced": pa.string(),
}


def features(taxonomy: Taxonomy) -> dict[str, dict[str, Any]]:
    """Return the features for `datasets` as JSON values, in a notation that all supported versions read."""
    return {
        "category": {"names": list(taxonomy.slugs), "_type": "ClassLabel"},
        "unsafe_image": {"_type": "Image"},
        "safe_image": {"_type": "Image"},
        "direction": {"names": list(DIRECTIONS), "_type": "ClassLabel"},
    }


def is_perceptual(preservation: Mapping[str, Any]) -> bool:
    """Return whether a pair's figures count visible differences; if not, pixels outside its edit box are equal."""
    return any(each["name"] == "rmse_outside" for each in preservation["distances"])


def arrow_schema(taxonomy: Taxonomy) -> pa.Schema:
    """Return the schema of a published file of pairs."""
    return schema_of(COLUMNS, features(taxonomy))


def schema_of(columns: dict[str, pa.DataType], declared: dict[str, dict[str, Any]]) -> pa.Schema:
    """Return a schema with the features for `datasets` in its metadata."""
    metadata = {"huggingface": json.dumps({"info": {"features": declared}}, separators=(",", ":"))}
    return pa.schema(columns, metadata)


def digest(taxonomy: Taxonomy) -> str:
    """Return a hash of the columns (16 hex digits). Each release records it: other columns need a major version."""
    columns = [[name, str(kind)] for name, kind in COLUMNS.items()]
    return hashlib.sha256(json.dumps([columns, features(taxonomy)]).encode()).hexdigest()[:16]


def unreviewed() -> dict[str, Any]:
    """Return the value of the column `review` for a pair that nobody reviewed."""
    return {"status": UNREVIEWED, "reviewers": 0, "agreement": None}


def row(
    candidate: Candidate, group: str, taxonomy: Taxonomy, version: str, review: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the published row of a pair. Images have no path: a file name could reveal which member it is.

    `review` is the value of the column `review`; None for a pair that nobody reviewed.
    """
    assert candidate.safe and candidate.instruction and candidate.identity
    assert candidate.edit_box and candidate.preservation and (candidate.generator or candidate.finished)
    return {
        "pair_id": candidate.identity.pair_id,
        "category": taxonomy.number(candidate.category),
        "unsafe_image": {"bytes": candidate.unsafe.data, "path": None},
        "safe_image": {"bytes": candidate.safe.data, "path": None},
        "critical_feature": candidate.instruction.critical_feature,
        "instruction": candidate.instruction.text,
        "direction": DIRECTIONS.index(candidate.finished.direction if candidate.finished else "unsafe_to_safe"),
        "edit_box": list(candidate.edit_box),
        "policy": taxonomy.policy_id(candidate.category),
        "source": candidate.origin._asdict(),
        "group": group,
        "generator": candidate.generator and candidate.generator._asdict(),
        "judges": [judgement._asdict() for judgement in candidate.judgements],
        "preservation": candidate.preservation.to_dict(),
        "review": dict(review) if review else unreviewed(),
        "introduced": version,
    }
