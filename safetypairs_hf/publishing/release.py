"""Publish a run: work out the difference, refuse what must not be, write the files, make one change."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from safetypairs_hf import policies
from safetypairs_hf.building import results
from safetypairs_hf.building.runfolder import RECIPE, RunFolder
from safetypairs_hf.errors import PublishError
from safetypairs_hf.publishing import manifest, neighbours
from safetypairs_hf.publishing.manifest import UNREVIEWED, Entry, Manifest
from safetypairs_hf.publishing.plan import Plan, make_plan
from safetypairs_hf.publishing.schema import row
from safetypairs_hf.publishing.sending import Sender, sending
from safetypairs_hf.publishing.shards import Shards, rewrite_without
from safetypairs_hf.publishing.target import Change, Target
from safetypairs_hf.publishing.versions import Version, check
from safetypairs_hf.taxonomy import SLUGS

Progress = Callable[[str, int, int], None]


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
    require_review: bool = False,
    accept_license: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda name, done, total: None,
) -> Published:
    """Publish the run's pairs as `version`.

    Args:
        replace: make the target hold exactly the run's pairs; else its new pairs are added to what is there.
        require_review: refuse new pairs that nobody has reviewed.
        accept_license: publish on the Hub what models made whose licences forbid some uses; the card then says so.
        dry_run: work everything out, and change nothing.
        progress: called as ("pairs", written, to write).

    Raises:
        PublishError: the release was refused; nothing is changed.
        HubUnavailable: the Hub did not answer, or not this token; nothing is changed.
    """
    if not accept_license:
        _refuse_licenses(run, target)
    head = target.head()
    plan = make_plan(run, head, version, replace=replace)
    if plan.empty and plan.last == version:
        if not dry_run:
            target.settle()
            if not target.tagged(version):
                target.tag(version)  # the last publish was stopped between its commit and its tag
        return Published(plan, f"{target.name} holds {version} already", done=False)
    check(version, plan.last, *plan.counts)
    if require_review:
        _refuse_unreviewed(plan)
    if dry_run:
        return Published(plan, "")
    with files_of(target, plan) as (scratch, sender):
        new = _write_pairs(run, plan, scratch, sender, progress)
        return Published(plan, target.commit(finish(target, head, plan, _release(run, plan), new, scratch, sender)))


@contextmanager
def files_of(target: Target, plan: Plan) -> Iterator[tuple[Path, Sender]]:
    """Where the files of a release are made, and what sends them; those that lose pairs are there already.

    A disk that fails is a PublishError.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="safetypairs-publish-") as folder:
            scratch = Path(folder)
            rewritten = _rewrite(target, plan, scratch)
            target.begin(plan.version)
            with sending(scratch, target.send) as sender:
                for name in rewritten:
                    sender.add(name)
                yield scratch, sender
    except OSError as error:
        raise PublishError(
            f"cannot write the release's files: {error.strerror or error}; nothing was published (TMPDIR says where "
            "they are made)"
        ) from error


def finish(
    target: Target,
    head: Manifest,
    plan: Plan,
    release: dict[str, Any],
    new: Sequence[Entry],
    scratch: Path,
    sender: Sender,
    takedowns: Sequence[dict[str, Any]] = (),
) -> Change:
    """Write the manifest and the files beside the data below `scratch`, where the data files are already."""
    emptied = sorted({entry.file for entry in plan.removed} - {entry.file for entry in plan.kept})
    release = {
        **release,
        "version": str(plan.version),
        **dict(zip(("added", "removed", "relabelled"), plan.counts, strict=True)),
        "pairs": len(plan.kept) + len(new),
        "code": f"safetypairs-hf {installed('safetypairs-hf')}",
        "target": target.name,
    }
    files = {name: file for name, file in head.files.items() if name not in emptied} | sender.finish()
    made = Manifest([*plan.kept, *new], [*head.releases, release], [*head.takedowns, *takedowns], files)
    (scratch / manifest.NAME).write_bytes(manifest.dump(made))
    for name, text in neighbours.render(made, target.name).items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write = {path.relative_to(scratch).as_posix(): path for path in _files(scratch)}
    return Change(plan.version, f"{plan.version}: {release['summary']}", write, emptied)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_pairs(run: RunFolder, plan: Plan, scratch: Path, sender: Sender, progress: Progress) -> list[Entry]:
    policy = {slug: policies.policy_id(slug) for slug in SLUGS}
    version = str(plan.version)
    entries: list[Entry] = []
    with Shards(scratch, version, sender.add) as shards:
        for candidate in results.pairs(run):
            place = plan.added.get(candidate.identity.pair_id) if candidate.identity else None
            if place is None:
                continue
            published = row(candidate, place.group, policy[place.category], version)
            file = shards.add(published, place.split, place.category)
            size = sum(len(published[column]["bytes"]) for column in ("unsafe_image", "safe_image"))
            where = place.category, place.split, place.group
            entries.append(Entry.of(place.identity, file, *where, version, size, published["review"]["status"]))
            progress("pairs", len(entries), len(plan.added))
    return entries


def _rewrite(target: Target, plan: Plan, scratch: Path) -> list[str]:
    """Rewrite each file that loses some of its pairs; their names."""
    leaving: dict[str, list[str]] = defaultdict(list)
    for entry in plan.removed:
        leaving[entry.file].append(entry.pair_id)
    changed = sorted(leaving.keys() & {entry.file for entry in plan.kept})
    for file in changed:
        rewrite_without(target.fetch(file), scratch / file, leaving[file])
    return changed


def _refuse_unreviewed(plan: Plan) -> None:
    left = [pair_id for pair_id, place in plan.added.items() if place.review == UNREVIEWED]
    if left:
        raise PublishError(
            f"{len(left)} of the run's {len(plan.added)} new pairs are unreviewed (the first is {left[0]}), and "
            "--require-review was given; publish a run that was reviewed, or do without --require-review"
        )


def _restricted(run: RunFolder) -> list[dict[str, Any]]:
    """The models behind the run whose licences restrict what may be published of them: `model`, `license`."""
    return [model for model in run.read_json(RECIPE)["parts"]["weights"] if not model["publishable"]]


def _refuse_licenses(run: RunFolder, target: Target) -> None:
    """Raise PublishError where the target is on the Hub and a model's licence stands in the way."""
    found = _restricted(run)
    if found and target.public:
        named = ", ".join(f"{model['model']} ({model['license']})" for model in found)
        raise PublishError(
            f"the run was made with {named}, whose licence restricts what may be published of its output, and "
            f"{target.name} is public; read the licence, then publish with --accept-license or --private"
        )


def _release(run: RunFolder, plan: Plan) -> dict[str, Any]:
    """What the manifest remembers of a release, for the card of this version and of every later one; see `finish`."""
    recipe = run.read_json(RECIPE)
    parts = recipe["parts"]
    return {
        "summary": plan.summary,
        "recipe": recipe["recipe"],
        "recipe_hash": recipe["hash"],
        "license": parts["license"],
        "attribution": parts["attribution"],
        "judging": parts["judging"],
        "restricted": [{name: model[name] for name in ("model", "license")} for model in _restricted(run)],
        "test_fraction": parts["selection"]["test_fraction"],
        "near_duplicate_bits": parts["selection"]["near_duplicate_bits"],
        "funnel": results.funnel(run)["stages"],
    }
