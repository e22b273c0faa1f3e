"""Publish a run: read it, plan the release, stage its files, commit them as one change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building.run_reader import FinishedRun, open_finished
from safetypairs_hf.core.errors import PublishError
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.records import UNKNOWN_LICENSE, Judgement
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.version import Version, check
from safetypairs_hf.dataset.data_file import open_rows_file
from safetypairs_hf.dataset.manifest import RESTORE, Manifest
from safetypairs_hf.dataset.schema import digest
from safetypairs_hf.publishing.plan import Plan, make_plan, make_review_plan, restricted
from safetypairs_hf.publishing.plan_reviews import check_wanted, refuse_unreviewed
from safetypairs_hf.publishing.plan_taxonomy import refuse_taxonomy
from safetypairs_hf.publishing.staging import Progress, stage
from safetypairs_hf.publishing.target import Target, open_head
from safetypairs_hf.reviewing.read_review import is_review, read_review
from safetypairs_hf.reviewing.reviewed_pairs import Listed


@dataclass(frozen=True)
class Published:
    """What came of a release. `where` is "" for a dry run; `done` is False where there was nothing to do.

    `faults` are lines of the review that were cut short, and left out.
    """

    plan: Plan
    where: str
    done: bool = True
    faults: tuple[str, ...] = ()


def publish(
    run: RunFolder,
    target: Target,
    version: Version,
    *,
    replace: bool = False,
    require_review: bool = False,
    min_reviewers: int | None = None,
    min_agreement: float | None = None,
    accept_license: bool = False,
    with_failures: bool = False,
    dry_run: bool = False,
    probe: bool = True,
    progress: Progress = lambda name, done, total: None,
) -> Published:
    """Publish the run's pairs as `version`; or the reviews of published pairs, where `run` is a folder of those.

    Pairs of the run that people rejected stay out; what they said of the others is published, of pairs that are
    published already as well.

    Args:
        run: a finished run, or the folder in which a published version was reviewed.
        replace: make the target hold exactly the run's pairs; else its new pairs are added to what is there.
        require_review: refuse new pairs that nobody has reviewed, or on which no more than half of the reviewers agree.
        min_reviewers: as `require_review`, and refuse pairs that fewer people have reviewed.
        min_agreement: as `require_review`, and refuse pairs of whose pairs of reviewers a smaller share decided alike,
            from 0 to 1; those with one reviewer, too.
        accept_license: publish on the Hub what models made whose licences forbid some uses; the card then says so. And
            imported pairs whose licence nobody said.
        with_failures: publish the run's failed edits, and pairs that people rejected, as the config `failures`.
        dry_run: work everything out, and change nothing.
        probe: probe a sample of the new pairs, so that the card has the figures; else the card says that nobody did.
        progress: called as ("pairs", written, to write), then with "failures" where there are any.

    Raises:
        RunError: the run is not finished, or a part of it or of its review is damaged.
        PublishError: the release was refused; nothing is changed.
        HubUnavailable: the Hub did not answer, or refused this token; nothing is changed.
    """
    wanted = check_wanted(require_review, min_reviewers, min_agreement)
    review, finished = read_review(run), None
    if is_review(run):
        if replace or with_failures:
            given = "--replace" if replace else "--with-failures"
            raise PublishError(f"{run.url} holds a review and no pairs: leave out {given}")
        plan = make_review_plan(review, open_head(target), version, lambda held: _listed(held, target))
    else:
        finished = open_finished(run, failures=with_failures)
        if not accept_license:
            _refuse_licenses(finished, target)
        head = open_head(target)
        plan = make_plan(finished, head, version, replace=replace, with_failures=with_failures, review=review)
    if plan.empty and plan.last == version:
        if not dry_run:
            target.settle()
            if not target.tagged(version):
                target.tag(version)  # the last publish was stopped between its commit and its tag
        return Published(plan, f"{target.name} holds {version} already", False, review.faults)
    refuse_taxonomy(plan)
    check(version, plan.last, *plan.counts)
    _refuse_other_columns(plan)
    if wanted:
        there = plan.added.keys() | {entry.pair_id for entry in plan.kept}
        said = {name: each for name, each in review.pairs.items() if name in there}
        place = run.url if finished else f"{target.name} --out {run.url}"
        refuse_unreviewed(wanted, {**dict.fromkeys(plan.added), **said}, place)
    if dry_run:
        return Published(plan, "", True, review.faults)
    with stage(plan, finished, progress, probe=probe) as staged:
        return Published(plan, target.commit(staged), True, review.faults)


def _refuse_licenses(finished: FinishedRun, target: Target) -> None:
    """Raise PublishError where the target is public and a licence stands in the way, or none is known."""
    found = restricted(finished.recipe)
    if _is_unlicensed(finished.recipe) and target.public:
        raise PublishError(
            f"nobody has said the licence of the pairs in {finished.url}, which were imported, and {target.name} is "
            "public; import them with --license ID, or publish with --private, or with --accept-license if you may"
        )
    if found and target.public:
        named = ", ".join(f"{model['model']} ({model['license']})" for model in found)
        raise PublishError(
            f"the run was made with {named}, whose licence restricts what may be published of its output, and "
            f"{target.name} is public; read the licence, then publish with --accept-license or --private"
        )


def _is_unlicensed(recipe: Mapping[str, Any]) -> bool:
    """Whether a run was imported, and the licence of some of its pairs is not known."""
    return bool(recipe["parts"]["rounds"] == 0 and recipe["parts"]["license"] == UNKNOWN_LICENSE)


def _refuse_other_columns(plan: Plan) -> None:
    """Raise PublishError where pairs stay that have other columns than ours: the files would not load together."""
    last = plan.head.manifest.releases[-1] if plan.kept else {}
    if last.get("schema", ours := digest(plan.head.manifest.taxonomy)) != ours:
        raise PublishError(
            f"{plan.head.target.name} {plan.last} has other columns than this safetypairs-hf writes, and "
            f"{len(plan.kept)} of its pairs would stay; publish with {last['code']}, which wrote it, or to a new target"
        )


def _listed(held: Manifest, target: Target) -> list[Listed]:
    """The published pairs of a target's newest version, as the figures of a review need them."""
    judged: dict[str, list[Judgement]] = {}
    for file in {entry.file for entry in held.entries if not entry.is_policy_pair}:
        with reading(f"{file} of {target.name}", RESTORE, PublishError):
            with open_rows_file(target.fetch(file)) as opened:
                rows = opened.read(["pair_id", "judges"]).to_pylist()
            judged |= {row["pair_id"]: [Judgement(**said) for said in row["judges"]] for row in rows}
    return [
        Listed(entry.pair_id, entry.category, entry.group, judged.get(entry.pair_id, []), entry.file)
        for entry in held.entries
    ]
