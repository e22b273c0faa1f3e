"""Decide which reviews a release publishes, and refuse it if its pairs lack a required review."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.dataset.manifest import Entry
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.reviewing.pair_status import DISPUTED

if TYPE_CHECKING:
    from safetypairs_hf.core.records import Reject


class Wanted(NamedTuple):
    """The required review: the number of reviewers, and their least agreement (in [0, 1]; see `pair_status`)."""

    reviewers: int = 1
    agreement: float = 0.0


@dataclass(frozen=True)
class ReviewPlan:
    """The reviews of a release, by pair id.

    `made` are the reviews that it publishes: of new pairs, and of published pairs that were reviewed since. `kept` are
    published reviews that stay. `dropped` counts those that leave with their pair. `rejects` holds the pairs that are
    left out, each with its reject.
    """

    made: Mapping[str, Review] = field(default_factory=dict)
    kept: Mapping[str, Review] = field(default_factory=dict)
    dropped: int = 0
    rejects: Mapping[str, Reject] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.made and not self.dropped

    def all(self, version: str) -> list[Review]:
        """Return every review of the release with the number `version`."""
        return [*self.kept.values(), *(review._replace(version=version) for review in self.made.values())]


def plan_reviews(
    found: Mapping[str, Review],
    held: Mapping[str, Review],
    kept: Sequence[Entry],
    added: Collection[str],
    rejects: Mapping[str, Reject],
) -> ReviewPlan:
    """Compare the new decisions of people with the published reviews.

    Args:
        found: The new reviews, by pair id.
        held: The published reviews.
        kept: The published pairs that stay.
        added: The ids of the new pairs.
        rejects: The pairs that are left out because people rejected them.
    """
    here = {entry.pair_id for entry in kept}
    made = {name: found[name] for name in added if name in found}
    made |= {name: each for name, each in found.items() if name in here and not each.same(held.get(name))}
    stay = {name: each for name, each in held.items() if name in here and name not in made}
    return ReviewPlan(made, stay, sum(name not in here for name in held), rejects)


def with_reviews(entries: Iterable[Entry], made: Mapping[str, Review]) -> list[Entry]:
    """Return entries of the manifest with the review status that a release gives them."""
    return [entry._replace(review=made[entry.pair_id].status) if entry.pair_id in made else entry for entry in entries]


def refuse_unreviewed(wanted: Wanted, reviews: Mapping[str, Review | None], where: str) -> None:
    """Raise PublishError, with counts, if pairs lack the required review.

    Args:
        wanted: The requirement.
        reviews: The review (or None) of each pair that the release adds and of each published pair that was reviewed.
        where: The arguments with which `safetypairs review` continues.
    """
    faults: dict[str, list[str]] = {}
    for name, review in reviews.items():
        for fault in _faults(wanted, review):
            faults.setdefault(fault, []).append(name)
    if faults:
        lacking = {name for names in faults.values() for name in names}
        told = ", ".join(f"{len(names)} {fault}" for fault, names in faults.items())
        raise PublishError(
            f"{len(lacking):,} of {counted(len(reviews), 'pair')} {verb(len(lacking), 'lacks')} the required review: "
            f"{told} (the first is {next(name for name in reviews if name in lacking)}); continue with: safetypairs "
            f"review {where}"
        )


def _faults(wanted: Wanted, review: Review | None) -> Iterable[str]:
    if review is None:
        yield "unreviewed"
        return
    if review.status == DISPUTED:
        yield "disputed"
    if review.reviewers < wanted.reviewers:
        yield f"with fewer than {counted(wanted.reviewers, 'reviewer')}"
    if wanted.agreement and review.agreement is None:
        yield "with one reviewer, so without agreement"
    elif review.agreement is not None and review.agreement < wanted.agreement:
        yield f"with an agreement below {wanted.agreement:g}"


def rejected_counts(rejects: Mapping[str, Reject]) -> dict[str, int]:
    """Return the number of pairs that people rejected, by reason in words."""
    counts: dict[str, int] = {}
    for reject in rejects.values():
        told = f"rejected by people ({reject.reason})"
        counts[told] = counts.get(told, 0) + 1
    return counts


def check_wanted(require: bool, reviewers: int | None, agreement: float | None) -> Wanted | None:
    """Return the review that the three options require; None if they require none.

    Raises:
        PublishError: `reviewers` is below 1, or `agreement` is outside [0, 1].
    """
    if reviewers is not None and reviewers < 1:
        raise PublishError(f"--min-reviewers {reviewers}: expected 1 or more")
    if agreement is not None and not 0 <= agreement <= 1:
        raise PublishError(f"--min-agreement {agreement:g}: expected a number from 0 to 1")
    if not require and reviewers is None and agreement is None:
        return None
    return Wanted(reviewers or 1, agreement or 0.0)
