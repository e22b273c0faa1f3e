"""Compute the data for the page of guards: leaderboard, outcomes, categories, curves, agreement and failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Unpack

from safetypairs_hf.core.errors import PairError, counted, verb
from safetypairs_hf.evaluating.abstentions import abstentions
from safetypairs_hf.metric.figures import Face, Figure, figures_in, shown_in
from safetypairs_hf.metric.table_text import few_groups
from safetypairs_hf.report.curves import calibration_of, roc_of, scatter_of
from safetypairs_hf.report.failure_gallery import by_pair, worst
from safetypairs_hf.report.guard_files import Guard, same_pairs
from safetypairs_hf.report.outcomes import OUTCOMES, rates

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.metric.pairs import Reading

FAILURES = 24  # listed per guard by default
MOST_COMPARED = 12  # guards that are compared with each other, in 66 comparisons


def guards_data(
    guards: Sequence[Guard], data: Edition | None = None, failures: int = FAILURES, **reading: Unpack[Reading]
) -> dict[str, Any]:
    """Return the data for the page of some guards, as JSON values.

    Args:
        guards: The guards, best first, as `read_guards` returns them; at least one.
        data: The version that they were run on.
        failures: How many failures of each guard to list.
        **reading: The values that were given to `read_guards`.
    """
    lists = [worst(guard, failures) for guard in guards]
    pairs = [guard.score.n_pairs for guard in guards]
    names = {category.slug: category.name for category in data.taxonomy.categories} if data else {}
    shown = [
        {
            **row,
            "of_policies": guard.of_policies,
            "file": str(guard.path),
            "signature": guard.score.signature,
            "notes": [*guard.score.notes, *_notes(guard)],
            "score": guard.score.to_dict(),
            "outcomes": dict(zip((outcome.key for outcome in OUTCOMES), rates(guard.score), strict=True)),
            "roc": roc_of(guard.pairs),
            "scores": scatter_of(guard.pairs),
            "calibration": calibration_of(guard.columns, guard.pairs, reading),
            "failures": total,
        }
        for guard, row, (_, total) in zip(guards, leaderboard(guards), lists, strict=True)
    ]
    return {
        "kind": "guards",
        "data": data.name if data else None,
        "pairs": [min(pairs), max(pairs)],
        "same_pairs": same_pairs(guards),
        "few_groups": few_groups(min((guard.score.n_groups for guard in guards if guard.score.n_groups), default=None)),
        "guards": shown,
        "categories": _categories(guards, names),
        "agreement": _agreement(guards[:MOST_COMPARED], reading),
        "differences": _differences(guards[:MOST_COMPARED], reading),
        "failures": by_pair([found for found, _ in lists]),
    }


def leaderboard(guards: Sequence[Guard]) -> list[dict[str, Any]]:
    """Return the figures of each guard for the leaderboard.

    Each row has the guard's `name`; `fidelity`, which says how it was asked; `figures`; and `covered`, the categories
    that it covers with the figures on them, or None if it covers all. A figure has `name`, `heading`, `meaning`,
    `better`, `headline`, its `value` (None if it does not apply) and its 95% `interval` (None if it has none).
    """
    headline = {figure.name for figure in shown_in(Face.HEADLINE, guards[0].score)}
    declared = {figure.name: figure for figure in figures_in(guards[0].score)}  # with their intervals
    figures = [declared[figure.name] for figure in shown_in(Face.REPORT, guards[0].score)]
    return [
        {
            "name": guard.name,
            "fidelity": guard.fidelity,
            "figures": [_figure(guard, figure, headline) for figure in figures],
            "covered": guard.covered and guard.covered.to_dict(),
        }
        for guard in guards
    ]


def _figure(guard: Guard, figure: Figure, headline: Iterable[str]) -> dict[str, Any]:
    ends = getattr(guard.score, figure.interval) if figure.interval else None
    return {
        "name": figure.name,
        "heading": figure.heading,
        "meaning": figure.meaning,
        "better": figure.better,
        "headline": figure.name in headline,
        "value": getattr(guard.score, figure.name),
        "interval": ends and list(ends),
    }


def _notes(guard: Guard) -> list[str]:
    """Return notes that a reader of the guard's figures needs."""
    notes = [str(guard.covered)] if guard.covered else []
    if guard.of_policies:
        found = abstentions(guard.path)
        count = sum(found.not_covered.values())
        notes.append(
            f"Policy pairs: one image under two policies. {count:,} of {counted(found.images, 'question')} not_covered."
        )
    if guard.score.n_incomplete:
        n = guard.score.n_incomplete
        notes.append(f"{counted(n, 'pair')} with one image only {verb(n, 'was')} left out.")
    return notes


def _categories(guards: Sequence[Guard], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return for each category the number of pairs and each guard's pair accuracy; None for a guard without such pairs.

    Pairs of images and policy pairs of a category are separate rows.
    """
    rows = sorted({(guard.of_policies, slug) for guard in guards for slug in guard.score.per_category})
    found = []
    for of_policies, slug in rows:
        figures = [guard.score.per_category.get(slug) if guard.of_policies == of_policies else None for guard in guards]
        shown = [
            each
            and {
                "pair_accuracy": each.pair_accuracy,
                "pair_accuracy_ci": list(each.pair_accuracy_ci),
                "silent": each.abstained_rate == 1,  # its accuracy is 0 by definition, but it gave no wrong verdict
            }
            for each in figures
        ]
        pairs = max(each.n_pairs for each in figures if each)
        named = {"category": slug, "name": names.get(slug, ""), "of_policies": of_policies}
        found.append({**named, "pairs": pairs, "guards": shown})
    return found


def _agreement(guards: Sequence[Guard], reading: Reading) -> list[dict[str, Any]]:
    """Return `metric.agreement` of each two guards on their common pairs. Guards without a common pair are left out."""
    from safetypairs_hf.metric.agreement import agreement

    found = []
    for (first, one), (second, two) in combinations(enumerate(guards), 2):
        try:
            both = agreement(one.columns, two.columns, common=True, **reading)
        except PairError:
            continue
        found.append({"a": first, "b": second, **both.to_dict()})
    return found


def _differences(guards: Sequence[Guard], reading: Reading) -> list[dict[str, Any]]:
    """Compare each guard with the best one on the same kind of pairs, on the pairs that all of these guards have.

    A kind of pairs with one guard, or whose guards have no pair in common, is left out.
    """
    from safetypairs_hf.metric.compare_many import compare_many

    differences = []
    for of_policies in (False, True):
        columns = {guard.name: guard.columns for guard in guards if guard.of_policies == of_policies}
        if len(columns) < 2:
            continue
        try:
            found = compare_many(columns, common=True, **reading)
        except PairError:
            continue
        best, about = next(iter(found.guards)), {"pairs": found.n_pairs, "of_policies": of_policies}
        differences += [{**each.to_dict(), **about} for each in found.contests if best in (each.a, each.b)]
    return differences
