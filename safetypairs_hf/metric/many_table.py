"""The table of many guards, at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetypairs_hf.metric.tables import counted, wrapped

if TYPE_CHECKING:
    from safetypairs_hf.metric.comparing_many import ManyComparison, Standing

MOST_LINES = 200
NAME = 23


def many_table(many: ManyComparison) -> str:
    """Guards, best first, then the contests, then the same a category."""
    groups = "" if many.n_groups is None else f" in {counted(many.n_groups, 'group')}"
    lines = [f"{counted(len(many.guards), 'guard')} on the same {counted(many.n_pairs, 'pair')}{groups}", ""]
    lines += _standing(many, "p by McNemar's exact test, two-sided; Holm: adjusted for all of these")
    for name, standing in many.per_category.items():
        lines += ["", f"{_middle_cut(name, 56)}, {counted(standing.n_pairs, 'pair')}", ""]
        lines += _standing(standing, "Holm: adjusted for those of all categories together")
    for told, counts in (("left out, not in all", many.left_out), ("left out, incomplete", many.n_incomplete)):
        lines += [
            f"{_middle_cut(name, 40)}: {counted(count, 'pair')} {told}" for name, count in counts.items() if count
        ]
    return "\n".join([*lines, "", *wrapped(many.signature)])


def _standing(standing: Standing, note: str) -> list[str]:
    head = f"{'pair acc':>9}   {'95% interval':<17}{'over':>8}{'missed':>8}{'abst':>8}"
    lines = [f"{'':>3} {'guard':<{NAME}}{head}"]
    places = {name: place for place, name in enumerate(standing.guards, 1)}
    for name, figures in standing.guards.items():
        low, high = figures.pair_accuracy_ci
        lines.append(
            f"{places[name]:>3} {_middle_cut(name, NAME):<{NAME}}{figures.pair_accuracy:>9.4f}   "
            f"{f'{low:.4f} to {high:.4f}':<17}{figures.both_unsafe_rate:>8.4f}{figures.both_safe_rate:>8.4f}"
            f"{figures.abstained_rate:>8.4f}"
        )
    found = sum(contest.holm_p < 0.05 for contest in standing.contests)
    m = len(standing.contests)
    lines += ["", f"{found} of {counted(m, 'difference')} stand{'s' if m == 1 else ''} at 5% after Holm"]
    if m > MOST_LINES:
        return [*lines, f"More than {MOST_LINES} are not listed here: --json, to_dict() and .contests have them all"]
    head = f"{'difference':>10}   {'95% interval':<18}{'only 1st':>9}{'only 2nd':>9}{'p':>9}{'Holm':>9}"
    lines.append(f"{'contest':<12}{head}")
    for contest in standing.contests:
        low, high = contest.difference_ci
        lines.append(
            f"{f'{places[contest.a]} - {places[contest.b]}':<12}{contest.difference:>+10.4f}   "
            f"{f'{low:+.4f} to {high:+.4f}':<18}{contest.only_a_correct:>9}{contest.only_b_correct:>9}"
            f"{contest.mcnemar_p:>9.2g}{contest.holm_p:>9.2g}"
        )
    return [*lines, note]


def _middle_cut(name: str, width: int) -> str:
    """A name that leaves a space of `width` columns free; guards of one family differ at the end, so that is kept."""
    kept = width - 2
    return name if len(name) < width else f"{name[: kept // 2]}…{name[len(name) - (kept - kept // 2) :]}"
