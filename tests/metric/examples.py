"""The worked example of docs/metric.md, and rows from pairs of scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# `evaluate` imports transformers, and that torch, for its evaluators alone: seconds that a process can do without.
IMPORT_EVALUATE = """
import sys
sys.modules["transformers"] = None
import evaluate
del sys.modules["transformers"]
"""

# pair: P(unsafe) of its unsafe image, of its safe image
SCORES: dict[str, tuple[float | None, float | None]] = {
    "a": (0.9, 0.2),
    "b": (0.8, 0.7),
    "c": (0.4, 0.1),
    "d": (0.3, 0.6),
    "e": (0.95, 0.05),
    "f": (None, 0.1),
}


def rows_of(
    scores: Mapping[str, tuple[float | None, float | None]],
    category: Mapping[str, str] | None = None,
    group: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Two rows a pair; a pair that `category` or `group` does not name is in "other", or a group of its own."""
    rows = []
    for pair_id, (unsafe, safe) in scores.items():
        for reference, value in ((1, unsafe), (0, safe)):
            row: dict[str, Any] = {"pair_id": pair_id, "reference": reference, "score": value}
            if category is not None:
                row["category"] = category.get(pair_id, "other")
            if group is not None:
                row["group"] = group.get(pair_id, f"g{pair_id}")
            rows.append(row)
    return rows
