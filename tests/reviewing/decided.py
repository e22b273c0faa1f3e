"""Decisions and pairs for tests of what comes of a review."""

from __future__ import annotations

from safetypairs_hf.core.records import Judgement
from safetypairs_hf.reviewing.decisions import Decision
from safetypairs_hf.reviewing.reviewed_pairs import Listed


def decided(pair_id: str, reviewer: str, action: str, blind: str | None = "unsafe", **given: object) -> Decision:
    values = {"reason": "still_unsafe" if action == "reject" else "", "note": "", "left": "safe", "seconds": 4.0}
    values |= {"time": "2026-11-29T02:00:00+00:00", **given}
    return Decision(pair_id=pair_id, action=action, reviewer=reviewer, blind=blind, **values)  # type: ignore[arg-type]


def listed(pair_id: str, group: str, *p_unsafe: tuple[float | None, float | None], category: str = "hate") -> Listed:
    return Listed(pair_id, category, group, [Judgement(f"judge{n}", *p) for n, p in enumerate(p_unsafe)], 0)
