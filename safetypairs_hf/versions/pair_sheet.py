"""Read the rows of some published pairs, and prepare them for a contact sheet with blurred unsafe members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from PIL import Image

from safetypairs_hf.core.contact_sheet import Shown, blurred
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.records import Box, Picture
from safetypairs_hf.dataset.store.base import Edition

_SIDE: Final = 880  # pixels; larger images are made smaller before they wait for the others
_COLUMNS: Final = ["pair_id", "unsafe_image", "safe_image", "edit_box", "instruction", "critical_feature"]


def published_rows(edition: Edition, files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the published rows of some pairs, by pair id. Only data files that hold one of them are fetched.

    Args:
        edition: The version to read.
        files: The data file of each pair, by pair id.

    Raises:
        SafetyPairsError: A data file cannot be read, or does not hold a pair that the manifest places in it.
    """
    return {row["pair_id"]: row for row in rows_by_file(edition, files, _COLUMNS)}


def rows_by_file(edition: Edition, files: Mapping[str, str], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield some columns of the published rows of some pairs. The rows of one data file are in memory at a time.

    Args:
        edition: The version to read.
        files: The data file of each pair, by pair id.
        columns: The columns to read; `pair_id` must be one of them.

    Raises:
        SafetyPairsError: As for `published_rows`.
    """
    wanted: dict[str, list[str]] = defaultdict(list)
    for pair_id, file in files.items():
        wanted[file].append(pair_id)
    for file, ids in wanted.items():
        rows = edition.rows(file, ids, list(columns))
        if missing := sorted(set(ids) - {row["pair_id"] for row in rows}):
            raise SafetyPairsError(f"{edition.name} does not hold pair {missing[0]}; see: safetypairs verify")
        yield from rows


def is_one_image(row: Mapping[str, Any]) -> bool:
    """Return whether a published row is of a policy pair: its one image is unsafe by one policy and safe by another."""
    return bool(row["unsafe_image"]["bytes"] == row["safe_image"]["bytes"])


def on_sheet(title: str, row: Mapping[str, Any], show_unsafe: bool) -> Shown:
    """Return a published row for the sheet. Its unsafe member is blurred unless `show_unsafe` is true.

    Of a policy pair both members are one image, which is unsafe by one of the policies, so both are blurred.

    Raises:
        SafetyPairsError: An image or the edit box cannot be read.
    """
    with reading(f"pair {row['pair_id']}: an image or the edit box", "see: safetypairs verify"):
        unsafe, safe = (Image.fromarray(Picture(row[name]["bytes"]).pixels) for name in ("unsafe_image", "safe_image"))
        scale = min(1.0, _SIDE / max(unsafe.size))
        box = Box(*(round(edge * scale) for edge in row["edit_box"] or (0, 0, *unsafe.size)))
    same = is_one_image(row)
    text = row["critical_feature"] if same else row["instruction"] or ""
    small = [
        image.resize((max(1, round(unsafe.width * scale)), max(1, round(unsafe.height * scale))))
        for image in (unsafe, safe)
    ]
    if not show_unsafe:
        small = [blurred(image) if number == 0 or same else image for number, image in enumerate(small)]
    return Shown(small[0], small[1], box, title, f"{row['pair_id']}  {text}")
