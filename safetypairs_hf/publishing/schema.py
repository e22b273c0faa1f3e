"""The published columns: their Arrow types, and the `datasets` features that go into each file's metadata.

The features are written in the notation that every `datasets` since 2.21 reads (a list of structs as a bare list, a
list of numbers as `Sequence`): what datasets 4 and 5 write themselves, older versions refuse.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from safetypairs_hf.building import parts
from safetypairs_hf.records import Candidate
from safetypairs_hf.taxonomy import SLUGS

DIRECTIONS = ("unsafe_to_safe", "both_regenerated")

_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})

COLUMNS: dict[str, pa.DataType] = {
    "pair_id": pa.string(),
    "category": pa.int64(),
    "unsafe_image": _IMAGE,
    "safe_image": _IMAGE,
    "critical_feature": pa.string(),
    "instruction": pa.string(),
    "direction": pa.int64(),
    "edit_box": parts.BOX,
    "policy": pa.string(),
    "source": parts.ORIGIN,
    "group": pa.string(),
    "generator": parts.GENERATOR,
    "judges": pa.list_(parts.JUDGEMENT),
    "preservation": parts.PRESERVATION,
    "review": pa.struct({"status": pa.string(), "reviewers": pa.int32(), "agreement": pa.float64()}),
    "introduced": pa.string(),
}

_SPECIAL = {
    "category": {"names": list(SLUGS), "_type": "ClassLabel"},
    "direction": {"names": list(DIRECTIONS), "_type": "ClassLabel"},
    "unsafe_image": {"_type": "Image"},
    "safe_image": {"_type": "Image"},
}


def features() -> dict[str, Any]:
    """The `datasets` features of the columns, as JSON."""
    return {name: _SPECIAL.get(name) or _feature(arrow) for name, arrow in COLUMNS.items()}


def arrow_schema() -> pa.Schema:
    """The schema of a published file."""
    metadata = {"huggingface": json.dumps({"info": {"features": features()}})}
    return pa.schema(COLUMNS, metadata)


def row(candidate: Candidate, group: str, policy: str, version: str) -> dict[str, Any]:
    """The published row of a pair. Images carry no path: a file name could tell which member it is."""
    assert candidate.safe and candidate.instruction and candidate.identity and candidate.generator
    assert candidate.edit_box and candidate.preservation
    return {
        "pair_id": candidate.identity.pair_id,
        "category": SLUGS.index(candidate.category),
        "unsafe_image": {"bytes": candidate.unsafe.data, "path": None},
        "safe_image": {"bytes": candidate.safe.data, "path": None},
        "critical_feature": candidate.instruction.critical_feature,
        "instruction": candidate.instruction.text,
        "direction": DIRECTIONS.index("unsafe_to_safe"),
        "edit_box": list(candidate.edit_box),
        "policy": policy,
        "source": candidate.origin._asdict(),
        "group": group,
        "generator": candidate.generator._asdict(),
        "judges": [judgement._asdict() for judgement in candidate.judgements],
        "preservation": parts.write_preservation(candidate.preservation),
        "review": {"status": "unreviewed", "reviewers": 0, "agreement": None},
        "introduced": version,
    }


def _feature(arrow: pa.DataType) -> Any:
    if pa.types.is_struct(arrow):
        return {arrow.field(i).name: _feature(arrow.field(i).type) for i in range(arrow.num_fields)}
    if pa.types.is_list(arrow):
        inner = _feature(arrow.value_type)
        return [inner] if pa.types.is_struct(arrow.value_type) else {"feature": inner, "_type": "Sequence"}
    return {"dtype": {"double": "float64"}.get(str(arrow), str(arrow)), "_type": "Value"}
