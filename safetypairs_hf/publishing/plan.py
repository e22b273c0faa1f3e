"""Plan a release: what a run adds to the newest version, what it removes, and where each new pair goes."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from safetypairs_hf.building.run_reader import FinishedRun, Selected
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.ids import policy_pair_id
from safetypairs_hf.core.near_duplicates import TAKEN_DOWN, Groups
from safetypairs_hf.core.records import Identity, Reject
from safetypairs_hf.core.version import Version, check, least
from safetypairs_hf.dataset.errata import POLICIES, first_labels, standing
from safetypairs_hf.dataset.manifest import Entry, Manifest
from safetypairs_hf.dataset.manifest_head import refuse_lacking
from safetypairs_hf.dataset.policy_pair_rows import slug_of
from safetypairs_hf.dataset.schema import digest
from safetypairs_hf.dataset.takedowns import identity_of
from safetypairs_hf.publishing.amendment import Amendment
from safetypairs_hf.publishing.plan_failures import FailurePlan, plan_failures, rejected_pairs
from safetypairs_hf.publishing.plan_reviews import ReviewPlan, plan_reviews, rejected_counts, with_reviews
from safetypairs_hf.publishing.target import Head
from safetypairs_hf.reviewing.read_review import RunReview
from safetypairs_hf.reviewing.review_figures import review_figures
from safetypairs_hf.reviewing.reviewed_pairs import Listed, listed_of
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.taxonomy_changes import MAJOR, NONE, TaxonomyDifference, diff


@dataclass(frozen=True)
class Place:
    """Where a new pair goes."""

    category: str
    group: str
    split: str
    identity: Identity


@dataclass(frozen=True)
class Plan:
    """All that a release changes, worked out before any file is made.

    `head` is the version that it builds on. `added` is by pair id in the order of the draw; `removed` and `kept` are
    published entries; `taxonomy` is what the categories are of from now on. `rejected` counts pairs of the run that
    stay out, by reason. A relabelled pair (the same two images in another category) is both removed and added:
    `relabelled` maps its old pair id to its new one. `failures` and `reviews`: what changes among the published
    failures and reviews. `release`: what the manifest will say of the release. `takedowns`: the pairs that this release
    takes down. `errata`: what it corrects. The pairs of `amended` are among `kept`, those of `restored` are not: these
    come back from an earlier version, each with its row.
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
        """The ids of the new pairs of two images; not those of policy pairs."""
        return [pair_id for pair_id, place in self.added.items() if not place.identity.is_policy_pair]

    @property
    def last(self) -> Version | None:
        """The version that the release builds on; None for the first release."""
        return self.head.manifest.version

    @cached_property
    def reworded(self) -> TaxonomyDifference | None:
        """What differs from the taxonomy of the version that the release builds on; None where nothing does."""
        last = self.head.manifest
        found = diff(last.taxonomy, self.taxonomy) if last.version else None
        return found if found and (found.step != NONE or found.fault) else None

    @property
    def renumbered(self) -> bool:
        """Whether the column `category` gets other numbers, so that every published file is written again."""
        stay = bool(self.kept or self.failures.kept)
        return stay and self.head.manifest.taxonomy.slugs != self.taxonomy.slugs

    @property
    def empty(self) -> bool:
        unchanged = self.failures.empty and self.reviews.empty and not self.reworded
        return not self.added and not self.removed and unchanged

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many pairs are added, removed and relabelled; each pair counts once."""
        changed = len(self.relabelled)
        added = len(self.added) + len(self.restored)
        return added - changed, len(self.removed) - changed, changed + len(self.amended)

    @property
    def summary(self) -> str:
        """What changes, in words."""
        added, removed, relabelled = self.counts
        what = [
            f"{added} pairs added" if added else "",
            f"{removed} removed" if removed else "",
            f"{relabelled} relabelled" if relabelled else "",
            f"{len(self.failures.added)} failures added" if self.failures.added else "",
            f"{len(self.failures.removed)} failures removed" if self.failures.removed else "",
            f"{self.rereviewed} published pairs reviewed" if self.rereviewed else "",
            self.taxonomy_summary,
        ]
        return ", ".join(filter(None, what)) or "card and metadata"

    @property
    def rereviewed(self) -> int:
        """How many published pairs get a review, or another one."""
        return sum(pair_id not in self.added for pair_id in self.reviews.made)

    @property
    def rejected_and_published(self) -> int:
        """How many published pairs people rejected, which stay all the same."""
        return sum(each.status == "rejected" and name not in self.added for name, each in self.reviews.made.items())

    @property
    def taxonomy_summary(self) -> str:
        """How the taxonomy changes, in words; "" where it does not."""
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
    """Compare a finished run with what is published, and give each new pair its place.

    Pairs that people rejected stay out; no file but theirs is opened, where they become failures.

    Args:
        finished: the run; opened with its failed attempts where they are to be published.
        head: the newest version at the target.
        replace: the release holds exactly the run's pairs; else the run's new pairs are added to the published ones.
        with_failures: the run's failed attempts are to be published too, and the pairs that people rejected.
        review: what people decided on the run's pairs; None where nobody did.

    Raises:
        PublishError: the run holds no pair, only pairs that were taken down, or relabelled pairs without `replace`.
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
    """What a release that adds no pair takes over from the last one: all but the figures of what that one added."""
    return {name: value for name, value in head.releases[-1].items() if name not in ("probe", "review")}


def make_review_plan(
    review: RunReview, head: Head, version: Version, listed: Callable[[Manifest], Sequence[Listed]]
) -> Plan:
    """Plan a release that adds nothing but the reviews of published pairs.

    Args:
        review: what people decided on the pairs of an earlier version.
        head: the newest version at the target.
        listed: gives the pairs of a manifest as the figures of the review need them.

    Raises:
        PublishError: nothing is published at the target yet, or it holds none of the pairs.
    """
    held, name = head.manifest, head.target.name
    if held.version is None:
        raise PublishError(f"{name} has no version yet, so no pair whose review could be published there")
    refuse_lacking(held.releases, card=True)
    reviews = plan_reviews(review.pairs, head.reviews, held.entries, (), {})
    here = {entry.pair_id for entry in held.entries}
    if not here & review.pairs.keys():
        raise PublishError(
            f"{name} {held.version} holds none of the {len(review.pairs)} pairs that were reviewed; name the dataset "
            "whose pairs they are"
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
    """The version that a release without a run, such as a takedown, corrects.

    Raises:
        PublishError: there is none, or its manifest does not say all that the card of the next one shows.
    """
    if opened.manifest.version is None:
        raise PublishError(f"{opened.target.name} has no version yet; there is nothing to correct")
    refuse_lacking(opened.manifest.releases, card=True)
    return opened.manifest.version


def check_major(version: Version, last: Version, what: str, removed: int, relabelled: int = 0) -> None:
    """Refuse a version that is not a new major one, X.0.0; `what` the release is, such as "a takedown".

    Raises:
        PublishError: with the least version that would do.
    """
    check(version, last, 0, removed, relabelled)
    if version.minor or version.patch:
        raise PublishError(
            f"version {version} is not a new major one, and {what} is; give {least(last, 0, 1)} or a later X.0.0"
        )


def placed_groups(
    kept: Sequence[Entry], takedowns: Sequence[Mapping[str, Any]], selection: Mapping[str, Any]
) -> Groups:
    """The groups of the pairs that stay, with everything that was taken down, by a recipe's settings of selection."""
    groups = Groups(selection["near_duplicate_bits"], selection["test_fraction"])
    for entry in kept:
        groups.add(entry.identity, entry.group, entry.split)
    for takedown in takedowns:
        groups.take_down(identity_of(takedown))
    return groups


ERRATUM = "erratum"  # the reason with which a pair is left out because errata say otherwise of it than the run does


def _without_errata(
    drawn: Sequence[Selected], head: Manifest, *, replace: bool
) -> tuple[Sequence[Selected], dict[str, int]]:
    """The pairs of a run but for those that errata dropped, or have published in another way; and how many these are.

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
    """Place the new pairs; also count those that were rejected, by reason."""
    places: dict[str, Place] = {}
    rejected: dict[str, int] = defaultdict(int)
    new = [item.entrant for item in drawn if item.entrant.identity.pair_id not in groups]
    for entrant in new:  # first of all: a relabelled pair keeps its group and its split, whoever else is close to it
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
    """New pair id -> the published entry of the same two images in a category that the run no longer gives them."""
    drawn = [item for item in drawn if not item.entrant.identity.is_policy_pair]  # of an image there are many of these
    wanted = {item.entrant.identity.pair_id for item in drawn}
    old = {(e.unsafe_sha256, e.safe_sha256): e for e in head.entries if e.pair_id not in wanted}
    published = {entry.pair_id for entry in head.entries}
    found: dict[str, Entry] = {}
    for item in drawn:
        identity = item.entrant.identity
        if identity.pair_id not in published:
            # One entry goes to one pair: of two new labels the second is an added pair.
            entry = old.pop((identity.unsafe_sha256, identity.safe_sha256), None)
            if entry is not None:
                found[identity.pair_id] = entry
    return found


def _refused_relabel(drawn: Sequence[Selected], relabelled: Mapping[str, Entry], head: Manifest) -> PublishError:
    new, old = next(iter(relabelled.items()))
    category = next(item.entrant.category for item in drawn if item.entrant.identity.pair_id == new)
    major = head.version.major + 1 if head.version else 1
    return PublishError(
        f"{len(relabelled)} pairs of the run are published in another category (the first, {old.pair_id}, is in "
        f"{old.category}, here in {category}); relabelling needs --replace and version {major}.0.0 or more"
    )


def _refuse_nothing(url: str, plan: Plan) -> None:
    """Raise PublishError where the run has nothing to give; a patch, which renews the card, needs nothing."""
    taken_down = plan.rejected.get(TAKEN_DOWN, 0)
    patch = plan.last is not None and plan.version[:2] == plan.last[:2]
    if taken_down and not plan.added and (not plan.kept or (plan.empty and not patch)):
        raise PublishError(
            f"every new pair of the run in {url} ({taken_down}) was taken down, or is a near-duplicate of one that "
            "was; takedowns.json lists them, and they stay out: build other pairs"
        )
    if not plan.kept and not plan.added:
        raise PublishError(f"the run in {url} gives no pair to publish; see: safetypairs status {url}")


def restricted(recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The models behind a run whose licences restrict what may be published of their output: `model`, `license`."""
    models = (model for model in recipe["parts"]["weights"] if not model["publishable"])
    return [{name: model[name] for name in ("model", "license")} for model in models]


def _editing(finished: FinishedRun) -> dict[str, Any]:
    """The editors behind a run with their settings, and what was on where they ran; {} where none is a pipeline."""
    asked = finished.recipe["parts"].get("editor") or {}
    pipelines = [each for each in asked.get("editors", [asked]) if "attention" in each]
    editors = [{name: value for name, value in each.items() if name != "device"} for each in pipelines]
    return {"editing": {"editors": editors, "made_by": finished.made_by}} if editors else {}


def _release(finished: FinishedRun, plan: Plan, review: RunReview) -> dict[str, Any]:
    """What the manifest remembers of a release, for the card of this version and of every later one; see `staging`."""
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
        "judging": parts["judging"],
        "restricted": restricted(recipe),
        "test_fraction": parts["selection"]["test_fraction"],
        "near_duplicate_bits": parts["selection"]["near_duplicate_bits"],
        "funnel": [*finished.state.funnel["stages"], *reviewed],
        **({"review": review_figures(review.decisions, listed).to_dict()} if listed else {}),
        **({"about": parts["about"]} if parts.get("about") else {}),
        **({"imported": True} if parts["rounds"] == 0 else {}),
        **_editing(finished),
        **({"neutral": parts["controls"]["neutral"]} if parts.get("controls") else {}),
    }
