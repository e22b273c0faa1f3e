"""Read a review from its folder: the decisions, and the resulting status of each pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from safetypairs_hf.building.run_reader import selected
from safetypairs_hf.core.errors import counted
from safetypairs_hf.core.funnel import Funnel
from safetypairs_hf.core.records import Reject
from safetypairs_hf.core.run_folder import RECIPE, RunFolder, open_run
from safetypairs_hf.dataset.reviews import STATUSES, Review
from safetypairs_hf.reviewing.decisions import Decision, read_all, reviewers
from safetypairs_hf.reviewing.pair_status import reject_reason, review_pairs

STAGE: Final = "review"


@dataclass(frozen=True)
class RunReview:
    """The decisions of people so far. `pairs` holds each pair with a vote; `faults` are lines that were cut short."""

    decisions: tuple[Decision, ...] = ()
    pairs: Mapping[str, Review] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def reject(self, pair_id: str) -> Reject | None:
        """Return the reject of a pair that the reviewers rejected; None for any other pair."""
        found = self.pairs.get(pair_id)
        if found is None or found.status != "rejected":
            return None
        against = sum(each.decision == "reject" for each in found.decisions)
        return Reject(STAGE, reject_reason(found), f"rejected by {against} of {counted(found.reviewers, 'reviewer')}")

    @property
    def summary(self) -> str:
        """Return the number of pairs with each status, in words."""
        counts = Counter(review.status for review in self.pairs.values())
        told = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
        people = len({each.reviewer for each in self.decisions})
        return f"reviewed by {counted(people, 'person')}: {told}"

    def stage(self, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """Return the review as a stage of the funnel for pairs given by id and category; [] without votes."""
        if not self.pairs:
            return []
        counts = Funnel([STAGE])
        for pair_id, category in pairs:
            counts.count(STAGE, category, self.reject(pair_id))
        stages: list[dict[str, Any]] = counts.to_dict()["stages"]
        return stages


def review_stages(run: RunFolder, review: RunReview) -> list[dict[str, Any]]:
    """Return the review of a finished run as the last stage of its funnel; [] without votes."""
    if not review.pairs:
        return []
    return review.stage((each.entrant.identity.pair_id, each.entrant.category) for each in selected(run))


def read_review(folder: RunFolder) -> RunReview:
    """Read the decisions on the pairs of a run, or of a version from its separate folder.

    Raises:
        RunError: A file of decisions cannot be read.
    """
    recorded = read_all(folder)
    return RunReview(tuple(recorded.decisions), review_pairs(recorded.decisions), tuple(recorded.faults))


def is_review(folder: RunFolder) -> bool:
    """Return whether a folder holds decisions and no run, because a published version was reviewed there."""
    return not folder.has(RECIPE) and bool(reviewers(folder))


def open_run_or_review(url: str) -> RunFolder:
    """Open a folder that has a run or a review.

    Raises:
        RunError: It has neither.
    """
    folder = RunFolder(url)
    return folder if is_review(folder) else open_run(url)
