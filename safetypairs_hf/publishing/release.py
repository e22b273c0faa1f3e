"""Publish a run: work out the difference, refuse what must not be, write the files, make one change."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from safetypairs_hf import policies
from safetypairs_hf.building import results
from safetypairs_hf.building.grouping import Groups
from safetypairs_hf.building.runfolder import RECIPE, RunFolder
from safetypairs_hf.errors import PublishError
from safetypairs_hf.publishing import manifest, neighbours
from safetypairs_hf.publishing.manifest import Entry, Manifest
from safetypairs_hf.publishing.schema import row
from safetypairs_hf.publishing.shards import Shards, rewrite_without
from safetypairs_hf.publishing.target import Change, Target
from safetypairs_hf.publishing.versions import Version, check
from safetypairs_hf.records import Identity, Reject
from safetypairs_hf.taxonomy import SLUGS

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Place:
    """Where a new pair goes."""

    category: str
    group: str
    split: str
    identity: Identity


@dataclass(frozen=True)
class Plan:
    """A release before it is made: `added` by pair id in the order of the draw, `removed` entries, `kept` entries."""

    version: Version
    last: Version | None
    added: dict[str, Place]
    removed: list[Entry]
    kept: list[Entry]
    rejected: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.added and not self.removed


@dataclass(frozen=True)
class Published:
    """What came of it. `where` is "" for a dry run; `done` is False where there was nothing to do."""

    plan: Plan
    where: str
    done: bool = True


def publish(
    run: RunFolder,
    target: Target,
    version: Version,
    *,
    replace: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda name, done, total: None,
) -> Published:
    """Publish the run's pairs as `version`.

    Args:
        replace: make the target hold exactly the run's pairs; else its new pairs are added to what is there.
        dry_run: work everything out, and change nothing.
        progress: called as ("pairs", written, to write).

    Raises:
        PublishError: the release was refused; nothing is changed.
        HubUnavailable: the Hub did not answer, or not this token; nothing is changed.
    """
    head = target.head()
    plan = make_plan(run, head, version, replace=replace)
    if plan.empty and plan.last == version:
        if not target.tagged(version):
            target.tag(version)  # the last publish was stopped between its commit and its tag
        return Published(plan, f"{target.name} holds {version} already", done=False)
    check(version, plan.last, len(plan.added), len(plan.removed))
    if dry_run:
        return Published(plan, "")
    try:
        with tempfile.TemporaryDirectory(prefix="safetypairs-publish-") as scratch:
            change = _make_files(run, target, head, plan, Path(scratch), progress)
            return Published(plan, target.commit(change))
    except OSError as error:
        raise PublishError(
            f"cannot write the release's files: {error.strerror or error}; nothing was published (TMPDIR says where "
            "they are made)"
        ) from error


def make_plan(run: RunFolder, head: Manifest, version: Version, *, replace: bool) -> Plan:
    """Compare the run's draw with what is published, and place the new pairs beside it."""
    drawn = results.selected(run)
    settings = run.read_json(RECIPE)["parts"]["selection"]
    kept, removed = list(head.entries), []
    if replace:
        wanted = {item.entrant.identity.pair_id for item in drawn}
        kept = [entry for entry in head.entries if entry.pair_id in wanted]
        removed = [entry for entry in head.entries if entry.pair_id not in wanted]
    groups = Groups(settings["near_duplicate_bits"], settings["test_fraction"])
    for entry in kept:
        groups.add(entry.identity, entry.group, entry.split)
    added: dict[str, Place] = {}
    rejected: dict[str, int] = defaultdict(int)
    for item in drawn:
        if item.entrant.identity.pair_id in groups:
            continue
        place = groups.place(item.entrant.identity)
        if isinstance(place, Reject):
            rejected[place.reason] += 1
        else:
            added[item.entrant.identity.pair_id] = Place(item.entrant.category, *place, item.entrant.identity)
    if not kept and not added:
        raise PublishError(f"the run in {run.url} gives no pair to publish; see: safetypairs status {run.url}")
    return Plan(version, head.version, added, removed, kept, dict(rejected))


def _make_files(
    run: RunFolder, target: Target, head: Manifest, plan: Plan, scratch: Path, progress: Progress
) -> Change:
    """Write every file that the release changes below `scratch`."""
    new = _write_pairs(run, plan, scratch, progress)
    emptied = _rewrite(target, plan, scratch)
    release = _release(run, plan)
    made = Manifest([*plan.kept, *new], [*head.releases, release])
    (scratch / manifest.NAME).write_bytes(manifest.dump(made))
    for name, text in neighbours.render(made, target.name).items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    files = sorted(path for path in scratch.rglob("*") if path.is_file())
    write = {path.relative_to(scratch).as_posix(): path for path in files}
    return Change(plan.version, f"{plan.version}: {release['summary']}", write, emptied)


def _write_pairs(run: RunFolder, plan: Plan, scratch: Path, progress: Progress) -> list[Entry]:
    policy = {slug: policies.policy_id(slug) for slug in SLUGS}
    version = str(plan.version)
    entries: list[Entry] = []
    with Shards(scratch, version) as shards:
        for candidate in results.pairs(run):
            place = plan.added.get(candidate.identity.pair_id) if candidate.identity else None
            if place is None:
                continue
            published = row(candidate, place.group, policy[place.category], version)
            file = shards.add(published, place.split, place.category)
            size = sum(len(published[column]["bytes"]) for column in ("unsafe_image", "safe_image"))
            entries.append(Entry.of(place.identity, file, place.category, place.split, place.group, version, size))
            progress("pairs", len(entries), len(plan.added))
    return entries


def _rewrite(target: Target, plan: Plan, scratch: Path) -> list[str]:
    """Rewrite each file that loses pairs; the names of those that lose all."""
    leaving: dict[str, list[str]] = defaultdict(list)
    for entry in plan.removed:
        leaving[entry.file].append(entry.pair_id)
    staying = {entry.file for entry in plan.kept}
    for file in leaving.keys() & staying:
        rewrite_without(target.fetch(file), scratch / file, leaving[file])
    return sorted(leaving.keys() - staying)


def _release(run: RunFolder, plan: Plan) -> dict[str, Any]:
    """What the manifest remembers of a release, for the card of this version and of every later one."""
    recipe = run.read_json(RECIPE)
    parts = recipe["parts"]
    what = [
        f"{len(plan.added)} pairs added" if plan.added else "",
        f"{len(plan.removed)} removed" if plan.removed else "",
    ]
    return {
        "version": str(plan.version),
        "added": len(plan.added),
        "removed": len(plan.removed),
        "pairs": len(plan.added) + len(plan.kept),
        "summary": ", ".join(filter(None, what)) or "card and metadata",
        "recipe": recipe["recipe"],
        "recipe_hash": recipe["hash"],
        "code": f"safetypairs-hf {installed('safetypairs-hf')}",
        "license": parts["license"],
        "attribution": parts["attribution"],
        "judging": parts["judging"],
        "test_fraction": parts["selection"]["test_fraction"],
        "funnel": results.funnel(run)["stages"],
    }
