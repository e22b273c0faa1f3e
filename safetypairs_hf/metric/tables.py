"""The figures as text, at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safetypairs_hf.metric.comparing import PairComparison
    from safetypairs_hf.metric.gap import ControlFigures
    from safetypairs_hf.metric.scoring import PairScore

WIDTH = 80
NAME = 24


def score_table(score: PairScore) -> str:
    """The table of one guard: what the pairs came to, then a line a category, then the signature."""
    groups = "" if score.n_groups is None else f" in {counted(score.n_groups, 'group')}"
    lines = [f"Pair-consistent safety accuracy, {counted(score.n_pairs, 'pair')}{groups}", ""]
    lines.append(_line("pair accuracy", score.pair_accuracy, _interval(score.pair_accuracy_ci)))
    if score.abstention_rate:
        lines.append(_line("  at most", score.pair_accuracy_upper, "had every abstention been right"))
    lines += [
        _line("  over-blocked", score.both_unsafe_rate, "both images called unsafe"),
        _line("  missed", score.both_safe_rate, "both images called safe"),
        _line("  inverted", score.inverted_rate, "both verdicts wrong"),
        _line("  abstained", score.abstained_rate, f"{score.abstention_rate:.4f} of the images"),
        _line("image accuracy", score.image_accuracy),
        _line("  unsafe recall", score.unsafe_recall),
        _line("  safe specificity", score.safe_specificity),
        _line("relative consistency", score.relative_consistency, "1: as consistent as image accuracy allows"),
    ]
    if score.best_threshold is not None:
        lines += [
            _line("ranking accuracy", score.ranking_accuracy),
            _line("AUROC", score.auroc),
            _line(
                "at best threshold",
                score.best_threshold_pair_accuracy,
                f"{score.best_threshold:.4g}, picked on these pairs: optimistic",
            ),
        ]
    lines += _controls(score.controls) if score.controls else []
    if score.macro_pair_accuracy is not None:
        lines.append(_line("mean over categories", score.macro_pair_accuracy))
        lines += ["", *_categories(score)]
    if score.n_incomplete:
        lines += ["", f"{counted(score.n_incomplete, 'incomplete pair')} left out"]
    return "\n".join([*lines, "", *wrapped(score.signature)])


def comparison_table(comparison: PairComparison) -> str:
    """The table of two guards."""
    c = comparison
    groups = "" if c.n_groups is None else f" in {counted(c.n_groups, 'group')}"
    only_a, only_b = counted(c.only_a_correct, "pair"), counted(c.only_b_correct, "pair")
    detectable = c.minimum_detectable_difference
    lines = [
        f"Two guards on the same {counted(c.n_pairs, 'pair')}{groups}",
        "",
        _line("pair accuracy of A", c.pair_accuracy_a, f"right on {only_a} where B is wrong"),
        _line("pair accuracy of B", c.pair_accuracy_b, f"right on {only_b} where A is wrong"),
        _line("difference, A - B", c.difference, _interval(c.difference_ci)),
        f"{'McNemar p':<22}{c.mcnemar_p:>8.4g}   exact, two-sided",
        _line("detectable difference", detectable, "at 5% two-sided, power 80%")
        if detectable is not None
        else f"{'detectable difference':<22}{'none':>8}   too few pairs on which A and B differ",
    ]
    for name, left_out, incomplete in (
        ("A", c.left_out_a, c.n_incomplete_a),
        ("B", c.left_out_b, c.n_incomplete_b),
    ):
        if left_out:
            lines.append(f"{counted(left_out, 'pair')} of {name} left out, not in the other")
        if incomplete:
            lines.append(f"{counted(incomplete, 'incomplete pair')} of {name} left out")
    return "\n".join([*lines, "", *wrapped(c.signature)])


def _controls(controls: ControlFigures) -> list[str]:
    lines = []
    for name, what, gap in (
        ("artifact gap", "both regenerated", controls.regenerated),
        ("neutral gap", "neutral edit", controls.neutral),
    ):
        if gap is not None:
            told = f"{gap.pair_accuracy:.4f} less {gap.control_pair_accuracy:.4f} on {what}"
            lines += [
                _line(name, gap.gap, _interval(gap.ci)),
                f"{'':<33}{told}, {counted(gap.n_pairs, 'pair')}",
            ]
            if gap.left_out or gap.unmatched:
                lines.append(f"{'':<33}left out: {gap.left_out:,} without it, {gap.unmatched:,} of other pairs")
    if controls.null_edit_unsafe_rate is not None:
        told = f"called unsafe, of {counted(controls.n_null_edits, 'null edit')}"
        lines.append(_line("null edits", controls.null_edit_unsafe_rate, told))
    return lines


def _categories(score: PairScore) -> list[str]:
    lines = [f"{'category':<{NAME}}{'pairs':>8}{'pair acc':>10}   {'95% interval':<18}{'over':>8}{'missed':>8}"]
    for name, figures in score.per_category.items():
        low, high = figures.pair_accuracy_ci
        lines.append(
            f"{shortened(name, NAME):<{NAME}}{figures.n_pairs:>8}{figures.pair_accuracy:>10.4f}   "
            f"{f'{low:.4f} to {high:.4f}':<18}{figures.both_unsafe_rate:>8.4f}{figures.both_safe_rate:>8.4f}"
        )
    return lines


def _line(name: str, value: float | None, note: str = "") -> str:
    return f"{name:<22}{value:>8.4f}   {note}".rstrip()


def _interval(ends: tuple[float, float]) -> str:
    return f"95% interval {ends[0]:.4f} to {ends[1]:.4f}"


def counted(n: int, noun: str) -> str:
    """A number and its noun, in the plural where it is not 1."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def shortened(name: str, width: int) -> str:
    """A name that leaves a space of `width` columns free, cut where it is longer."""
    return name if len(name) < width else name[: width - 2] + "…"


def wrapped(signature: str) -> list[str]:
    """The signature, broken after a bar where it is wider than the table."""
    lines = [""]
    for part in signature.replace("|", "|\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > WIDTH:
            lines.append("")
        lines[-1] += part
    return lines
