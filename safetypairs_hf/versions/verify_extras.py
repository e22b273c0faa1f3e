"""Verify the files of controls and failures: their rows against the manifests, then labels and images of each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from safetypairs_hf.core.errors import SafetyPairsError, reason
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.pictures import perceptual_hash, sha256
from safetypairs_hf.core.records import CONTROL_KINDS, Picture
from safetypairs_hf.dataset import failure_rows
from safetypairs_hf.dataset.control_rows import ROOT as CONTROLS
from safetypairs_hf.dataset.control_rows import control_schema, data_file, judges_in, tally
from safetypairs_hf.dataset.failure_rows import Failed, failure_schema
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.versions.verify_pairs import Problem, other_encoding, row_groups

Rows = Iterator[dict[str, Any]]


def check_extras(edition: Edition, present: Callable[[str], bool]) -> Iterator[Problem]:
    """Yield the problems of the controls and failures that the manifest names. Their bytes were checked before.

    Args:
        edition: The version to check.
        present: Whether a file exists.
    """
    extras: Mapping[str, dict[str, Any]] = edition.head.get("beside", {})
    failed = _failed(edition, present) if failure_rows.NAME in edition.head["files"] else []
    if isinstance(failed, Problem):
        yield failed
        failed = []
    yield from _agreement(extras, failed)
    for name, said in extras.items():
        if not present(name):
            continue  # a missing file was reported before
        check = _controls if name.startswith(CONTROLS) else _failures
        try:
            yield from (Problem(name, which, what) for which, what in check(edition, name, said, failed))
        except SafetyPairsError as error:
            yield Problem(name, "", str(error))
        except (TypeError, LookupError) as error:  # a value that is missing, or null
            yield Problem(name, "", f"a value of a row is missing or broken: {reason(error)}")


def _failed(edition: Edition, present: Callable[[str], bool]) -> list[Failed] | Problem:
    if not present(failure_rows.NAME):
        return []
    try:
        with reading("it"):
            return failure_rows.load(edition.fetch(failure_rows.NAME).read_bytes())
    except SafetyPairsError as error:
        return Problem(failure_rows.NAME, "", str(error))


def _agreement(extras: Mapping[str, dict[str, Any]], failed: list[Failed]) -> Iterator[Problem]:
    said = {name: counts for name, counts in extras.items() if name.startswith(failure_rows.ROOT)}
    if said != failure_rows.totals(failed):
        yield Problem(failure_rows.NAME, "", "its rows are not those that the manifest counts")


def _controls(edition: Edition, name: str, said: Mapping[str, Any], _: list[Failed]) -> Iterator[tuple[str, str]]:
    """Yield (pair id, problem)."""
    path, table = edition.fetch(name), edition.table
    here = table.filter(pc.equal(table["file"], data_file(name))).to_pylist()
    entries = {entry["pair_id"]: entry for entry in here}
    seen: set[tuple[str, int]] = set()
    strange = False
    for row in _rows(path, control_schema(edition.taxonomy)):
        pair_id, kind = row["pair_id"], row["control"]
        entry = entries.get(pair_id)
        if entry is None or (pair_id, kind) in seen or kind not in range(len(CONTROL_KINDS)):
            strange = True
            yield pair_id, "is a control of no pair of its data file, or occurs twice"
            continue
        seen.add((pair_id, kind))
        found = {
            "category": edition.taxonomy.slug_of(row["category"]),
            "group": row["group"],
            "introduced": row["introduced"],
        }
        for column, value in found.items():
            if value != entry[column]:
                yield (
                    pair_id,
                    f"{column} of a control is {value!r}, and the manifest says {entry[column]!r} of its pair",
                )
        if (row["safe_image"] is None) != (CONTROL_KINDS[kind] == "null_edit"):
            yield pair_id, f"a control {CONTROL_KINDS[kind]} has the wrong members"
        yield from ((pair_id, what) for what in _decode(row, ("unsafe_image", "safe_image")))
    if strange:
        return
    with reading("the data file beside it"):
        judges = judges_in(edition.fetch(data_file(name)))
    if tally(path, judges).to_dict() != said:
        yield "", "its rows are not those that the manifest counts"


def _failures(edition: Edition, name: str, said: Mapping[str, Any], failed: list[Failed]) -> Iterator[tuple[str, str]]:
    """Yield (failure id, problem)."""
    path = edition.fetch(name)
    waiting = {each.failure_id: each for each in failed if each.file == name}
    for row in _rows(path, failure_schema(edition.taxonomy)):
        each = waiting.pop(row["failure_id"], None)
        if each is None:
            yield row["failure_id"], f"is in no row of {failure_rows.NAME}, or twice here"
            continue
        images = row["unsafe_image"]["bytes"], row["edited_image"]["bytes"]
        if tuple(map(sha256, images)) != (each.unsafe_sha256, each.edited_sha256):
            yield each.failure_id, f"the sha256 of an image is not the one in {failure_rows.NAME}"
        if (edition.taxonomy.slug_of(row["category"]), row["introduced"]) != (each.category, each.introduced):
            yield each.failure_id, f"its category or version is not the one in {failure_rows.NAME}"
        broken = list(_decode(row, ("unsafe_image", "edited_image")))
        yield from ((each.failure_id, what) for what in broken)
        hashes = each.unsafe_phash, each.edited_phash
        if not broken and tuple(perceptual_hash(Picture(data)) for data in images) != hashes:
            yield each.failure_id, f"the PDQ hash of an image is not the one in {failure_rows.NAME}"
    for failure_id in waiting:
        yield failure_id, f"is in {failure_rows.NAME}, but not in the file"


def _rows(path: Path, expected: pa.Schema) -> Rows:
    for rows in row_groups(path, expected):
        yield from rows


def _decode(row: Mapping[str, Any], columns: tuple[str, str]) -> Iterator[str]:
    pictures = []
    for column in columns:
        if row[column] is None:
            continue
        pictures.append(Picture(row[column]["bytes"]))
        try:
            assert pictures[-1].pixels is not None
        except Exception as error:  # a decoder may raise anything for damaged bytes
            yield f"its {column} does not decode: {reason(error)}"
            return
    if len(pictures) == 2:
        yield from other_encoding(*pictures)
