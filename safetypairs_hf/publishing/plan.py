"""A release before it is made: what a run adds to, and takes from, what is published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from safetypairs_hf.building import run_reader
from safetypairs_hf.building.selection import Selected
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.near_duplicates import Groups
from safetypairs_hf.core.records import Identity, Reject
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
from safetypairs_hf.core.version import Version
from safetypairs_hf.dataset.failure_rows import Failed
from safetypairs_hf.dataset.manifest import UNREVIEWED, Entry, Manifest
from safetypairs_hf.dataset.takedowns import TAKEN_DOWN, TakenDown
from safetypairs_hf.publishing.plan_failures import FailurePlan, plan_failures


@dataclass(frozen=True)
class Place:
    """Where a new pair goes."""

    category: str
    group: str
    split: str
    identity: Identity
    review: str = UNREVIEWED


@dataclass(frozen=True)
class Plan:
    """`added` by pair id in the order of the draw, `removed` entries, `kept` entries, rejected pairs by reason.

    A relabelled pair (the same two images in another category) is both removed and added: `relabelled` has old pair id
    -> new pair id. `failures`: what changes of the failures beside the pairs.
    """

    version: Version
    last: Version | None
    added: dict[str, Place]
    removed: list[Entry]
    kept: list[Entry]
    rejected: dict[str, int] = field(default_factory=dict)
    relabelled: dict[str, str] = field(default_factory=dict)
    failures: FailurePlan = field(default_factory=FailurePlan)

    @property
    def empty(self) -> bool:
        return not self.added and not self.removed and self.failures.empty

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many pairs are added, removed and relabelled; each pair counts once."""
        changed = len(self.relabelled)
        return len(self.added) - changed, len(self.removed) - changed, changed

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
        ]
        return ", ".join(filter(None, what)) or "card and metadata"


def make_plan(
    run: RunFolder,
    head: Manifest,
    version: Version,
    *,
    replace: bool,
    with_failures: bool = False,
    failed: Sequence[Failed] = (),
) -> Plan:
    """Compare the run's draw with what is published, and place the new pairs beside it.

    `with_failures`: the run's failures are to be published too; `failed`: those that are.

    Raises:
        PublishError: the run holds no pair, only pairs that were taken down, or relabelled pairs without `replace`.
    """
    drawn = run_reader.selected(run)
    settings = run.read_json(RECIPE)["parts"]["selection"]
    relabelled = _relabelled(drawn, head)
    if relabelled and not replace:
        raise _refused_relabel(drawn, relabelled, head)
    kept, removed = list(head.entries), []
    if replace:
        wanted = {item.entrant.identity.pair_id for item in drawn}
        kept = [entry for entry in head.entries if entry.pair_id in wanted]
        removed = [entry for entry in head.entries if entry.pair_id not in wanted]
    groups = Groups(settings["near_duplicate_bits"], settings["test_fraction"])
    for entry in kept:
        groups.add(entry.identity, entry.group, entry.split)
    banned = TakenDown(head.takedowns, settings["near_duplicate_bits"])
    added, rejected = _place(drawn, groups, banned, relabelled)
    moved = {entry.pair_id: new for new, entry in relabelled.items() if new in added}
    tested = [entry.identity for entry in kept if entry.split == "test"]
    tested += [place.identity for place in added.values() if place.split == "test"]
    bits = settings["near_duplicate_bits"]
    failures = plan_failures(run if with_failures else None, failed, banned, tested, bits, replace=replace)
    plan = Plan(version, head.version, added, removed, kept, rejected, moved, failures)
    _refuse_nothing(run, plan)
    return plan


def _place(
    drawn: Sequence[Selected], groups: Groups, banned: TakenDown, relabelled: Mapping[str, Entry]
) -> tuple[dict[str, Place], dict[str, int]]:
    """The new pairs in their places, and how many were rejected, by reason."""
    places: dict[str, Place] = {}
    rejected: dict[str, int] = defaultdict(int)
    new = [item.entrant for item in drawn if item.entrant.identity.pair_id not in groups]
    for entrant in new:  # first of all: a relabelled pair keeps its group and its split, whoever else is close to it
        identity, old = entrant.identity, relabelled.get(entrant.identity.pair_id)
        if old is not None and not banned.holds(identity):
            groups.add(identity, old.group, old.split)
            places[identity.pair_id] = Place(entrant.category, old.group, old.split, identity, old.review)
    for entrant in new:
        identity = entrant.identity
        if identity.pair_id in groups:
            continue
        taken_down = Reject("publish", TAKEN_DOWN) if banned.holds(identity) else None
        place = taken_down or groups.place(identity)
        if isinstance(place, Reject):
            rejected[place.reason] += 1
        else:
            places[identity.pair_id] = Place(entrant.category, *place, identity)
    order = [entrant.identity.pair_id for entrant in new]
    return {pair_id: places[pair_id] for pair_id in order if pair_id in places}, dict(rejected)


def _relabelled(drawn: Sequence[Selected], head: Manifest) -> dict[str, Entry]:
    """New pair id -> the published entry of the same two images in a category that the run no longer gives them."""
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


def _refuse_nothing(run: RunFolder, plan: Plan) -> None:
    """Raise PublishError where the run has nothing to give; a patch, which renews the card, needs nothing."""
    taken_down = plan.rejected.get(TAKEN_DOWN, 0)
    patch = plan.last is not None and plan.version[:2] == plan.last[:2]
    if taken_down and not plan.added and (not plan.kept or (plan.empty and not patch)):
        raise PublishError(
            f"every new pair of the run in {run.url} ({taken_down}) was taken down, or is a near-duplicate of one that "
            "was; takedowns.json lists them, and they stay out: build other pairs"
        )
    if not plan.kept and not plan.added:
        raise PublishError(f"the run in {run.url} gives no pair to publish; see: safetypairs status {run.url}")
