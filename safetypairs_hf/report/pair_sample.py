"""Choose the pairs that a page of a run or a dataset shows: some of each category, and the largest groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

SAMPLE = 4  # pairs of each category
MOST_SAMPLED = 120  # pairs of all categories
LARGEST = 6  # groups that are shown
IN_GROUP = 6  # pairs of each group


def sample_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the pairs with the first ids of each category, sorted by category. Ids are hashes, so this is a sample.

    Args:
        rows: `pair_id`, `category`, `split` and `group` of each pair.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["pair_id"])):
        if len(found[row["category"]]) < SAMPLE:
            found[row["category"]].append(dict(row))
    return [row for category in sorted(found) for row in found[category]][:MOST_SAMPLED]


def groups_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the number of groups, the number of groups of each size, and the largest groups with their first pairs.

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
