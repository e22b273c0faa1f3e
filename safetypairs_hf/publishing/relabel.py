"""Correct the labels of published pairs in a new major version that keeps the ids and records what was wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safetypairs_hf.core.errors import PublishError, SafetyPairsError, counted, verb
from safetypairs_hf.core.foreign_text import ForeignTextError, reading
from safetypairs_hf.core.ids import policy_pair_id
from safetypairs_hf.core.near_duplicates import NEAR_BITS
from safetypairs_hf.core.nearest import hint
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.records import Reject
from safetypairs_hf.core.version import Version, parse
from safetypairs_hf.dataset.data_file import read_rows
from safetypairs_hf.dataset.errata import IMAGES, TEXTS, erratum, told
from safetypairs_hf.dataset.manifest import RESTORE, Entry
from safetypairs_hf.dataset.policy_pair_rows import POLICIES, POLICY_PAIR_COLUMNS, slug_of
from safetypairs_hf.dataset.policy_pair_rows import ROOT as POLICY_PAIRS
from safetypairs_hf.dataset.reviews import Review
from safetypairs_hf.dataset.row_hash import row_hash
from safetypairs_hf.dataset.schema import COLUMNS
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.amendment import Amendment
from safetypairs_hf.publishing.errata_file import Correction, read_corrections
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan import Plan, carried_over, check_major, last_to_correct, placed_groups
from safetypairs_hf.publishing.plan_failures import FailurePlan, plan_failures
from safetypairs_hf.publishing.plan_reviews import plan_reviews
from safetypairs_hf.publishing.staging import stage
from safetypairs_hf.publishing.target import Head, Target, open_head, published_meanwhile

_LISTED = 20  # errata printed at most


@dataclass(frozen=True)
class Relabelled:
    """The result of a relabelling. `where` is "" for a dry run; `done` is False if the errata were applied already."""

    target: str
    version: Version
    last: Version | None
    where: str
    errata: Sequence[Mapping[str, Any]]
    pairs: int
    counts: tuple[int, int, int]
    done: bool = True
    controls_left_out: int = 0
    files: Sequence[str] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values. `files`: the published data files that are rewritten or deleted."""
        back, dropped, relabelled = self.counts
        return {
            "target": self.target,
            "version": str(self.version),
            "last": str(self.last),
            "where": self.where or None,
            "done": self.done,
            "pairs": self.pairs,
            "relabelled": relabelled,
            "dropped": dropped,
            "back": back,
            "controls_left_out": self.controls_left_out,
            "files": list(self.files),
            "errata": [dict(each) for each in self.errata],
        }

    def __str__(self) -> str:
        if not self.done:
            return f"{self.where}: nothing to do"
        back, dropped, relabelled = self.counts
        returned = f", {back:,} back" if back else ""
        changed = f"{counted(relabelled, 'pair')} relabelled, {dropped:,} dropped{returned}"
        head = "relabelled in" if self.where else "would be relabelled in"
        lines = [f"{head} {self.version} (last: {self.last}): {changed}, {self.pairs:,} in all"]
        lines += [told(each, whole=False) for each in self.errata[:_LISTED]]
        if len(self.errata) > _LISTED:
            lines.append(f"  ... and {len(self.errata) - _LISTED:,} more")
        if self.controls_left_out:
            left = self.controls_left_out
            lines.append(f"{counted(left, 'control')} of swapped and dropped pairs {verb(left, 'is')} left out")
        lines.append(f"at {self.where}" if self.where else f"{counted(len(self.files), 'data file')} would change")
        return "\n".join(lines)


def relabel(
    target: str | Target,
    errata: str | Path | Iterable[Mapping[str, Any]],
    version: str | Version,
    *,
    dry_run: bool = False,
    create_pr: bool = False,
) -> Relabelled:
    """Publish `version` with corrected pairs, in one commit and one tag. Ids, groups and splits do not change.

    Only data files that contain a changed pair are rewritten. Older versions do not change. An interrupted relabelling
    is completed when it is run again.

    Args:
        target: `org/name` on the Hub, or a local folder.
        errata: A CSV or JSON Lines file, or its rows as mappings; see `errata_file.read_corrections`.
        version: The new version, a major one: X.0.0.
        dry_run: Plan the release, and change nothing.
        create_pr: Propose the release as a pull request.

    Returns:
        What was changed, or would be changed in a dry run.

    Raises:
        PublishError: A line of the errata or the version is invalid. Nothing is changed.
        HubUnavailable: The Hub did not answer, or refused the token.
    """
    to = parse_target(target, create_pr=create_pr) if isinstance(target, str) else target
    wanted = parse(version) if isinstance(version, str) else version
    corrections = read_corrections(errata)
    opened = open_head(to)
    last = opened.manifest.version
    if last == wanted and _is_done(opened, corrections):
        if not dry_run and not to.tagged(wanted):
            to.tag(wanted)  # interrupted between commit and tag, or a pull request was merged
        held = [each for each in opened.manifest.errata if each["version"] == str(wanted)]
        pairs = len(opened.manifest.entries)
        return Relabelled(to.name, wanted, last, f"{to.name} holds {wanted} already", held, pairs, (0, 0, 0), False)
    plan = plan_relabel(opened, corrections, wanted)
    done = Relabelled(
        to.name,
        wanted,
        last,
        "",
        plan.errata,
        len(plan.kept) + len(plan.restored),
        plan.counts,
        controls_left_out=_controls_left_out(plan),
        files=_touched(plan),
    )
    if dry_run:
        return done
    with stage(plan) as staged:
        return replace(done, where=to.commit(staged))


def _is_done(opened: Head, corrections: Sequence[Correction]) -> bool:
    """Return whether the last release already contains exactly these corrections."""
    last = str(opened.manifest.version)
    held = {each["pair_id"]: each for each in opened.manifest.errata if each["version"] == last}
    asked = {each.pair_id: each for each in corrections}
    return held.keys() == asked.keys() and all(_made(each, held[each.pair_id], opened) for each in corrections)


def _made(correction: Correction, held: Mapping[str, Any], opened: Head) -> bool:
    """Return whether an erratum is what a correction asks for. A text that was there before is not in the erratum."""
    now = dict(correction.texts)
    if correction.action == "category":
        try:
            now["category"] = opened.manifest.taxonomy.find(correction.value).slug
        except SafetyPairsError:
            return False
    same = all(held[name] == getattr(correction, name) for name in ("action", "reason", "by"))
    return same and all(held["now"].get(name, value) == value for name, value in now.items())


def plan_relabel(opened: Head, corrections: Sequence[Correction], version: Version) -> Plan:
    """Plan the release. Only the texts of pairs that change and the rows that are restored are read.

    Raises:
        PublishError: As in `relabel`.
    """
    head = opened.manifest
    check_major(version, last_to_correct(opened), "a relabel", 0, len(corrections))
    here = {entry.pair_id: entry for entry in head.entries}
    found = [each for each in corrections if each.pair_id in here]
    for each in found:
        if here[each.pair_id].is_policy_pair:
            _refuse_of_policies(each)
    texts = _texts(opened, [here[each.pair_id] for each in found if each.action != "drop"])
    amended: dict[str, Amendment] = {}
    removed, restored, made = [], [], []
    reviews: dict[str, Review] = {}
    for each in corrections:
        entry = here.get(each.pair_id)
        if entry is None:
            back, row, review = _restored(opened, each)
            restored.append((back, row))
            if review:
                reviews[back.pair_id] = review
            was, now = {}, _place_of(back)
        elif each.action == "drop":
            removed.append(entry)
            was, now = _place_of(entry), {}
        else:
            was, now = _changed(opened, each, entry, texts[each.pair_id])
            amended[each.pair_id] = Amendment(entry, now)
        made.append(erratum(each.pair_id, each.action, was, now, each.reason, each.by, version))
    gone = {entry.pair_id for entry in removed}
    kept = [entry for entry in head.entries if entry.pair_id not in gone]
    _refuse_twins(corrections, kept, amended)
    _refuse_policy_twins(corrections, kept, amended)
    if not kept:
        raise PublishError(f"that would leave no pair in {opened.target.name}; delete the whole dataset instead")
    failures = FailurePlan(kept=list(opened.failed))
    if restored:
        failures = _refuse_misplaced(opened, corrections, kept, restored)
    counts = {"pairs relabelled": len(amended), "dropped": len(removed), "back": len(restored)}
    summary = "errata: " + ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    release = {**carried_over(head), "summary": summary}
    ended = {pair_id for pair_id, each in amended.items() if each.ends_review}
    reviewed = [*(entry for entry in kept if entry.pair_id not in ended), *(entry for entry, _ in restored)]
    return Plan(
        version,
        opened,
        {},
        removed,
        kept,
        head.taxonomy,
        release,
        failures=failures,
        reviews=plan_reviews(reviews, opened.reviews, reviewed, (), {}),
        errata=made,
        amended=amended,
        restored=restored,
    )


def _refuse_of_policies(correction: Correction) -> None:
    """Raise PublishError if a correction is none that a policy pair can have."""
    what = f"pair {correction.pair_id} is one image under two policies"
    if correction.action == "category":
        raise correction.refused(
            f"{what}, and its category is the policy that calls the image unsafe; use swap if the two policies are the "
            "wrong way round, or drop the pair and publish one with the right policy"
        )
    if correction.action == "text" or correction.texts:
        raise correction.refused(
            f"{what} and has no critical_feature or instruction; it takes swap, drop and undo, without new words"
        )


def _texts(opened: Head, entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """Return, by pair id, the texts of its row that an erratum may change.

    Raises:
        PublishError: A file does not read, or somebody published to the folder meanwhile.
    """
    wanted: dict[str, list[str]] = {}
    for entry in entries:
        wanted.setdefault(entry.file, []).append(entry.pair_id)
    found: dict[str, dict[str, str]] = {}
    for file, pair_ids in wanted.items():
        with reading(f"{file} of {opened.target.name}", RESTORE, PublishError):
            data = opened.target.fetch(file).read_bytes()
            if sha256(data) != opened.manifest.files[file].sha256:  # of a folder, where it was the same when opened
                raise published_meanwhile(opened.target.name)
            names = POLICIES if file.startswith(POLICY_PAIRS) else ("policy", *TEXTS)
            columns, filters = ["pair_id", *names], [("pair_id", "in", pair_ids)]
            table = pq.read_table(pa.BufferReader(data), columns=columns, filters=filters, partitioning=None)
            found |= {row["pair_id"]: row for row in table.to_pylist()}
            if missing := sorted(set(pair_ids) - found.keys()):
                raise ForeignTextError(f"does not hold pair {missing[0]}, although the manifest says so")
    return found


def _changed(
    opened: Head, correction: Correction, entry: Entry, texts: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the old and the new values of a pair that stays, by column; only those that differ."""
    taxonomy = opened.manifest.taxonomy
    before = {**{name: text or "" for name, text in texts.items()}, **entry._asdict()}
    now: dict[str, str] = dict(correction.texts)
    if correction.action == "swap" and entry.is_policy_pair:
        unsafe, safe = (texts[name] for name in POLICIES)
        now = {"category": slug_of(safe), POLICIES[0]: safe, POLICIES[1]: unsafe}
    elif correction.action == "swap":
        now |= {IMAGES[0]: entry.safe_sha256, IMAGES[1]: entry.unsafe_sha256}
    elif correction.action == "category":
        try:
            slug = taxonomy.find(correction.value).slug
        except SafetyPairsError as error:
            raise correction.refused(str(error)) from None
        if slug == entry.category:
            raise correction.refused(f"pair {entry.pair_id} is in {slug} already; expected another category")
        now |= {"category": slug, "policy": taxonomy.policy_id(slug)}
    elif correction.action == "undo":
        now |= _undone(opened, correction)
        if "category" in now and now["category"] not in taxonomy.slugs:
            raise correction.refused(f"{taxonomy.name} has no category {now['category']!r} any more")
    now = {name: value for name, value in now.items() if before[name] != value}
    if not now:
        raise correction.refused(f"pair {entry.pair_id} already has this; expected another value, or no such line")
    return {name: before[name] for name in now}, now


def _undone(opened: Head, correction: Correction) -> dict[str, str]:
    if correction.value:
        raise correction.refused("undo takes a value only for a dropped pair: where to read it; leave it empty")
    last = _last_erratum(opened.manifest.errata, correction.pair_id)
    if last is None:
        raise correction.refused(f"pair {correction.pair_id} has no erratum that could be undone")
    if not last["was"]:
        raise correction.refused(
            f"the last erratum of pair {correction.pair_id} brought it back, in {last['version']}; to take it out: "
            "action drop"
        )
    return dict(last["was"])


def _last_erratum(errata: Sequence[Mapping[str, Any]], pair_id: str) -> Mapping[str, Any] | None:
    return next((each for each in reversed(errata) if each["pair_id"] == pair_id), None)


def _place_of(entry: Entry) -> dict[str, str]:
    names = ("category", "split", "group", "introduced", *IMAGES)
    return {name: getattr(entry, name) for name in names}


def _refuse_twins(corrections: Sequence[Correction], kept: Sequence[Entry], amended: Mapping[str, Amendment]) -> None:
    """Raise PublishError if a pair would get the images and the category of another pair."""
    moving = {each.pair_id: each for each in corrections if each.pair_id in amended and amended[each.pair_id].moves}
    if not moving:
        return

    def key(entry: Entry) -> tuple[frozenset[str], str]:
        now = amended[entry.pair_id].now if entry.pair_id in amended else {}
        return frozenset((entry.unsafe_sha256, entry.safe_sha256)), now.get("category", entry.category)

    seen: dict[tuple[frozenset[str], str], str] = {}
    for entry in kept:
        other = seen.setdefault(key(entry), entry.pair_id)
        if other != entry.pair_id:
            moved, twin = (entry.pair_id, other) if entry.pair_id in moving else (other, entry.pair_id)
            if moved in moving:
                raise moving[moved].refused(f"pair {twin} holds the same two images in that category; drop one of them")


def _refuse_policy_twins(
    corrections: Sequence[Correction], kept: Sequence[Entry], amended: Mapping[str, Amendment]
) -> None:
    """Raise PublishError if a swapped policy pair would say the same of its image as another pair.

    The id of a policy pair is a hash of its image and its policies as they were first published, so a twin has the id
    of the one order of the two or of the other, and the same category.
    """
    category = {entry.pair_id: entry.category for entry in kept}
    category |= {pair_id: each.now.get("category", each.entry.category) for pair_id, each in amended.items()}
    for each in corrections:
        amendment = amended.get(each.pair_id)
        if amendment is None or not amendment.entry.is_policy_pair:
            continue
        unsafe, safe = (slug_of(amendment.now[name]) for name in POLICIES)
        for order in ((unsafe, safe), (safe, unsafe)):
            twin = policy_pair_id(amendment.entry.unsafe_sha256, *order)
            if twin != each.pair_id and category.get(twin) == unsafe:
                raise each.refused(f"pair {twin} has the same image and policies in that order; drop one of them")


def _restored(opened: Head, correction: Correction) -> tuple[Entry, dict[str, Any], Review | None]:
    """Return the entry, the row and the review of a dropped pair from a version that contains it."""
    head, name, pair_id = opened.manifest, opened.target.name, correction.pair_id
    last = _last_erratum(head.errata, pair_id)
    if any(item["pair_id"] == pair_id for item in head.takedowns):
        raise correction.refused(f"pair {pair_id} was taken down, which cannot be undone")
    if last is None or last["now"]:
        known = [entry.pair_id for entry in head.entries]
        raise correction.refused(
            f"{name} {head.version} has no pair {pair_id!r}{hint(pair_id, known)}; a pair id is 16 hex characters, as "
            "in the column pair_id"
        )
    if correction.action != "undo":
        raise correction.refused(f"pair {pair_id} was dropped in {last['version']}; bring it back first: action undo")
    where = correction.value or _version_with(opened, correction, last["version"])
    try:
        edition = open_named(where)
        entry = next((row for row in edition.table.to_pylist() if row["pair_id"] == pair_id), None)
        if entry is None:
            raise SafetyPairsError(f"{edition.name} does not hold it")
        names = POLICY_PAIR_COLUMNS if entry["file"].startswith(POLICY_PAIRS) else COLUMNS
        (row,) = edition.rows(entry["file"], [pair_id], list(names))
    except (SafetyPairsError, ValueError) as error:
        raise correction.refused(f"pair {pair_id} cannot be read from {where}: {error}") from error
    found = Entry(**entry)
    if found.row_hash not in (None, row_hash(row, found.unsafe_sha256, found.safe_sha256)) or any(
        getattr(found, name) != last["was"].get(name) for name in ("category", "group", "split", *IMAGES)
    ):
        raise correction.refused(f"pair {pair_id} of {where} is not the pair that was dropped in {last['version']}")
    if found.category not in head.taxonomy.slugs:
        raise correction.refused(f"{head.taxonomy.name} has no category {found.category!r} any more")
    return found, {**row, "category": head.taxonomy.number(found.category)}, edition.reviews.get(pair_id)


def _version_with(opened: Head, correction: Correction, dropped: str) -> str:
    """Return the version before the one that dropped a pair, as TARGET@X.Y.Z."""
    from safetypairs_hf.publishing.local_target import LocalTarget

    if isinstance(opened.target, LocalTarget):
        raise correction.refused(
            "a folder keeps no earlier version to read the pair from; give the value: a folder that holds it, or "
            "org/name@X.Y.Z"
        )
    versions = [parse(release["version"]) for release in opened.manifest.releases]
    return f"{opened.target.name}@{max(each for each in versions if each < parse(dropped))}"


def _refuse_misplaced(
    opened: Head,
    corrections: Sequence[Correction],
    kept: Sequence[Entry],
    restored: Sequence[tuple[Entry, dict[str, Any]]],
) -> FailurePlan:
    """Raise PublishError if pairs added since then keep a pair out; return the failures that stay next to the pairs."""
    last = opened.manifest.releases[-1]
    settings = {"near_duplicate_bits": last.get("near_duplicate_bits", NEAR_BITS), "test_fraction": 0.0}
    groups = placed_groups(kept, opened.manifest.takedowns, settings)
    lines = {each.pair_id: each for each in corrections}
    for entry, _ in restored:
        place = groups.place(entry.identity, entry.split)
        if isinstance(place, Reject) or place[1] != entry.split:
            why = place.detail if isinstance(place, Reject) else f"pairs that look like it are in {place[1]} now"
            raise lines[entry.pair_id].refused(f"pair {entry.pair_id} cannot come back to {entry.split}: {why}")
    return plan_failures((), opened.failed, groups)


def _touched(plan: Plan) -> list[str]:
    return sorted({entry.file for entry in plan.removed} | {each.entry.file for each in plan.amended.values()})


def _controls_left_out(plan: Plan) -> int:
    """Return how many controls are removed because their pairs are dropped or have their members swapped."""
    from safetypairs_hf.dataset.control_rows import control_file

    leaving = [*plan.removed, *(each.entry for each in plan.amended.values() if each.swaps)]
    wanted: dict[str, list[str]] = {}
    for entry in leaving:
        if control_file(entry.file) in plan.head.manifest.extras:
            wanted.setdefault(control_file(entry.file), []).append(entry.pair_id)
    count = 0
    for file, pair_ids in wanted.items():
        filters = [("pair_id", "in", pair_ids)]
        count += read_rows(plan.head.target.fetch(file), filters, ["pair_id"]).num_rows
    return count
