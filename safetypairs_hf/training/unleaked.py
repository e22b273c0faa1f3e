"""Remove train pairs that show a test pair of a version on which the guard will be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from safetypairs_hf.core.errors import SafetyPairsError, counted, verb
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.probing.leaks import find_leaks_in

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.evaluating.data import Data
    from safetypairs_hf.evaluating.judging import Progress

LEAKING: Final = ("error", "drop")


def unleaked(
    data: Data, rows: Sequence[int], versions: Sequence[str], leaking: str, progress: Progress
) -> tuple[list[int], list[dict[str, Any]]]:
    """Find the test pairs of some versions in training images.

    Args:
        data: The training pairs, opened.
        rows: The images of it that are trained on.
        versions: `TARGET@X.Y.Z`; versions without test pairs are skipped.
        leaking: "error" refuses training images that show a test pair; "drop" leaves out their pairs.
        progress: Called as `progress("images", done, 0)` for each version.

    Returns:
        The remaining rows, and for each version: `version`, its number of test `pairs`, the number of searched
        `images`, and the number of train pairs that were `dropped`.

    Raises:
        SafetyPairsError: As for `leaks`; or an image shows a test pair, and `leaking` is "error".
    """
    if leaking not in LEAKING:
        raise SafetyPairsError(f"leaking is {leaking!r}; expected {' or '.join(LEAKING)}")
    left, checks = list(rows), []
    for edition in map(open_named, versions):
        if not _has_test(edition):
            continue
        pair_of = {data.name_of(row): data.pair_ids[row] for row in left}
        images = ((data.name_of(row), data.read(row)) for row in left)
        found = find_leaks_in(images, str(data.name), edition, progress=progress)
        leaked = {pair_of[each.image] for each in found.found}
        if leaked and leaking == "error":
            first = found.found[0]
            raise SafetyPairsError(
                f"{counted(len(leaked), 'train pair')} {verb(len(leaked), 'shows')} a test pair of {edition.name}: "
                f"{first.image} is like the {first.member} image of pair {first.pair_id} ({first.how}); leave those "
                "out with --leaking drop"
            )
        left = [row for row in left if data.pair_ids[row] not in leaked]
        checks.append({"version": edition.name, "pairs": found.pairs, "images": found.images, "dropped": len(leaked)})
    if not left:
        raise SafetyPairsError(f"{data.name} has no train pairs left; each shows a test pair of {', '.join(versions)}")
    return left, checks


def _has_test(edition: Edition) -> bool:
    return "test" in edition.table["split"].unique().to_pylist()
