"""Judge finished pairs: not at all, with rejection, or with judgements that are only recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building.judge import Judging
from safetypairs_hf.core.records import Judgement, Reject, Verdict

MODES = ("reject", "record")


@dataclass(frozen=True)
class Recording(Judging):
    """Judging that records the judges' verdicts and rejects no pair for them."""

    def _weigh(self, name: str, unsafe: Verdict, safe: Verdict) -> Reject | None:
        return None


def judging_of(judges: tuple[Any, ...], mode: str) -> Judging:
    """Return the judging of an import by guards or functions, in one of MODES. The size of the edit rejects nothing."""
    kind = Recording if mode == "record" or not judges else Judging
    return kind(judges, max_changed_fraction=1.0, region_slack=None, families=0)


def is_inverted(judgements: Sequence[Judgement]) -> bool:
    """Return whether most judges find a pair inverted: its safe member more unsafe than its unsafe one."""
    said = [
        (each.p_unsafe_after > each.p_unsafe_before) - (each.p_unsafe_after < each.p_unsafe_before)
        for each in judgements
        if each.p_unsafe_before is not None and each.p_unsafe_after is not None
    ]
    return sum(said) > 0
