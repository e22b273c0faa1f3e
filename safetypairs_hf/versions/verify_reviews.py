"""Verify the reviews of a version against its manifest."""

from __future__ import annotations

from collections.abc import Iterator

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.dataset import reviews
from safetypairs_hf.dataset.manifest import NAME as MANIFEST
from safetypairs_hf.dataset.manifest import UNREVIEWED
from safetypairs_hf.dataset.store.base import Edition
from safetypairs_hf.versions.verify_pairs import Problem


def check_reviews(edition: Edition) -> Iterator[Problem]:
    """Check that each reviewed pair of the manifest has a review with the same status, and no other pair has one."""
    try:
        found = edition.reviews
    except SafetyPairsError as error:
        yield Problem(reviews.NAME, "", str(error).removeprefix(f"{edition.name}: {reviews.NAME} "))
        return
    known = {release.get("version") for release in edition.releases}
    named = zip(edition.table["pair_id"].to_pylist(), edition.table["review"].to_pylist(), strict=True)
    statuses = {pair_id: status for pair_id, status in named if status != UNREVIEWED}
    for pair_id in sorted(statuses.keys() - found.keys()):
        yield Problem(MANIFEST, pair_id, f"it is {statuses[pair_id]!r}, and has no review in {reviews.NAME}")
    for pair_id, review in found.items():
        if review.status != statuses.get(pair_id):
            said = statuses.get(pair_id, "nothing")
            yield Problem(reviews.NAME, pair_id, f"it is {review.status!r}, and the manifest says {said!r}")
        if review.version not in known:
            yield Problem(reviews.NAME, pair_id, f"it came in {review.version}, which is no release up to this one")


def reviewed_pairs(edition: Edition) -> set[str]:
    """Return the pairs whose review may be newer than their rows; none if the reviews cannot be read."""
    try:
        return set(edition.reviews)
    except SafetyPairsError:  # `check_reviews` reports it
        return set()
