"""From the parts to the file of predictions: one row an image, in the order of the data."""

from __future__ import annotations

import io
from typing import Any

from safetypairs_hf.evaluating.data import Data, Image
from safetypairs_hf.evaluating.folder import Parts
from safetypairs_hf.evaluating.metadata import metadata_of
from safetypairs_hf.records import Verdict


def join(parts: Parts, data: Data, units: int) -> bool:
    """Write the file where all units are done, and remove the parts; whether the file is there now.

    Several processes may call it at once: one of them joins.
    """
    if parts.out.exists():
        parts.clear()
        return True
    if not all(parts.has(unit) for unit in range(units)):
        return parts.out.exists()  # another process may have joined, and removed the parts, just now
    with parts.lock():
        if parts.out.exists():
            parts.clear()
            return True
        found: dict[Image, Verdict] = {}
        for unit in range(units):
            found |= parts.read(unit)
        parts.finish(_bytes(_table(data, found, parts.identity)))
    return True


def _table(data: Data, found: dict[Image, Verdict], identity: Any) -> Any:
    import pyarrow as pa

    verdicts = [found[image] for image in data.images]
    columns = {
        "pair_id": pa.array(data.pair_ids, pa.string()),
        "reference": pa.array(data.references, pa.int8()),
        "score": pa.array([verdict.p_unsafe for verdict in verdicts], pa.float64()),
        "category": pa.array([image.category for image in data.images], pa.string()),
        "group": pa.array(data.groups, pa.string()),
        "note": pa.array([verdict.note for verdict in verdicts], pa.string()),
        "raw": pa.array([verdict.raw for verdict in verdicts], pa.string()),
        "sha256": pa.array([image.sha256 for image in data.images], pa.string()),
    }
    if data.controls is not None:
        columns["control"] = pa.array(data.controls, pa.string())
    return pa.table(columns).replace_schema_metadata(metadata_of(identity))


def _bytes(table: Any) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
