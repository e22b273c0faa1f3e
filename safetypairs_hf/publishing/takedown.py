"""Take pairs down: publish a new major version without them, which keeps later releases from bringing them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.core.near_duplicates import NEAR_BITS, Groups
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset.manifest import Entry
from safetypairs_hf.dataset.takedowns import listed
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan import Plan, carried_over, check_major, last_to_correct, placed_groups
from safetypairs_hf.publishing.plan_failures import plan_failures
from safetypairs_hf.publishing.plan_reviews import plan_reviews
from safetypairs_hf.publishing.staging import stage
from safetypairs_hf.publishing.target import Head, Target, open_head


class Done(NamedTuple):
    """The result of a takedown. `where` is "" for a dry run; `near` are pairs that stay and look like a removed one."""

    plan: Plan
    where: str
    near: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return what was removed, what stays and where, as JSON values."""
        return {
            "target": self.plan.head.target.name,
            "version": str(self.plan.version),
            "last": str(self.plan.last),
            "dry_run": not self.where,
            "where": self.where,
            "removed": [entry.pair_id for entry in self.plan.removed],
            "pairs": len(self.plan.kept),
            "near": list(self.near),
        }

    def __str__(self) -> str:
        plan, left = self.plan, len(self.plan.kept)
        stay = f"{counted(left, 'pair')} {verb(left, 'stays')}"
        count = f"{counted(len(plan.removed), 'pair')} down in {plan.version}"
        did = f"took {count}: {stay}\nat {self.where}"
        did = did if self.where else f"would take {count} (last: {plan.last}): {stay}"
        shown = " ".join(self.near[:5]) + (" ..." if len(self.near) > 5 else "")
        if self.near:
            n = len(self.near)
            did += f"\n{counted(n, 'pair')} that {verb(n, 'stays')} {verb(n, 'looks')} like one of them: {shown}"
        return did

    def _repr_html_(self) -> str:
        return text_html(str(self))


def takedown(
    target: str | Target, pair_ids: Sequence[str], reason: str, version: str | Version, *, dry_run: bool = False
) -> Done:
    """Publish `version` without some pairs, in one commit and one tag, and list them in takedowns.json.

    Only files that hold these pairs are rewritten. Older versions still hold them; see `purge`.

    Args:
        target: `org/name` on the Hub, a local folder, or an open target.
        pair_ids: The pairs to remove permanently.
        reason: The reason, which everybody can read in takedowns.json.
        version: The new version, a major one: X.0.0.
        dry_run: Plan the release, and change nothing.

    Returns:
        What was removed, or would be removed in a dry run, and the pairs that stay and look like a removed one.

    Raises:
        PublishError: A pair is unknown or was taken down before, there is no reason, or the version is not a new
            major one. Nothing is changed.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    target = parse_target(target) if isinstance(target, str) else target
    version = parse(version) if isinstance(version, str) else version
    words = " ".join(reason.split())
    if not words:
        raise PublishError("a takedown needs a reason; give one: --reason 'asked for by the person in the picture'")
    plan = plan_takedown(open_head(target), list(dict.fromkeys(pair_ids)), words, version)
    groups = _groups_of(plan)
    near = [entry.pair_id for entry in plan.kept if groups.is_taken_down(entry.identity)]
    if dry_run:
        return Done(plan, "", near)
    with stage(plan) as staged:
        return Done(plan, target.commit(staged), near)


def images_of(target: Target, pair_ids: Sequence[str]) -> set[tuple[str, str]] | None:
    """Return the SHA-256s of the images (unsafe, safe) of taken-down pairs; None if a pair was not taken down."""
    down = {item["pair_id"]: (item["unsafe_sha256"], item["safe_sha256"]) for item in target.head().takedowns}
    return {down[pair_id] for pair_id in pair_ids} if down.keys() >= set(pair_ids) else None


def plan_takedown(opened: Head, pair_ids: Sequence[str], reason: str, version: Version) -> Plan:
    """Plan the release without some pairs and without the failed edits of their sources. No file is opened.

    Raises:
        PublishError: See `takedown`.
    """
    head, name, last = opened.manifest, opened.target.name, last_to_correct(opened)
    here = {entry.pair_id: entry for entry in head.entries}
    before = {item["pair_id"]: item["version"] for item in head.takedowns}
    for pair_id in pair_ids:
        if pair_id in before:
            raise PublishError(f"pair {pair_id} was taken down already, in {before[pair_id]}; nothing was changed")
        if pair_id not in here:
            raise PublishError(
                f"{name} {head.version} has no pair {pair_id!r}; a pair id is 16 hex characters, as in the "
                "column pair_id; nothing was changed"
            )
    removed: list[Entry] = [here[pair_id] for pair_id in pair_ids]
    check_major(version, last, "a takedown", len(removed))
    gone = set(pair_ids)
    kept = [entry for entry in head.entries if entry.pair_id not in gone]
    images = {frozenset((entry.unsafe_sha256, entry.safe_sha256)) for entry in removed}
    if twins := [entry.pair_id for entry in kept if frozenset((entry.unsafe_sha256, entry.safe_sha256)) in images]:
        raise PublishError(f"pair {twins[0]} holds the same images too; name it as well")
    if not kept:
        raise PublishError(f"that would leave no pair in {name}; delete the whole dataset instead")
    gone_now = [listed(entry, reason, version) for entry in removed]
    release = {**carried_over(head), "summary": f"{counted(len(gone_now), 'pair')} taken down"}
    reviews = plan_reviews({}, opened.reviews, kept, (), {})
    plan = Plan(version, opened, {}, removed, kept, head.taxonomy, release, takedowns=gone_now, reviews=reviews)
    # The failed edits were not part of the benchmark, so takedowns.json does not list them.
    return replace(plan, failures=plan_failures((), opened.failed, _groups_of(plan)))


def _groups_of(plan: Plan) -> Groups:
    """Return the identities of the pairs that a plan takes down, as groups without placed pairs."""
    bits = plan.head.manifest.releases[-1].get("near_duplicate_bits", NEAR_BITS)
    return placed_groups((), plan.takedowns, {"near_duplicate_bits": bits, "test_fraction": 0.0})
