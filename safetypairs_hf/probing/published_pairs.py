"""Read pairs for a probe: from rows before they are published, and from a published version."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from safetypairs_hf.core.records import CONTROL_KINDS, DIRECTIONS, Box
from safetypairs_hf.dataset.control_rows import control_file
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.probing.pair_words import clue
from safetypairs_hf.probing.probe import ProbedPair

_COLUMNS = (
    "pair_id",
    "unsafe_image",
    "safe_image",
    "critical_feature",
    "instruction",
    "direction",
    "edit_box",
    "group",
)
_CONTROL = ("pair_id", "control", "unsafe_image")


def probed_pair(row: Mapping[str, Any], controls: Iterable[Mapping[str, Any]] = ()) -> ProbedPair:
    """Return the pair to probe from its published row and the rows of its controls."""
    return ProbedPair(
        pair_id=row["pair_id"],
        group=row["group"],
        unsafe=_file(row["unsafe_image"]),
        safe=_file(row["safe_image"]),
        box=Box(*row["edit_box"]) if row["edit_box"] else None,
        direction=DIRECTIONS[row["direction"]],
        clue=clue(row["critical_feature"] or "", row["instruction"] or "", row["group"]),
        controls=tuple((CONTROL_KINDS[each["control"]], _file(each["unsafe_image"])) for each in controls),
    )


def _file(image: Mapping[str, Any] | None) -> bytes:
    return (image or {}).get("bytes") or b""


def published_pairs(
    edition: Edition, sample: int, progress: Callable[[str, int, int], None] = lambda name, done, total: None
) -> Iterator[ProbedPair]:
    """Read at most `sample` pairs of a version.

    Whole files are read, ordered by the hash of their names, so that only a few files of a large version on the Hub are
    downloaded. The same version gives the same pairs.

    Args:
        edition: The version.
        sample: The most pairs to read.
        progress: Called with ("pairs", number read, total).
    """
    chosen = _chosen(edition, sample)
    total, done = sum(map(len, chosen.values())), 0
    for file, pair_ids in chosen.items():
        controls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if control_file(file) in edition.stored:
            for row in edition.rows(control_file(file), pair_ids, list(_CONTROL)):
                controls[row["pair_id"]].append(row)
        for row in edition.rows(file, pair_ids, list(_COLUMNS)):
            yield probed_pair(row, controls[row["pair_id"]])
            done += 1
            progress("pairs", done, total)


def _chosen(edition: Edition, sample: int) -> dict[str, Sequence[str]]:
    """Return file -> the pairs to read from it."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for file, pair_id in zip(*(edition.table[name].to_pylist() for name in ("file", "pair_id")), strict=True):
        if not file.startswith(POLICY_PAIRS):  # policy pairs have no edited member
            by_file[file].append(pair_id)
    chosen: dict[str, Sequence[str]] = {}
    for file in sorted(by_file, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if sample > 0:
            chosen[file] = sorted(by_file[file])[:sample]
            sample -= len(chosen[file])
    return chosen
