"""Which pairs a page of a run or of a dataset shows: some of each category, and the largest groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

SAMPLE = 4  # pairs of each category
MOST_SAMPLED = 120  # pairs in all
LARGEST = 6  # groups that are shown
IN_GROUP = 6  # pairs of each


def sample_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the pairs of each category with the first ids, category by category; they are a sample, as ids are hashes.

    Args:
        rows: `pair_id`, `category`, `split` and `group` of each pair.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["pair_id"])):
        if len(found[row["category"]]) < SAMPLE:
            found[row["category"]].append(dict(row))
    return [row for category in sorted(found) for row in found[category]][:MOST_SAMPLED]


def groups_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many groups there are, how many of each size, and the largest with their first pairs.

    Args:
        rows: `pair_id`, `category`, `split` and `group` of each pair.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        members[row["group"]].append(row["pair_id"])
    sizes = Counter(map(len, members.values()))
    ranked = sorted((name for name in members if len(members[name]) > 1), key=lambda name: (-len(members[name]), name))
    largest = [
        {"group": name, "size": len(members[name]), "pairs": sorted(members[name])[:IN_GROUP]}
        for name in ranked[:LARGEST]
    ]
    return {"groups": len(members), "sizes": {str(size): sizes[size] for size in sorted(sizes)}, "largest": largest}
