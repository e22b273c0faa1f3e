"""Rows in the logs that inspect-ai and lmms-eval write of our own tasks; neither harness is needed to read them.

inspect-ai keeps a row in the metadata of each sample's score by `pair_verdict`, and lmms-eval writes with
`--log_samples` each metric's row beside the answer (see integrations/inspect_task.py and integrations/lmms_eval).
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

from safetypairs_hf.core.errors import PairError

_OURS = {"pair_id", "reference", "prediction"}
_COLUMNS = ("pair_id", "reference", "prediction", "score", "category", "group", "sample")
_SCORER = "pair_verdict"
_ZSTD = 93  # how inspect-ai compresses a log; Python's zipfile knows the number, but not always the method


def is_inspect_log(value: Any) -> bool:
    """Return whether a JSON value is a log of inspect-ai."""
    return isinstance(value, Mapping) and {"version", "status", "eval"} <= value.keys()


def inspect_rows(log: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each sample of a log of inspect-ai.

    Raises:
        PairError: The log has no samples, some are not of our task, or some have no score.
    """
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise PairError("a log of inspect-ai without samples; run `inspect eval` without --no-log-samples")
    found, unscored = [], []
    for sample in samples:
        scores = sample.get("scores") if isinstance(sample, Mapping) else None
        row = ((scores or {}).get(_SCORER) or {}).get("metadata") or {}
        if row.keys() >= _OURS:
            found.append({name: row.get(name) for name in _COLUMNS} | {"sample": sample.get("epoch", 1)})
        else:
            unscored.append(sample)
    if unscored:
        name = unscored[0].get("id") if isinstance(unscored[0], Mapping) else unscored[0]
        raise PairError(
            f"a log of inspect-ai in which {len(unscored)} of {len(samples)} samples have no score of {_SCORER}, first "
            f"{name!r}; finish it with `inspect eval-retry`, or log the task safetypairs_hf/safetypairs"
        )
    return found if len({row["sample"] for row in found}) > 1 else [row | {"sample": None} for row in found]


def inspect_archive_rows(content: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a log in inspect-ai's .eval format, a zip archive; None where the archive is no such log.

    Raises:
        PairError: As `inspect_rows` does.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        if not any(name in ("header.json", "_journal/start.json") for name in names):
            return None
        members = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
        samples = [json.loads(_member(content, archive.getinfo(name), archive)) for name in members]
    return inspect_rows({"samples": samples})


def _member(content: bytes, member: zipfile.ZipInfo, archive: zipfile.ZipFile) -> bytes:
    if member.compress_type != _ZSTD:
        return archive.read(member)
    import pyarrow as pa

    # The local header is 30 bytes, then the name and an extra field, whose lengths are in it.
    lengths = struct.unpack_from("<HH", content, member.header_offset + 26)
    start = member.header_offset + 30 + sum(lengths)
    packed = content[start : start + member.compress_size]
    plain: bytes = pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read()
    return plain


def of_lmms_eval(rows: Iterable[Any]) -> Iterator[Any]:
    """Replace the samples of a log of lmms-eval by their rows; anything else stays as it is.

    Raises:
        PairError: A sample of lmms-eval holds no row of our task.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or not {"doc_id", "filtered_resps"} <= row.keys() or "pair_id" in row:
            yield row
            continue
        ours = next((each for each in row.values() if isinstance(each, Mapping) and each.keys() >= _OURS), None)
        if ours is None:
            raise PairError(
                f"a log of lmms-eval whose sample {number} is not of our task; log the task safetypairs_images"
            )
        yield ours
