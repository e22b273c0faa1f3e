"""Decide which failures of a run a release adds, and which published ones it removes.

Failures lie in the split `train`, and whoever trains on them must not have seen what is tested on. So a failure is left
out if its source or its edited image was taken down, or is a near-duplicate of a member of a test pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from safetypairs_hf.building.run_reader import FailedAttempt
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.dataset.failure_rows import Failed


@dataclass(frozen=True)
class FailurePlan:
    """`added` by failure id in the order of the run, without a file yet; `removed` and `kept` are published ones."""

    added: dict[str, Failed] = field(default_factory=dict)
    removed: list[Failed] = field(default_factory=list)
    kept: list[Failed] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.added and not self.removed


def plan_failures(
    found: Sequence[FailedAttempt], held: Sequence[Failed], groups: Groups, *, replace: bool = False
) -> FailurePlan:
    """Compare the failed attempts of a run with the published ones.

    Args:
        found: the attempts of the run that are to be published; none where a release adds no failures.
        held: the published failures.
        groups: every pair of the release in its place, and every takedown.
        replace: of the published failures, only those that the run holds stay.
    """
    run = {each.failure_id: _failed(each) for each in found}
    published = {each.failure_id for each in held}
    kept = [each for each in held if (not replace or each.failure_id in run) and not _barred(each, groups)]
    added = {name: each for name, each in run.items() if name not in published and not _barred(each, groups)}
    stay = {each.failure_id for each in kept}
    return FailurePlan(added, [each for each in held if each.failure_id not in stay], kept)


def _failed(attempt: FailedAttempt) -> Failed:
    """The row of a failure that no release holds yet, so without a file and a version."""
    return Failed(
        attempt.failure_id,
        "",
        attempt.category,
        "",
        attempt.unsafe_sha256,
        attempt.edited_sha256,
        attempt.unsafe_phash,
        attempt.edited_phash,
        attempt.family,
        attempt.size,
    )


def _barred(each: Failed, groups: Groups) -> bool:
    images = (each.unsafe_sha256, each.unsafe_phash), (each.edited_sha256, each.edited_phash)
    return any(groups.keeps_from_train(*image, each.family) for image in images)
