"""Decide which failures of a run a release adds, and which published ones it removes.

Failures lie in the split `train`, and whoever trains on them must not have seen what is tested on. So a failure is left
out if its source or its edited image was taken down, or is a near-duplicate of a member of a test pair.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from safetypairs_hf.building.run_reader import FailedAttempt, FinishedRun
from safetypairs_hf.core.ids import failure_id
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.dataset.failure_rows import Failed


@dataclass(frozen=True)
class FailurePlan:
    """`added` by failure id in the order of the run, without a file yet; `removed` and `kept` are published ones.

    `rejected` are those of `added` that are pairs which people rejected: failure id -> pair id.
    """

    added: dict[str, Failed] = field(default_factory=dict)
    removed: list[Failed] = field(default_factory=list)
    kept: list[Failed] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.added and not self.removed


def plan_failures(
    found: Sequence[FailedAttempt],
    held: Sequence[Failed],
    groups: Groups,
    *,
    rejected: Mapping[str, Failed] = MappingProxyType({}),
    pairs: Collection[tuple[str, str]] = (),
    replace: bool = False,
) -> FailurePlan:
    """Compare the failed attempts of a run with the published ones.

    Args:
        found: the attempts of the run that are to be published; none where a release adds no failures.
        held: the published failures.
        groups: every pair of the release in its place, and every takedown.
        rejected: pair id -> the failure that it becomes, of pairs that people rejected (`rejected_pairs`).
        pairs: the SHA-256s of both images of every pair of the release; none of them is a failure.
        replace: of the published failures, only those that the run holds stay.
    """
    run = {each.failure_id: _failed(each) for each in found} | {each.failure_id: each for each in rejected.values()}
    published = {each.failure_id for each in held}

    def is_barred(each: Failed) -> bool:
        return (each.unsafe_sha256, each.edited_sha256) in pairs or _barred(each, groups)

    kept = [each for each in held if (not replace or each.failure_id in run) and not is_barred(each)]
    added = {name: each for name, each in run.items() if name not in published and not is_barred(each)}
    stay = {each.failure_id for each in kept}
    of_people = {each.failure_id: pair_id for pair_id, each in rejected.items() if each.failure_id in added}
    return FailurePlan(added, [each for each in held if each.failure_id not in stay], kept, of_people)


def rejected_pairs(finished: FinishedRun, pair_ids: Collection[str]) -> dict[str, Failed]:
    """Pair id -> the failure that a pair of a run becomes when people reject it.

    A pair that was imported is none: no attempt of an editor is known of it.
    """
    found = {}
    for pair, _ in finished.pairs(pair_ids):
        assert pair.identity and pair.safe
        if pair.finished or pair.generator is None or pair.generator.attempt is None:
            continue
        pair_id, unsafe, safe, unsafe_phash, safe_phash, family = pair.identity
        size = len(pair.unsafe.data) + len(pair.safe.data)
        name = failure_id(unsafe, safe, pair.category, pair.generator.attempt)
        found[pair_id] = Failed(name, "", pair.category, "", unsafe, safe, unsafe_phash, safe_phash, family, size)
    return found


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
