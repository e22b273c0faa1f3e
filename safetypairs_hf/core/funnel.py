"""The funnel of a run: by stage and category, how many candidates entered, how many left, and why others did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from safetypairs_hf.core.records import Reject


class Funnel:
    """Counts candidates by step and category. In every cell, `in` = `out` + the sum of `rejected`.

    If an editor makes several candidates of a source, `edit` and `judge` count candidates.

    Args:
        steps: The names of the steps in order; "edit-2" is the edit stage of the second round.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self._cells: dict[str, dict[str, dict[str, Any]]] = {step: {} for step in steps}
        self._tokens: dict[str, dict[str, int]] = {}

    def spend(self, step: str, prompt_tokens: int, answer_tokens: int) -> None:
        """Add the tokens that an instructor read and wrote."""
        tokens = self._tokens.setdefault(step, {"prompt": 0, "answer": 0})
        tokens["prompt"] += prompt_tokens
        tokens["answer"] += answer_tokens

    def count(self, stage: str, category: str, reject: Reject | None) -> None:
        cell = self._cells.setdefault(stage, {}).setdefault(category, {"in": 0, "out": 0, "rejected": {}})
        cell["in"] += 1
        if reject is None:
            cell["out"] += 1
        else:
            cell["rejected"][reject.reason] = cell["rejected"].get(reject.reason, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """Return a list of stages, each with its totals, the counts by category, and `tokens` if any were used."""
        return {"stages": [self._stage(step) for step in self._cells]}

    def _stage(self, stage: str) -> dict[str, Any]:
        cells = self._cells[stage]
        rejected: dict[str, int] = {}
        for cell in cells.values():
            for reason, count in cell["rejected"].items():
                rejected[reason] = rejected.get(reason, 0) + count
        return {
            "stage": stage,
            "in": sum(cell["in"] for cell in cells.values()),
            "out": sum(cell["out"] for cell in cells.values()),
            "rejected": dict(sorted(rejected.items())),
            "by_category": {
                slug: {**cells[slug], "rejected": dict(sorted(cells[slug]["rejected"].items()))}
                for slug in sorted(cells)
            },
            **({"tokens": self._tokens[stage]} if any(self._tokens.get(stage, {}).values()) else {}),
        }


def rows(funnel: dict[str, Any]) -> Iterable[tuple[str, int, int, str]]:
    """Yield the funnel as table rows: stage, in, out, and the reject reasons, most frequent first."""
    for stage in funnel["stages"]:
        reasons = sorted(stage["rejected"].items(), key=lambda item: (-item[1], item[0]))
        yield stage["stage"], stage["in"], stage["out"], ", ".join(f"{count} {reason}" for reason, count in reasons)
