"""How finished pairs are judged: by nobody, by judges who may reject, or by judges whose word is only recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building.judge import Judging
from safetypairs_hf.core.records import Judgement, Reject, Verdict

MODES = ("reject", "record")


@dataclass(frozen=True)
class Recording(Judging):
    """Judging in which the judges' word is recorded, and no pair is rejected for it."""

    def _weigh(self, name: str, unsafe: Verdict, safe: Verdict) -> Reject | None:
        return None


def judging_of(judges: tuple[Any, ...], mode: str) -> Judging:
    """The judging of an import: guards or functions, and one of MODES. For how much differs, nothing is rejected."""
    kind = Recording if mode == "record" or not judges else Judging
    return kind(judges, max_changed_fraction=1.0, region_slack=None, families=0)


def is_inverted(judgements: Sequence[Judgement]) -> bool:
    """Whether most judges call a pair the wrong way round: the safe member more unsafe than the unsafe one."""
    said = [
        (each.p_unsafe_after > each.p_unsafe_before) - (each.p_unsafe_after < each.p_unsafe_before)
        for each in judgements
        if each.p_unsafe_before is not None and each.p_unsafe_after is not None
    ]
    return sum(said) > 0
