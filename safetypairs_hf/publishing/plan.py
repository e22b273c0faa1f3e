"""Plan a release: which pairs of a run it adds, which published pairs it removes, and the place of each new pair."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from safetypairs_hf.building.run_reader import FinishedRun, Selected
from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.core.ids import policy_pair_id
from safetypairs_hf.core.near_duplicates import TAKEN_DOWN, Groups
from safetypairs_hf.core.records import Identity, Reject
from safetypairs_hf.core.version import Version, check, least
from safetypairs_hf.dataset.errata import first_labels, standing
from safetypairs_hf.dataset.manifest import Entry, Manifest
from safetypairs_hf.dataset.manifest_head import refuse_lacking
from safetypairs_hf.dataset.policy_pair_rows import POLICIES, slug_of
from safetypairs_hf.dataset.schema import digest
from safetypairs_hf.dataset.takedowns import identity_of
from safetypairs_hf.publishing.amendment import Amendment
from safetypairs_hf.publishing.plan_failures import FailurePlan, plan_failures, rejected_pairs
from safetypairs_hf.publishing.plan_reviews import ReviewPlan, plan_reviews, rejected_counts, with_reviews
from safetypairs_hf.publishing.public_settings import public
from safetypairs_hf.publishing.target import Head
from safetypairs_hf.reviewing.read_review import RunReview
from safetypairs_hf.reviewing.review_figures import review_figures
from safetypairs_hf.reviewing.reviewed_pairs import Listed, listed_of
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_changes import MAJOR, NONE, TaxonomyDifference, diff


@dataclass(frozen=True)
class Place:
    """The split, group and category of a new pair."""

    category: str
    group: str
    split: str
    identity: Identity


@dataclass(frozen=True)
class Plan:
    """Everything that a release changes, decided before any file is made.

    Attributes:
        head: The version that the release builds on.
        added: The new pairs by id, in the order of the draw.
        removed: The published entries that leave.
        kept: The published entries that stay, including the pairs of `amended`.
        taxonomy: The taxonomy of the categories from now on.
        rejected: The number of pairs of the run that are left out, by reason.
        relabelled: The old and new id of each relabelled pair (the same two images in another category), which is both
            removed and added.
        failures: The changes of the published failures.
        reviews: The changes of the published reviews.
        release: The manifest's description of the release.
        takedowns: The pairs that this release takes down.
        errata: The corrections of this release.
        amended: The published pairs that errata change.
        restored: The dropped pairs that errata bring back from an earlier version, each with its row; not in `kept`.
    """

    version: Version
    head: Head
    added: dict[str, Place]
    removed: list[Entry]
    kept: list[Entry]
    taxonomy: Taxonomy
    release: Mapping[str, Any] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    relabelled: dict[str, str] = field(default_factory=dict)
    failures: FailurePlan = field(default_factory=FailurePlan)
    reviews: ReviewPlan = field(default_factory=ReviewPlan)
    takedowns: Sequence[dict[str, Any]] = ()
    errata: Sequence[dict[str, Any]] = ()
    amended: Mapping[str, Amendment] = field(default_factory=dict)
    restored: Sequence[tuple[Entry, dict[str, Any]]] = ()

    @property
    def added_pairs(self) -> list[str]:
        """The ids of the new pairs of two images, without policy pairs."""
        return [pair_id for pair_id, place in self.added.items() if not place.identity.is_policy_pair]

    @property
    def last(self) -> Version | None:
        """The version that the release builds on; None for the first release."""
        return self.head.manifest.version

    @cached_property
    def reworded(self) -> TaxonomyDifference | None:
        """The difference from the taxonomy of the version that the release builds on; None if there is none."""
        last = self.head.manifest
        found = diff(last.taxonomy, self.taxonomy) if last.version else None
        return found if found and (found.step != NONE or found.fault) else None

    @property
    def renumbered(self) -> bool:
        """Whether the numbers in the column `category` change, which rewrites every published file."""
        stay = bool(self.kept or self.failures.kept)
        return stay and self.head.manifest.taxonomy.slugs != self.taxonomy.slugs

    @property
    def empty(self) -> bool:
        unchanged = self.failures.empty and self.reviews.empty and not self.reworded
        return not self.added and not self.removed and unchanged

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of pairs added, removed and relabelled; each pair counts once."""
        changed = len(self.relabelled)
        added = len(self.added) + len(self.restored)
        return added - changed, len(self.removed) - changed, changed + len(self.amended)

    @property
    def summary(self) -> str:
        """Return in words what changes."""
        added, removed, relabelled = self.counts
        failed, gone = len(self.failures.added), len(self.failures.removed)
        what = [
            f"{counted(added, 'pair')} added" if added else "",
            f"{removed:,} removed" if removed else "",
            f"{relabelled:,} relabelled" if relabelled else "",
            f"{counted(failed, 'failure')} added" if failed else "",
            f"{counted(gone, 'failure')} removed" if gone else "",
            f"{counted(self.rereviewed, 'published pair')} reviewed" if self.rereviewed else "",
            self.taxonomy_summary,
        ]
        return ", ".join(filter(None, what)) or "card and metadata"

    @property
    def rereviewed(self) -> int:
        """The number of published pairs that get a first or another review."""
        return sum(pair_id not in self.added for pair_id in self.reviews.made)

    @property
    def rejected_and_published(self) -> int:
        """The number of published pairs that people rejected, which stay nevertheless."""
        return sum(each.status == "rejected" and name not in self.added for name, each in self.reviews.made.items())

    @property
    def taxonomy_summary(self) -> str:
        """Return in words how the taxonomy changes; "" if it does not."""
        if self.reworded is None:
            return ""
        what = "other categories" if self.reworded.step == MAJOR else "policies reworded"
        return f"{what} ({self.taxonomy.name})"


def make_plan(
    finished: FinishedRun,
    head: Head,
    version: Version,
    *,
    replace: bool = False,
    with_failures: bool = False,
    review: RunReview | None = None,
) -> Plan:
    """Compare a finished run with the published version, and place each new pair.

    Pairs that people rejected are left out. Only their images are read, if they become failures.

    Args:
        finished: The run. To publish its failed attempts, open it with them.
        head: The newest version at the target.
        version: The version to publish.
        replace: Whether the release holds exactly the run's pairs. If not, new pairs are added to the published ones.
        with_failures: Whether to publish the run's failed attempts, and the pairs that people rejected.
        review: The decisions of people on the run's pairs; None if there are none.

    Raises:
        PublishError: The run holds no pair, only pairs that were taken down, or relabelled pairs without `replace`.
    """
    review, published = review or RunReview(), head.manifest
    turned_down = {name: reject for name in map(_id, finished.drawn) if (reject := review.reject(name))}
    accepted = [item for item in finished.drawn if _id(item) not in turned_down]
    drawn, rejected = _without_errata(accepted, published, replace=replace)
    relabelled = _relabelled(drawn, published)
    if relabelled and not replace:
        raise _refused_relabel(drawn, relabelled, published)
    kept, removed = list(published.entries), []
    if replace:
        wanted = {_id(item) for item in drawn}
        kept = [entry for entry in published.entries if entry.pair_id in wanted]
        removed = [entry for entry in published.entries if entry.pair_id not in wanted]
    groups = placed_groups(kept, published.takedowns, finished.recipe["parts"]["selection"])
    added, bridging = _place(drawn, groups, relabelled)
    rejected |= bridging
    moved = {entry.pair_id: new for new, entry in relabelled.items() if new in added}
    here = {entry.pair_id for entry in kept}
    rejects = {name: reject for name, reject in turned_down.items() if name not in here}
    reviews = plan_reviews(review.pairs, head.reviews, kept, added, rejects)
    failures = plan_failures(
        finished.failed if with_failures else (),
        head.failed,
        groups,
        rejected=rejected_pairs(finished, rejects) if with_failures else {},
        pairs=_images((*(entry.identity for entry in kept), *(place.identity for place in added.values()))),
        replace=replace,
    )
    kept = with_reviews(kept, reviews.made)
    rejected |= rejected_counts(rejects)
    plan = Plan(version, head, added, removed, kept, finished.taxonomy, {}, rejected, moved, failures, reviews)
    _refuse_nothing(finished.url, plan)
    return dataclasses.replace(plan, release=_release(finished, plan, review))


def carried_over(head: Manifest) -> dict[str, Any]:
    """Return what a release without new pairs takes from the last one: all except the figures of its new pairs."""
    return {name: value for name, value in head.releases[-1].items() if name not in ("probe", "review")}


def make_review_plan(
    review: RunReview, head: Head, version: Version, listed: Callable[[Manifest], Sequence[Listed]]
) -> Plan:
    """Plan a release that only adds reviews of published pairs.

    Args:
        review: The decisions of people on the pairs of an earlier version.
        head: The newest version at the target.
        version: The version to publish.
        listed: Returns the pairs of a manifest in the form that review figures need.

    Raises:
        PublishError: The target has no version yet, or holds none of the pairs.
    """
    held, name = head.manifest, head.target.name
    if held.version is None:
        raise PublishError(f"{name} has no version yet, so there is no pair whose review could be published")
    refuse_lacking(held.releases, card=True)
    reviews = plan_reviews(review.pairs, head.reviews, held.entries, (), {})
    here = {entry.pair_id for entry in held.entries}
    if not here & review.pairs.keys():
        raise PublishError(
            f"{name} {held.version} holds none of the reviewed pairs ({len(review.pairs):,}); name the dataset whose "
            "pairs they are"
        )
    gone = len(review.pairs.keys() - here)
    kept = with_reviews(held.entries, reviews.made)
    rejected = {"reviewed, and no longer published": gone} if gone else {}
    failures = FailurePlan(kept=list(head.failed))
    plan = Plan(version, head, {}, [], kept, held.taxonomy, {}, rejected, {}, failures, reviews)
    figures = review_figures(review.decisions, listed(held)).to_dict()
    release = {**carried_over(held), "summary": plan.summary, "review": figures}
    return dataclasses.replace(plan, release=release)


def last_to_correct(opened: Head) -> Version:
    """Return the version that a release without a run, such as a takedown, corrects.

    Raises:
        PublishError: There is none, or its manifest lacks something that the next card shows.
    """
    if opened.manifest.version is None:
        raise PublishError(f"{opened.target.name} has no version yet; there is nothing to correct")
    refuse_lacking(opened.manifest.releases, card=True)
    return opened.manifest.version


def check_major(version: Version, last: Version, what: str, removed: int, relabelled: int = 0) -> None:
    """Refuse a version that is not a new major one, X.0.0. `what` describes the release, such as "a takedown".

    Raises:
        PublishError: The message gives the least sufficient version.
    """
    check(version, last, 0, removed, relabelled)
    if version.minor or version.patch:
        raise PublishError(
            f"version {version} is not a new major one, which {what} needs; give {least(last, 0, 1)} or a later X.0.0"
        )


def placed_groups(
    kept: Sequence[Entry], takedowns: Sequence[Mapping[str, Any]], selection: Mapping[str, Any]
) -> Groups:
    """Return the groups of the pairs that stay and of all takedowns, by the selection settings of a recipe."""
    groups = Groups(selection["near_duplicate_bits"], selection["test_fraction"])
    for entry in kept:
        groups.add(entry.identity, entry.group, entry.split)
    for takedown in takedowns:
        groups.take_down(identity_of(takedown))
    return groups


ERRATUM = "erratum"  # the reason of a pair that is left out because errata contradict the run


def _without_errata(
    drawn: Sequence[Selected], head: Manifest, *, replace: bool
) -> tuple[Sequence[Selected], dict[str, int]]:
    """Return the pairs of a run without those that errata dropped or changed, and how many these are.

    A pair that errata put into the category that the run gives it has another id there, and so has a policy pair whose
    policies they swapped; with `replace` it takes the place of the published one.
    """
    out = standing(head.errata) - {entry.pair_id for entry in head.entries}
    first = first_labels(head.errata)
    moved = {
        (entry.unsafe_sha256, entry.safe_sha256, entry.category)
        for entry in head.entries
        if entry.pair_id in first and not entry.is_policy_pair and not replace
    }
    policies = {each["pair_id"]: each["now"] for each in head.errata if POLICIES[0] in each["now"] and not replace}
    swapped = {
        policy_pair_id(entry.unsafe_sha256, *(slug_of(policies[entry.pair_id][name]) for name in POLICIES))
        for entry in head.entries
        if entry.pair_id in policies
    }
    known = {entry.pair_id for entry in head.entries}

    def stays(item: Selected) -> bool:
        pair_id, unsafe, safe, *_ = item.entrant.identity
        twin = pair_id in swapped or (unsafe, safe, item.entrant.category) in moved
        return pair_id not in out and (pair_id in known or not twin)

    if not out and not moved and not swapped:
        return drawn, {}
    kept = [item for item in drawn if stays(item)]
    return kept, {ERRATUM: len(drawn) - len(kept)} if len(kept) < len(drawn) else {}


def _place(
    drawn: Sequence[Selected], groups: Groups, relabelled: Mapping[str, Entry]
) -> tuple[dict[str, Place], dict[str, int]]:
    """Place the new pairs. Return their places, and the number of rejected pairs by reason."""
    places: dict[str, Place] = {}
    rejected: dict[str, int] = defaultdict(int)
    new = [item.entrant for item in drawn if item.entrant.identity.pair_id not in groups]
    for entrant in new:  # first, because a relabelled pair keeps its group and split whatever is similar to it
        identity, old = entrant.identity, relabelled.get(entrant.identity.pair_id)
        if old is not None and not groups.is_taken_down(identity):
            groups.add(identity, old.group, old.split)
            places[identity.pair_id] = Place(entrant.category, old.group, old.split, identity)
    for entrant in new:
        identity = entrant.identity
        if identity.pair_id in groups:
            continue
        place = groups.place(identity, entrant.split)
        if isinstance(place, Reject):
            rejected[place.reason] += 1
        else:
            places[identity.pair_id] = Place(entrant.category, *place, identity)
    order = [entrant.identity.pair_id for entrant in new]
    return {pair_id: places[pair_id] for pair_id in order if pair_id in places}, dict(rejected)


def _images(identities: Iterable[Identity]) -> set[tuple[str, str]]:
    return {(each.unsafe_sha256, each.safe_sha256) for each in identities}


def _id(item: Selected) -> str:
    return item.entrant.identity.pair_id


def _relabelled(drawn: Sequence[Selected], head: Manifest) -> dict[str, Entry]:
    """Return, by new pair id, the published entry of the same two images in a category that the run no longer gives."""
    drawn = [item for item in drawn if not item.entrant.identity.is_policy_pair]  # an image may have many of these
    wanted = {item.entrant.identity.pair_id for item in drawn}
    old = {(e.unsafe_sha256, e.safe_sha256): e for e in head.entries if e.pair_id not in wanted}
    published = {entry.pair_id for entry in head.entries}
    found: dict[str, Entry] = {}
    for item in drawn:
        identity = item.entrant.identity
        if identity.pair_id not in published:
            # An entry matches one pair: with two new labels, the second is an added pair.
            entry = old.pop((identity.unsafe_sha256, identity.safe_sha256), None)
            if entry is not None:
                found[identity.pair_id] = entry
    return found


def _refused_relabel(drawn: Sequence[Selected], relabelled: Mapping[str, Entry], head: Manifest) -> PublishError:
    new, old = next(iter(relabelled.items()))
    category = next(item.entrant.category for item in drawn if item.entrant.identity.pair_id == new)
    major = head.version.major + 1 if head.version else 1
    n = len(relabelled)
    return PublishError(
        f"{counted(n, 'pair')} of the run {verb(n, 'is')} published in another category (the first, {old.pair_id}, is "
        f"in {old.category}, here in {category}); to relabel, use --replace and version {major}.0.0 or more"
    )


def _refuse_nothing(url: str, plan: Plan) -> None:
    """Raise PublishError if the run adds nothing. A patch renews the card, so it may add nothing."""
    taken_down = plan.rejected.get(TAKEN_DOWN, 0)
    patch = plan.last is not None and plan.version[:2] == plan.last[:2]
    if taken_down and not plan.added and (not plan.kept or (plan.empty and not patch)):
        raise PublishError(
            f"every new pair of the run in {url} ({taken_down}) was taken down, or is a near-duplicate of one that "
            "was; takedowns.json lists them, and they are never added again: build other pairs"
        )
    if not plan.kept and not plan.added:
        raise PublishError(f"the run in {url} has no pair to publish; see: safetypairs status {url}")


def restricted(recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the models of a run whose licences restrict publication of their output: `model`, `license`."""
    models = (model for model in recipe["parts"]["weights"] if not model["publishable"])
    return [{name: model[name] for name in ("model", "license")} for model in models]


def _editing(finished: FinishedRun) -> dict[str, Any]:
    """Return the editors of a run with their settings and device state; {} if none is a pipeline."""
    asked = finished.recipe["parts"].get("editor") or {}
    pipelines = [each for each in asked.get("editors", [asked]) if "attention" in each]
    editors = [{name: value for name, value in each.items() if name != "device"} for each in pipelines]
    return {"editing": {"editors": public(editors), "made_by": finished.made_by}} if editors else {}


def _release(finished: FinishedRun, plan: Plan, review: RunReview) -> dict[str, Any]:
    """Return the manifest's description of a release, for the cards of this and every later version; see `staging`."""
    recipe, parts = finished.recipe, finished.recipe["parts"]
    listed = listed_of(finished) if review.pairs else ()
    reviewed = review.stage((each.pair_id, each.category) for each in listed)
    return {
        "summary": plan.summary,
        "schema": digest(plan.taxonomy),
        "recipe": recipe["recipe"],
        "recipe_hash": recipe["hash"],
        "license": parts["license"],
        "attribution": parts["attribution"],
        "judging": public(parts["judging"]),
        "restricted": public(restricted(recipe)),
        "test_fraction": parts["selection"]["test_fraction"],
        "near_duplicate_bits": parts["selection"]["near_duplicate_bits"],
        "funnel": [*finished.state.funnel["stages"], *reviewed],
        **({"review": review_figures(review.decisions, listed).to_dict()} if listed else {}),
        **({"about": parts["about"]} if parts.get("about") else {}),
        **({"imported": True} if parts["rounds"] == 0 else {}),
        **_editing(finished),
        **({"neutral": parts["controls"]["neutral"]} if parts.get("controls") else {}),
    }
