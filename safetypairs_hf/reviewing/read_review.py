"""Read a review from its folder: the decisions, what became of each pair by them, and what the review is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from safetypairs_hf.core.errors import RunError
from safetypairs_hf.core.funnel import Funnel
from safetypairs_hf.core.records import Reject
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.reviewing.decisions import Decision, read_all
from safetypairs_hf.reviewing.pair_status import reject_reason, review_pairs

STAGE: Final = "review"
OF: Final = "review.json"  # in a folder of its own: which version is reviewed


@dataclass(frozen=True)
class RunReview:
    """What people have decided so far. `pairs` holds each pair that has a vote; `faults` are lines that were cut."""

    decisions: tuple[Decision, ...] = ()
    pairs: Mapping[str, Review] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def reject(self, pair_id: str) -> Reject | None:
        """Why the reviewers turned a pair down; None where they did not."""
        found = self.pairs.get(pair_id)
        if found is None or found.status != "rejected":
            return None
        against = sum(each.decision == "reject" for each in found.decisions)
        return Reject(STAGE, reject_reason(found), f"rejected by {against} of {found.reviewers} reviewers")

    def stage(self, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """The review as a stage of the funnel, of pairs by id and category; empty where nobody has voted."""
        if not self.pairs:
            return []
        counts = Funnel([STAGE])
        for pair_id, category in pairs:
            counts.count(STAGE, category, self.reject(pair_id))
        stages: list[dict[str, Any]] = counts.to_dict()["stages"]
        return stages


def read_review(folder: RunFolder) -> RunReview:
    """Read what people decided on the pairs of a run, or of a version in a folder of its own.

    Raises:
        RunError: a file of decisions does not read.
    """
    recorded = read_all(folder)
    return RunReview(tuple(recorded.decisions), review_pairs(recorded.decisions), tuple(recorded.faults))


def is_review(folder: RunFolder) -> bool:
    """Whether a folder holds the review of a published version, and no run."""
    return folder.has(OF) and not folder.has(RECIPE)


def write_subject(folder: RunFolder, target: str, version: str) -> None:
    """Say in a folder which version of which dataset is reviewed there; once.

    Raises:
        RunError: it holds the review of another one, or a run.
    """
    if folder.has(RECIPE):
        raise RunError(f"{folder.url} holds a run; name another folder for the review of {target}@{version}: --out")
    if not folder.has(OF):
        folder.write_json(OF, {"target": target, "version": version})
    held = read_subject(folder)
    if held != (target, version):
        raise RunError(
            f"{folder.url} holds the review of {held[0]}@{held[1]}, not of {target}@{version}; name another folder: "
            "--out"
        )


def read_subject(folder: RunFolder) -> tuple[str, str]:
    """The target and the version that are reviewed in a folder. Raises RunError."""
    found = folder.read_json(OF, "target", "version")
    return str(found["target"]), str(found["version"])
