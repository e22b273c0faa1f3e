"""Publish a run: work out the difference, refuse what must not be, write the files, make one change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building import run_reader
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.run_folder import RECIPE, RunFolder
from safetypairs_hf.core.version import Version, check
from safetypairs_hf.dataset.control_rows import Tally, control_file, control_rows, image_bytes
from safetypairs_hf.dataset.failure_rows import failure_id, failure_row
from safetypairs_hf.dataset.manifest import UNREVIEWED, Entry, Manifest
from safetypairs_hf.dataset.schema import digest, row
from safetypairs_hf.dataset.shards import Shards
from safetypairs_hf.publishing.plan import Plan, make_plan
from safetypairs_hf.publishing.plan_failures import published as published_failures
from safetypairs_hf.publishing.staging import Making, files_of, finish
from safetypairs_hf.publishing.target import Target
from safetypairs_hf.taxonomy import policies
from safetypairs_hf.taxonomy.categories import SLUGS

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
    with_failures: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda name, done, total: None,
) -> Published:
    """Publish the run's pairs as `version`.

    Args:
        replace: make the target hold exactly the run's pairs; else its new pairs are added to what is there.
        require_review: refuse new pairs that nobody has reviewed.
        accept_license: publish on the Hub what models made whose licences forbid some uses; the card then says so.
        with_failures: publish the run's failed edits too, as the config `failures`.
        dry_run: work everything out, and change nothing.
        progress: called as ("pairs", written, to write), then with "failures" where there are any.

    Raises:
        PublishError: the release was refused; nothing is changed.
        HubUnavailable: the Hub did not answer, or not this token; nothing is changed.
    """
    if not accept_license:
        _refuse_licenses(run, target)
    head = target.head()
    failed = published_failures(target, head)
    plan = make_plan(run, head, version, replace=replace, with_failures=with_failures, failed=failed)
    if plan.empty and plan.last == version:
        if not dry_run:
            target.settle()
            if not target.tagged(version):
                target.tag(version)  # the last publish was stopped between its commit and its tag
        return Published(plan, f"{target.name} holds {version} already", done=False)
    check(version, plan.last, *plan.counts)
    _refuse_other_columns(plan, head, target.name)
    if require_review:
        _refuse_unreviewed(plan)
    if dry_run:
        return Published(plan, "")
    with files_of(target, head, plan) as making:
        new = _write_pairs(run, plan, making, progress)
        _write_failures(run, plan, making, progress)
        return Published(plan, target.commit(finish(target, head, plan, _release(run, plan), new, making)))


def _write_pairs(run: RunFolder, plan: Plan, making: Making, progress: Progress) -> list[Entry]:
    """Write the new pairs, each with its controls."""
    policy = {slug: policies.policy_id(slug) for slug in SLUGS}
    version = str(plan.version)
    entries: list[Entry] = []
    tallies: dict[str, Tally] = defaultdict(Tally)
    with Shards(making.scratch, version, making.sender.add) as shards:
        for candidate, controls in run_reader.pairs_with_controls(run, plan.added.keys()):
            assert candidate.identity
            place = plan.added[candidate.identity.pair_id]
            published = row(candidate, place.group, policy[place.category], version)
            beside = control_rows(published, controls)
            file = shards.add(published, place.split, place.category, beside)
            for control in beside:
                tallies[control_file(file)].add(control, published["judges"])
            where = place.category, place.split, place.group
            size, review = image_bytes(published), published["review"]["status"]
            entries.append(Entry.of(place.identity, file, *where, version, size, review))
            progress("pairs", len(entries), len(plan.added))
    making.tallies |= {name: tally.to_dict() for name, tally in tallies.items()}
    return entries


def _write_failures(run: RunFolder, plan: Plan, making: Making, progress: Progress) -> None:
    policy = {slug: policies.policy_id(slug) for slug in SLUGS}
    version, waiting = str(plan.version), dict(plan.failures.added)
    with Shards(making.scratch, version, making.sender.add) as shards:
        for candidate in run_reader.failures(run) if waiting else ():
            failed = waiting.pop(failure_id(candidate), None)
            if failed is not None:
                file = shards.add_failure(failure_row(candidate, policy[failed.category], version), failed.category)
                making.failed.append(failed._replace(file=file, introduced=version))
                progress("failures", len(plan.failures.added) - len(waiting), len(plan.failures.added))


def _refuse_unreviewed(plan: Plan) -> None:
    left = [pair_id for pair_id, place in plan.added.items() if place.review == UNREVIEWED]
    if left:
        raise PublishError(
            f"{len(left)} of the run's {len(plan.added)} new pairs are unreviewed (the first is {left[0]}), and "
            "--require-review was given; publish a run that was reviewed, or do without --require-review"
        )


def _refuse_other_columns(plan: Plan, head: Manifest, name: str) -> None:
    """Files of other columns than ours would not load together with ours."""
    last = head.releases[-1] if plan.kept else {}
    if last.get("schema", digest()) != digest():
        raise PublishError(
            f"{name} {plan.last} has other columns than this safetypairs-hf writes, and {len(plan.kept)} of its pairs "
            f"would stay; publish with {last['code']}, which wrote it, or to a new target"
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
        "schema": digest(),
        "recipe": recipe["recipe"],
        "recipe_hash": recipe["hash"],
        "license": parts["license"],
        "attribution": parts["attribution"],
        "judging": parts["judging"],
        "restricted": [{name: model[name] for name in ("model", "license")} for model in _restricted(run)],
        "test_fraction": parts["selection"]["test_fraction"],
        "near_duplicate_bits": parts["selection"]["near_duplicate_bits"],
        "funnel": run_reader.funnel(run)["stages"],
        **({"neutral": parts["controls"]["neutral"]} if parts.get("controls") else {}),
    }
