"""The pairs that differ between two versions, drawn as a contact sheet."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageFilter

from safetypairs_hf.contact_sheet import Shown, contact_sheet
from safetypairs_hf.errors import SafetyPairsError
from safetypairs_hf.publishing.diff import Change, Difference, Row
from safetypairs_hf.publishing.published import Edition
from safetypairs_hf.records import Box

MOST = 60  # pairs on a sheet

_COLUMNS = ["pair_id", "unsafe_image", "safe_image", "edit_box", "instruction"]


def draw(difference: Difference, old: Edition, new: Edition, path: Path, *, show_unsafe: bool = False) -> int:
    """Draw up to MOST changed pairs as one PNG; answers how many of the changes are on it (0: nothing was written).

    A re-edited pair is there twice, as it was and as it is. Only files that hold a drawn pair are fetched. The unsafe
    members are blurred unless `show_unsafe`.

    Raises:
        SafetyPairsError: a data file does not read, or `path` cannot be written.
    """
    changes = difference.changes[:MOST]
    olds = _load(old, (change.old for change in changes if change.old and _shows_old(change)))
    news = _load(new, (change.new for change in changes if change.new))
    shown = [
        _shown(title, rows[row.pair_id], show_unsafe)
        for change in changes
        for title, row, rows in _members(change, olds, news)
    ]
    if shown:
        try:
            contact_sheet(shown, path)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SafetyPairsError(f"cannot write the sheet {path}: {reason}; name a .png file") from error
    return len(changes)


def _shows_old(change: Change) -> bool:
    return change.new is None or change.kind == "re-edited"


def _members(
    change: Change, olds: dict[str, Any], news: dict[str, Any]
) -> Iterator[tuple[str, Row, dict[str, dict[str, Any]]]]:
    if change.old and _shows_old(change):
        yield f"{change.kind}{', was' if change.new else ''}: {change.old.category}", change.old, olds
    if change.new:
        was = f" (was {change.old.category})" if change.kind == "relabelled" and change.old else ""
        yield f"{change.kind}: {change.new.category}{was}", change.new, news


def _load(edition: Edition, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """The published rows of some pairs, by pair id."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        wanted[row.file].append(row.pair_id)
    found: dict[str, dict[str, Any]] = {}
    for file, ids in wanted.items():
        try:
            table = pq.read_table(edition.fetch(file), columns=_COLUMNS, filters=[("pair_id", "in", ids)])
        except (pa.ArrowException, OSError) as error:
            raise SafetyPairsError(f"{edition.name}: {file} does not read; see: safetypairs verify") from error
        found.update({row["pair_id"]: row for row in table.to_pylist()})
    missing = sorted({pair_id for ids in wanted.values() for pair_id in ids} - found.keys())
    if missing:
        raise SafetyPairsError(f"{edition.name} does not hold pair {missing[0]}; see: safetypairs verify")
    return found


def _shown(title: str, row: dict[str, Any], show_unsafe: bool) -> Shown:
    unsafe, safe = (
        Image.open(io.BytesIO(row[name]["bytes"])).convert("RGB") for name in ("unsafe_image", "safe_image")
    )
    if not show_unsafe:
        unsafe = unsafe.filter(ImageFilter.GaussianBlur(max(unsafe.size) / 10))
    return Shown(unsafe, safe, Box(*row["edit_box"]), title, f"{row['pair_id']}  {row['instruction']}")
