"""Read and write the part of a stage: a Parquet table with a row for each candidate and only this stage's columns.

Reading the parts of a unit in the order of the stages restores its candidates, so a stage can start from disk.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.records import (
    Answer,
    Box,
    Candidate,
    Distance,
    Finished,
    Generator,
    Identity,
    Instruction,
    Judgement,
    Origin,
    Picture,
    Preservation,
    Reject,
)

STAGES = ("source", "instruct", "edit", "judge")

REJECT = pa.struct({"stage": pa.string(), "reason": pa.string(), "detail": pa.string(), "final": pa.bool_()})
ORIGIN = pa.struct({"dataset": pa.string(), "id": pa.string(), "license": pa.string()})
GENERATOR = pa.struct(
    {
        "instructor": pa.string(),
        "editor": pa.string(),
        "revision": pa.string(),
        "seed": pa.int64(),
        "attempt": pa.int32(),
    }
)
JUDGEMENT = pa.struct({"name": pa.string(), "p_unsafe_before": pa.float64(), "p_unsafe_after": pa.float64()})
PRESERVATION = pa.struct(
    {
        "ssim_outside": pa.float64(),
        "changed_fraction": pa.float64(),
        "distances": pa.list_(pa.struct({"name": pa.string(), "distance": pa.float64()})),
    }
)
IDENTITY = pa.struct(
    {
        "pair_id": pa.string(),
        "unsafe_sha256": pa.string(),
        "safe_sha256": pa.string(),
        "unsafe_phash": pa.binary(32),
        "safe_phash": pa.binary(32),
        "family": pa.string(),
    }
)
BOX = pa.list_(pa.int32())
INSTRUCTION = pa.struct(
    {
        "critical_feature": pa.string(),
        "text": pa.string(),
        "region": BOX,
        "caption_unsafe": pa.string(),
        "caption_safe": pa.string(),
    }
)
FINISHED = pa.struct({name: pa.string() for name in Finished._fields})
ANSWER = pa.struct({"raw": pa.string(), "prompt_tokens": pa.int32(), "answer_tokens": pa.int32()})


class Column(NamedTuple):
    """A field of Candidate in Parquet: its Arrow type, and its conversions to and from Arrow. None stays None."""

    name: str
    type: pa.DataType
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _struct(name: str, arrow: pa.DataType, record: Any) -> Column:
    return Column(name, arrow, lambda value: value._asdict(), lambda row: record(**row))


def _picture(name: str) -> Column:
    return Column(name, pa.large_binary(), lambda picture: picture.data, Picture)


def _read_instruction(row: dict[str, Any]) -> Instruction:
    return Instruction(**{**row, "region": row["region"] and Box(*row["region"])})


def read_preservation(row: dict[str, Any]) -> Preservation:
    """Return the preservation figures of a row."""
    return Preservation(**{**row, "distances": tuple(Distance(**distance) for distance in row["distances"])})


def _write_answer(answer: Answer) -> dict[str, Any]:
    """Return the parts of an answer that are neither in the instruction nor in the reject."""
    return {name: value for name, value in answer._asdict().items() if name != "outcome"}


_EDITED = (
    _picture("safe"),
    _struct("generator", GENERATOR, Generator),
    Column("edit_box", BOX, list, lambda box: Box(*box)),
    Column("preservation", PRESERVATION, Preservation.to_dict, read_preservation),
)
_INSTRUCTION = Column("instruction", INSTRUCTION, lambda value: value._asdict(), _read_instruction)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "source": (
        Column("category", pa.string(), str, str),
        _struct("origin", ORIGIN, Origin),
        _picture("unsafe"),
        Column("hint", pa.string(), lambda hint: json.dumps(hint, sort_keys=True), json.loads),
        Column("family", pa.string(), str, str),
    ),
    "instruct": (
        _INSTRUCTION,
        Column("answer", ANSWER, _write_answer, lambda row: row),
    ),
    "edit": (*_EDITED[:2], Column("batch", pa.int32(), int, int), *_EDITED[2:]),
    "judge": (
        Column(
            "judgements",
            pa.list_(JUDGEMENT),
            lambda judgements: [judgement._asdict() for judgement in judgements],
            lambda rows: [Judgement(**row) for row in rows],
        ),
        _struct("identity", IDENTITY, Identity),
    ),
}
_REJECT = _struct("reject", REJECT, Reject)
# Additional columns of the source stage if it gives finished pairs.
_OF_FINISHED = (*_EDITED, _INSTRUCTION, _struct("finished", FINISHED, Finished))


def dump(stage: str, candidates: Sequence[Candidate]) -> bytes:
    """Return the part of `stage` for these candidates, as Parquet bytes that depend on nothing else."""
    columns: dict[str, Any] = {"source_id": pa.array([c.source_id for c in candidates], pa.string())}
    finished = stage == "source" and any(candidate.finished for candidate in candidates)
    for column in (*COLUMNS[stage], *(_OF_FINISHED if finished else ()), _REJECT):
        values = (getattr(candidate, column.name) for candidate in candidates)
        columns[column.name] = pa.array([v if v is None else column.write(v) for v in values], column.type)
    buffer = pa.BufferOutputStream()  # a BytesIO takes several times as long
    pq.write_table(pa.table(columns), buffer, compression="NONE", use_dictionary=False, write_statistics=False)
    data: bytes = buffer.getvalue().to_pybytes()
    return data


def load(stage: str, data: bytes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Restore the candidates that reached `stage`. `candidates` are those that passed the stage before it.

    A part of the edit stage may hold several adjacent rows for one candidate, one for each attempt.
    """
    rows = pq.read_table(io.BytesIO(data)).to_pylist()
    if stage == "source":
        return [_apply(_new(row), stage, row) for row in rows]
    attempts = len(rows) // len(candidates) if candidates and stage == "edit" else 1
    entered = [candidate for candidate in candidates for _ in range(attempts)]
    if [row["source_id"] for row in rows] != [candidate.source_id for candidate in entered]:
        raise ValueError(f"the part of stage {stage} is not of the same sources as the one before it")
    copied = [replace(candidate, judgements=[]) for candidate in entered] if attempts > 1 else entered
    return [_apply(candidate, stage, row) for candidate, row in zip(copied, rows, strict=True)]


def _new(row: dict[str, Any]) -> Candidate:
    return Candidate(row["source_id"], row["category"], Origin(**row["origin"]), Picture(row["unsafe"]))


def _apply(candidate: Candidate, stage: str, row: dict[str, Any]) -> Candidate:
    finished = stage == "source" and "finished" in row
    for column in (*COLUMNS[stage], *(_OF_FINISHED if finished else ()), _REJECT):
        value = row[column.name]
        setattr(candidate, column.name, value if value is None else column.read(value))
    if stage == "instruct" and row["answer"] is not None:
        outcome = candidate.instruction or candidate.reject
        assert outcome is not None
        candidate.answer = Answer(outcome, **row["answer"])
    return candidate
