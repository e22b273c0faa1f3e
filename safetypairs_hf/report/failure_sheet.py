"""Draw the pairs that a guard misjudges as one picture, with the images of the data that it was run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.contact_sheet import contact_sheet
from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.report.pair_pictures import files_of
from safetypairs_hf.versions.pair_sheet import on_sheet, published_rows

MOST: Final = 60  # pairs on a sheet


def draw_failures(failures: Sequence[Mapping[str, Any]], data: str, path: Path, *, show_unsafe: bool = False) -> int:
    """Draw the first MOST failures and write them to `path` as PNG. Only the data files that hold them are fetched.

    Args:
        failures: Rows of `sp.failures`: `pair_id`, `category`, `outcome` and `margin`.
        data: The version that the guard was run on: a folder or a Hub id, with @VERSION if it is not the newest.
        path: The PNG file to write.
        show_unsafe: Do not blur the unsafe members.

    Returns:
        The number of pairs drawn. If it is 0, no file is written.

    Raises:
        SafetyPairsError: There is no such version, it lacks one of the pairs, or `path` cannot be written.
    """
    drawn = failures[:MOST]
    if not drawn:
        return 0
    edition = open_named(data)
    files = files_of(edition, (row["pair_id"] for row in drawn))
    if gone := [row["pair_id"] for row in drawn if row["pair_id"] not in files]:
        raise SafetyPairsError(
            f"{edition.name} holds no pair {gone[0]}, which is in the predictions; name the version that the guard "
            "was run on: --data TARGET@VERSION"
        )
    rows = published_rows(edition, files)
    shown = [on_sheet(_title(row), rows[row["pair_id"]], show_unsafe) for row in drawn]
    contact_sheet(shown, path)
    return len(drawn)


def _title(row: Mapping[str, Any]) -> str:
    margin = "" if row["margin"] is None else f" {row['margin']:+.3f}"
    return f"{row['category'] or 'no category'}: {row['outcome']}{margin}"
