"""The page of some guards: leaderboard, outcomes, categories, ROC curves, scores and failures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.metric.figures import Face, Figure, shown_in
from safetypairs_hf.report import plots
from safetypairs_hf.report.failure_gallery import all_failures, shown
from safetypairs_hf.report.guard_files import Guard, same_pairs
from safetypairs_hf.report.outcomes import OUTCOMES
from safetypairs_hf.report.page import Block, FailureList, Page, Table

if TYPE_CHECKING:
    from safetypairs_hf.dataset.store.base import Edition
    from safetypairs_hf.metric.score import PairScore

FAILURES = 12  # of each guard


def guards_page(guards: Sequence[Guard], data: Edition | None = None, failures: int = FAILURES) -> Page:
    """Make the page of some guards.

    Args:
        guards: The guards, best first, as `read_guards` returns them; at least one.
        data: The version that they were run on; with it the failures have their images.
        failures: How many failures of each guard to show.
    """
    pairs = {guard.score.n_pairs for guard in guards}
    count = f"{min(pairs):,}" if len(pairs) == 1 else f"{min(pairs):,} to {max(pairs):,}"
    lead = (
        f"{len(guards)} guard{'s' if len(guards) > 1 else ''} on {count} pairs"
        f"{f' of {data.name}' if data else ''}. A pair is one unsafe and one safe image, equal in all else; a guard "
        "earns it only if it judges both right. A coin gets 0.25, a constant answer 0."
    )
    worst = all_failures(guards, failures)
    every = [failure for _, found, _ in worst for failure in found]
    blocks = [_leaderboard(guards), _outcomes(guards), _categories(guards), _roc(guards), _scatter(guards)]
    if every:
        lists = [FailureList(guard.name, found, total) for guard, found, total in worst if found]
        blocks.append(_failures(lists, data))
    images = shown(data, every) if data and every else {}
    return Page("Safety guards, pair by pair", lead, [block for block in blocks if block], images)


def leaderboard_table(guards: Sequence[Guard]) -> Table:
    """Make a table of the figures of each guard that a report shows; a figure that does not apply is None.

    Where a guard does not cover all categories, the pair accuracy on those that it covers stands beside that on all.
    """
    figures = shown_in(Face.REPORT, guards[0].score)
    columns = ["guard"]
    for figure in figures:
        columns += [figure.heading, "95% interval"] if figure.interval else [figure.heading]
    asked = ["fidelity"] if any(guard.fidelity for guard in guards) else []
    parts = ["categories covered", "pair accuracy there"] if any(guard.covered for guard in guards) else []
    rows = [
        (
            guard.name,
            *_cells(guard.score, figures),
            *[guard.fidelity for _ in asked],
            *(_covered(guard) if parts else ()),
        )
        for guard in guards
    ]
    return Table([*columns, *asked, *parts], rows)


def _covered(guard: Guard) -> tuple[str, float]:
    """Return how many categories a guard covers, and its pair accuracy there."""
    if guard.covered is None:
        return "all", guard.score.pair_accuracy
    covered = guard.covered
    count = len(covered.categories) + len(covered.not_covered)
    return f"{len(covered.categories)} of {count}", covered.score.pair_accuracy


def _cells(score: PairScore, figures: Sequence[Figure]) -> Iterator[Any]:
    for figure in figures:
        yield getattr(score, figure.name)
        if figure.interval:
            low, high = getattr(score, figure.interval)
            yield f"{low:.3f} to {high:.3f}"


def _leaderboard(guards: Sequence[Guard]) -> Block:
    notes = []
    if len(guards) > 1 and not same_pairs(guards):
        notes.append("These guards answered about different pairs: the figures above do not compare.")
    for guard in guards:
        if guard.covered:
            notes.append(f"{guard.name}: {guard.covered}")
        if guard.score.n_incomplete:
            notes.append(f"{guard.name}: {guard.score.n_incomplete:,} pairs with one image only were left out.")
    signatures: dict[str, list[str]] = {}
    for guard in guards:
        signatures.setdefault(guard.score.signature, []).append(guard.name)
    for signature, names in signatures.items():
        of = f" of {', '.join(names)}" if len(signatures) > 1 else ""
        notes.append(f"Signature{of}: {signature}")
    told = "; ".join(f"{guard.name} {guard.score.pair_accuracy:.3f}" for guard in guards)
    return Block(
        "Leaderboard",
        "Best pair accuracy first. At most: had every abstention been right.",
        plots.leaderboard(guards),
        f"pair accuracy with 95% intervals: {told}",
        table=leaderboard_table(guards),
        notes=notes,
    )


def _outcomes(guards: Sequence[Guard]) -> Block:
    says = "share of the pairs by outcome; the figures are in the table above"
    return Block("What the pairs came to", plot=plots.outcome_bars(guards), says=says, legend=OUTCOMES)


def _categories(guards: Sequence[Guard]) -> Block | None:
    plot = plots.category_heat_map(guards)
    if plot is None:
        return None
    names = sorted({name for guard in guards for name in guard.score.per_category})
    rows: list[tuple[Any, ...]] = []
    for name in names:
        found = [guard.score.per_category.get(name) for guard in guards]
        pairs = max(figures.n_pairs for figures in found if figures)
        rows.append((name, pairs, *(figures.pair_accuracy if figures else None for figures in found)))
    rows.append(
        ("mean over categories", sum(row[1] for row in rows), *(guard.score.macro_pair_accuracy for guard in guards))
    )
    table = Table(("category", "pairs", *(guard.name for guard in guards)), rows)
    text = "Pair accuracy. Hatched: the guard gave no verdict on any pair, which counts as 0."
    return Block("By category", text, plot, "pair accuracy by guard and category, as in the table", table=table)


def _roc(guards: Sequence[Guard]) -> Block | None:
    text = "Over all thresholds, of the pairs with two verdicts and two scores. Pairs play no part in this figure."
    says, told = "ROC curves; the areas are in the table", _left_out(guards, plots.MOST_CURVES)
    return Block("ROC", text, plot, says, notes=told) if (plot := plots.roc(guards)) else None


def _scatter(guards: Sequence[Guard]) -> Block | None:
    text = (
        "A point is a pair, at the scores of its two images, in the colour of its outcome. Above the line the guard "
        "ranks the two images right, whatever the threshold."
    )
    says, told = "scores of the unsafe against the safe image of each pair", _left_out(guards, plots.MOST_SCATTERS)
    plot = plots.scatter(guards)
    return Block("Scores", text, plot, says, legend=OUTCOMES[:4], notes=told) if plot else None


def _left_out(guards: Sequence[Guard], most: int) -> list[str]:
    """Return notes on the guards that a plot does not show."""
    scored = [guard.name for guard in guards if guard.score.auroc is not None]
    without = [guard.name for guard in guards if guard.score.auroc is None]
    told = [f"Not drawn, beyond the first {most}: {', '.join(scored[most:])}."] if scored[most:] else []
    return told + ([f"Not drawn, as they give no scores: {', '.join(without)}."] if without else [])


def _failures(lists: Sequence[FailureList], data: Edition | None) -> Block:
    text = "Worst first: the surer a guard holds the two images for the wrong way round. Abstentions come last. "
    text += "Images are blurred until you ask for them." if data else "For the images give --data TARGET@VERSION."
    return Block("Failures", text, failures=lists)
