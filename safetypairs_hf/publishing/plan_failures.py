"""Decide which failures of a run a release adds, and which published failures it removes.

Failures are in the split `train`, and a model trained on them must not have seen the test pairs. So a failure is left
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
    """The failures of a release: `added` by failure id in the order of the run; `removed` and `kept` are published.

    Added failures have no file yet. `rejected` maps those that are pairs which people rejected to their pair ids.
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
    """Compare the failed attempts of a run with the published failures.

    Args:
        found: The attempts of the run to publish; empty if the release adds no failures.
        held: The published failures.
        groups: The groups with every pair of the release and every takedown.
        rejected: By pair id, the failure made of a pair that people rejected (`rejected_pairs`).
        pairs: The SHA-256s of both images of every pair of the release; none of these becomes a failure.
        replace: Whether only those published failures stay that the run holds.
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
    """Return, by pair id, the failure that a pair of a run becomes when people reject it.

    Imported pairs are left out: no attempt of an editor is known for them.
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
    """Return the row of a failure that no release holds yet, so without a file and a version."""
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
