"""Publish a run: read it, plan the release, stage its files, and commit them as one change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from safetypairs_hf.building.run_reader import FinishedRun, open_finished
from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.core.foreign_text import reading
from safetypairs_hf.core.records import UNKNOWN_LICENSE, Judgement
from safetypairs_hf.core.run_folder import RunFolder
from safetypairs_hf.core.tables import text_html
from safetypairs_hf.core.target_name import is_hub_id
from safetypairs_hf.core.version import Version, check, parse
from safetypairs_hf.dataset.data_file import open_rows_file
from safetypairs_hf.dataset.manifest import RESTORE, Manifest
from safetypairs_hf.dataset.schema import digest
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.plan import Plan, make_plan, make_review_plan, restricted
from safetypairs_hf.publishing.plan_reviews import check_wanted, refuse_unreviewed
from safetypairs_hf.publishing.plan_taxonomy import refuse_taxonomy
from safetypairs_hf.publishing.staging import Progress, stage
from safetypairs_hf.publishing.target import Target, open_head
from safetypairs_hf.reviewing.read_review import is_review, open_run_or_review, read_review
from safetypairs_hf.reviewing.reviewed_pairs import Listed


@dataclass(frozen=True)
class Published:
    """The result of a release.

    Attributes:
        plan: What the release changes.
        where: The address of the release; "" for a dry run; a sentence if there was nothing to do.
        done: False if there was nothing to do.
        faults: Lines of the review that were cut short and ignored.
        proposed: Whether the release is a pull request.
    """

    plan: Plan
    where: str
    done: bool = True
    faults: tuple[str, ...] = ()
    proposed: bool = False

    @property
    def dry_run(self) -> bool:
        """Whether the release was only planned."""
        return self.done and not self.where

    @property
    def warnings(self) -> list[str]:
        """Yield what a publisher should know: pairs left out, review lines cut short, rejected pairs that stay."""
        return list(self._warnings())

    def _warnings(self) -> Iterator[str]:
        for reason, count in self.plan.rejected.items():
            yield f"{counted(count, 'pair')} {verb(count, 'is')} left out: {reason}"
        yield from self.faults
        if n := self.plan.rejected_and_published:
            yield (
                f"people rejected {counted(n, 'published pair')}, which {verb(n, 'stays')}: remove "
                f"{'it' if n == 1 else 'them'} with --replace or takedown"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the place and the counts of changes as JSON values."""
        plan = self.plan
        added, removed, relabelled = plan.counts
        return {
            "target": plan.head.target.name,
            "version": str(plan.version),
            "last": str(plan.last) if plan.last else None,
            "done": self.done,
            "dry_run": self.dry_run,
            "proposed": self.proposed,
            "where": self.where,
            "pairs": len(plan.kept) + len(plan.added),
            "added": added,
            "removed": removed,
            "relabelled": relabelled,
            "reviewed": plan.rereviewed,
            "failures": {"added": len(plan.failures.added), "removed": len(plan.failures.removed)},
            "left_out": dict(plan.rejected),
            "taxonomy": plan.taxonomy_summary or None,
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        plan = self.plan
        if not self.done:
            return f"{self.where}: nothing to do"
        added, removed, relabelled = plan.counts
        changed = f", {relabelled:,} relabelled" if relabelled else ""
        total = len(plan.kept) + len(plan.added)
        difference = f"{counted(added, 'pair')} added, {removed:,} removed{changed}, {total:,} in all"
        if plan.failures.added or plan.failures.removed:
            failed, gone = len(plan.failures.added), len(plan.failures.removed)
            difference += f"; {counted(failed, 'failure')} added" + (f", {gone:,} removed" if gone else "")
        if plan.rereviewed:
            difference += f"; {counted(plan.rereviewed, 'published pair')} reviewed"
        if plan.taxonomy_summary:
            difference += f"; {plan.taxonomy_summary}"
        if self.dry_run:
            last = plan.last or "none"
            return f"would publish {plan.version} (last: {last}): {difference}; nothing was changed"
        return (
            f"{'proposed' if self.proposed else 'published'} {plan.version}: {difference}\nat {self.where}{self._gone}"
        )

    @property
    def _gone(self) -> str:
        """Say which version a folder no longer holds: it holds one, and a repo on the Hub holds all."""
        last, is_folder = self.plan.last, not is_hub_id(self.plan.head.target.published_name)
        replaced = is_folder and last not in (None, self.plan.version)
        return f", which holds {self.plan.version} alone: {last} is no longer there" if replaced else ""

    def _repr_html_(self) -> str:
        return text_html(str(self))


def publish(
    run: str | RunFolder,
    target: str | Target,
    version: str | Version,
    *,
    private: bool = False,
    gated: str | None = None,
    create_pr: bool = False,
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
    """Publish the pairs of a run as a version, or publish reviews of already published pairs.

    Pairs of the run that people rejected are left out. Reviews of the other pairs are published, and so are new reviews
    of published pairs.

    Args:
        run: The folder of a finished run, or a folder with reviews of a published version.
        target: `org/name` on the Hub, a local folder, or an open target.
        version: The version, such as "1.0.0". Patch: only the card changes. Minor: pairs are added. Major: pairs are
            removed.
        private: Make the Hub repo private. `private`, `gated` and `create_pr` need a target that is given by name.
        gated: Gate the Hub repo: "auto" grants access at once, "manual" leaves the decision to you.
        create_pr: Propose the release to a Hub repo as a pull request.
        replace: Make the target hold exactly the run's pairs. By default new pairs are added to those it has.
        require_review: Refuse new pairs without a review, or on which at most half of the reviewers agree.
        min_reviewers: Imply `require_review`, and refuse pairs with fewer reviewers.
        min_agreement: Imply `require_review`, and refuse pairs with less agreement (the share of pairs of reviewers who
            decided alike, from 0 to 1), including those with one reviewer.
        accept_license: Publish on the public Hub although the licence of a model forbids some uses of its output, which
            the card then states, or although the licence of imported pairs is unknown.
        with_failures: Publish the run's failed edits, and the pairs that people rejected, as the config `failures`.
        dry_run: Plan the release and change nothing.
        probe: Probe a sample of the new pairs for the card. If false, the card says that nobody did.
        progress: Called as `progress("pairs", written, total)`, then with "failures" if there are any.

    Returns:
        What changed, or would change in a dry run.

    Raises:
        RunError: There is no such run, it is not finished, or a part of it or of its review is damaged.
        PublishError: The release was refused; nothing is changed.
        HubUnavailable: The Hub did not answer, or refused the token; nothing is changed.
    """
    wanted = check_wanted(require_review, min_reviewers, min_agreement)
    version = parse(version) if isinstance(version, str) else version
    run = open_run_or_review(run) if isinstance(run, str) else run
    if isinstance(target, str):
        target = parse_target(target, private=private, gated=gated, create_pr=create_pr)
    review, finished = read_review(run), None
    if is_review(run):
        if replace or with_failures:
            given = "--replace" if replace else "--with-failures"
            raise PublishError(f"{run.url} holds a review, not pairs: leave out {given}")
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
                target.tag(version)  # the last publish was interrupted between its commit and its tag
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
        return Published(plan, target.commit(staged), True, review.faults, target.proposes)


def _refuse_licenses(finished: FinishedRun, target: Target) -> None:
    """Raise PublishError if the target is public and a licence is restrictive or unknown."""
    found = restricted(finished.recipe)
    if _is_unlicensed(finished.recipe) and target.public:
        raise PublishError(
            f"the licence of the imported pairs in {finished.url} is not known, and {target.name} is "
            "public; import them with --license ID, or publish with --private, or with --accept-license if you may"
        )
    if found and target.public:
        named = ", ".join(f"{model['model']} ({model['license']})" for model in found)
        raise PublishError(
            f"the run was made with {named}, whose licence restricts what may be published of its output, and "
            f"{target.name} is public; read the licence, then publish with --accept-license or --private"
        )


def _is_unlicensed(recipe: Mapping[str, Any]) -> bool:
    """Return whether a run was imported and the licence of some of its pairs is unknown."""
    return bool(recipe["parts"]["rounds"] == 0 and recipe["parts"]["license"] == UNKNOWN_LICENSE)


def _refuse_other_columns(plan: Plan) -> None:
    """Raise PublishError if pairs with other columns would stay: the files would not load together."""
    last = plan.head.manifest.releases[-1] if plan.kept else {}
    if last.get("schema", ours := digest(plan.head.manifest.taxonomy)) != ours:
        raise PublishError(
            f"{plan.head.target.name} {plan.last} has other columns than this safetypairs-hf writes, and "
            f"{len(plan.kept)} of its pairs would stay; publish with {last['code']}, which wrote it, or to a new target"
        )


def _listed(held: Manifest, target: Target) -> list[Listed]:
    """Return the published pairs of a target's newest version, in the form that review figures need."""
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
