"""Refuse a release whose taxonomy cannot follow that of the last version, or whose version step is too small for it."""

from __future__ import annotations

from safetypairs_hf.core.errors import PublishError, counted, verb
from safetypairs_hf.core.version import least
from safetypairs_hf.publishing.plan import Plan
from safetypairs_hf.taxonomy.taxonomy_changes import MAJOR


def refuse_taxonomy(plan: Plan) -> None:
    """Check the taxonomy of a release.

    Raises:
        PublishError: It has the name and version of the last one (or an older version) with other content; the step
            is too small for the change (texts: minor, categories: major); or pairs would stay in a category that it
            does not have.
    """
    found = plan.reworded
    if found is None or plan.last is None or plan.version <= plan.last:
        return
    name = plan.head.target.name
    first = "; ".join([*found.changes[:1], *([f"and {len(found.changes) - 1} more"] if found.changes[1:] else [])])
    if found.fault:
        told = f" ({first})" if first else ""
        raise PublishError(f"{name} {plan.last} has another taxonomy{told}; {found.fault}, and build with that")
    _, removed, relabelled = plan.counts
    smallest = least(plan.last, 1, removed + relabelled + (found.step == MAJOR))
    if plan.version < smallest:
        what = "the categories differ" if found.step == MAJOR else "the texts of its policies differ"
        raise PublishError(
            f"version {plan.version} is too small a step from {plan.last}: {what} ({first}); give {smallest} or more"
        )
    stay = [*(entry.category for entry in plan.kept), *(failed.category for failed in plan.failures.kept)]
    lost = sorted({*stay} - {*plan.taxonomy.slugs})
    if lost:
        count = sum(category in lost for category in stay)
        raise PublishError(
            f"{counted(count, 'row')} of {name} {plan.last} {verb(count, 'is')} in {lost[0]}, which "
            f"{plan.taxonomy.name} does not have; publish with --replace, which leaves out what the run does not "
            "hold, or to a new target"
        )
