"""The config `failures`: edits that the judges rejected, for preference training. It is not part of the benchmark.

Its files hold one row for each attempt. `failures/manifest.parquet` lists each row with its file and hashes, so a
release that adds failures, or takes down those of a source, does not read the images of the others.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.foreign_text import ForeignTextError
from safetypairs_hf.core.records import Candidate
from safetypairs_hf.dataset.manifest_rows import check_columns, checked_batches, open_rows
from safetypairs_hf.dataset.schema import BOX, COLUMNS, GENERATOR, JUDGES, SOURCE, features, schema_of
from safetypairs_hf.taxonomy.categories import Taxonomy

ROOT = "failures/"
NAME = "failures/manifest.parquet"

FAILURE_COLUMNS: dict[str, pa.DataType] = {
    "failure_id": pa.string(),
    "category": pa.int64(),
    "unsafe_image": COLUMNS["unsafe_image"],
    "edited_image": COLUMNS["safe_image"],
    "critical_feature": pa.string(),
    "instruction": pa.string(),
    "stage": pa.string(),
    "reason": pa.string(),
    "detail": pa.string(),
    "round": pa.int32(),
    "edit_box": BOX,
    "policy": pa.string(),
    "source": SOURCE,
    "generator": GENERATOR,
    "judges": JUDGES,
    "introduced": pa.string(),
}


class Failed(NamedTuple):
    """A published failure: the ids and hashes that identify it, its file, and the size of its two images in bytes."""

    failure_id: str
    file: str
    category: str
    introduced: str
    unsafe_sha256: str
    edited_sha256: str
    unsafe_phash: bytes
    edited_phash: bytes
    family: str
    size: int


_SCHEMA = pa.schema(
    {
        **dict.fromkeys(Failed._fields, pa.string()),
        "unsafe_phash": pa.binary(32),
        "edited_phash": pa.binary(32),
        "size": pa.int64(),
    }
)


def failure_schema(taxonomy: Taxonomy) -> pa.Schema:
    """Return the schema of a published file of failures."""
    image = {"_type": "Image"}
    category = features(taxonomy)["category"]
    return schema_of(FAILURE_COLUMNS, {"category": category, "unsafe_image": image, "edited_image": image})


def failure_row(failure_id: str, candidate: Candidate, taxonomy: Taxonomy, version: str) -> dict[str, Any]:
    """Return the published row of a failed attempt."""
    assert candidate.safe and candidate.instruction and candidate.generator and candidate.reject
    return {
        "failure_id": failure_id,
        "category": taxonomy.number(candidate.category),
        "unsafe_image": {"bytes": candidate.unsafe.data, "path": None},
        "edited_image": {"bytes": candidate.safe.data, "path": None},
        "critical_feature": candidate.instruction.critical_feature,
        "instruction": candidate.instruction.text,
        "stage": candidate.reject.stage,
        "reason": candidate.reject.reason,
        "detail": candidate.reject.detail,
        "round": candidate.round,
        "edit_box": candidate.edit_box and list(candidate.edit_box),
        "policy": taxonomy.policy_id(candidate.category),
        "source": candidate.origin._asdict(),
        "generator": candidate.generator._asdict(),
        "judges": [judgement._asdict() for judgement in candidate.judgements],
        "introduced": version,
    }


def totals(held: Iterable[Failed]) -> dict[str, dict[str, int]]:
    """Return the number of rows and the size of their images by file, as the main manifest stores them."""
    found: dict[str, dict[str, int]] = {}
    for each in held:
        of_file = found.setdefault(each.file, {"rows": 0, "size": 0})
        of_file["rows"] += 1
        of_file["size"] += each.size
    return found


def dump(held: Sequence[Failed]) -> bytes:
    """failures/manifest.parquet."""
    columns = [list(values) for values in zip(*held, strict=True)]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, _SCHEMA.types, strict=True)]
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays, schema=_SCHEMA), buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def load(data: bytes) -> list[Failed]:
    """Read what `dump` wrote; call within `reading`. Raises ForeignTextError, or errors of pyarrow, if damaged."""
    with open_rows(data) as file:
        check_columns(file, _SCHEMA, len(data))
        if len(file.schema_arrow) != len(_SCHEMA):
            raise ForeignTextError("lacks columns")
        found = pa.Table.from_batches(checked_batches(file, _SCHEMA, 1 << 16), _SCHEMA).to_pydict()
    return [Failed(*values) for values in zip(*found.values(), strict=True)]
