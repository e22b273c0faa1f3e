"""Read what guards wrote about images: the column `raw` in the files of `evaluate`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from safetypairs_hf.evaluating.prediction_file import read_run

_COLUMNS = ("pair_id", "reference", "raw")
LONGEST = 1000  # characters of an answer that a report keeps


def raw_answers(path: Path, wanted: Collection[str]) -> dict[tuple[str, int], str]:
    """Return what a guard wrote about the images of some pairs, by pair id and reference.

    Empty answers are left out. The result is empty for a guard that only gives numbers, and for a file that `evaluate`
    did not write. If an image has repeated answers, the first is returned.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not wanted or read_run(path) is None or not {*_COLUMNS} <= {*pq.read_schema(path).names}:
        return {}
    table = pq.read_table(path, columns=list(_COLUMNS))
    rows = table.filter(pc.is_in(table["pair_id"].cast(pa.string()), pa.array(sorted(wanted)))).to_pylist()
    return {(str(row["pair_id"]), row["reference"]): str(row["raw"])[:LONGEST] for row in rows[::-1] if row["raw"]}
