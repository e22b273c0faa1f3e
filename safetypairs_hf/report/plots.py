"""Draw the plots of a report, each as SVG text for the page: no script, no network, real text."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.report.outcomes import OUTCOMES, rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from safetypairs_hf.report.guard_files import Guard

WIDTH = 6.4  # inches: at a phone's width the text is still about 10 pixels high
INK, FAINT = "#1a1a1a", "#c8c8c8"
MOST_CURVES = 8  # more lines than colours and dashes tell apart
MOST_SCATTERS = 12
_POINTS = 400  # above this many a scatter is a bitmap: an element a point would make the page slow
_CORNERS = 400  # of a ROC curve
_LABEL = 30
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#1a1a1a", "#8C8C8C")
_DASHES = ("-", "--", "-.", ":")


def leaderboard(guards: Sequence[Guard]) -> str:
    """Draw the pair accuracy of each guard with its 95% interval, best first, and a line at what a coin gets."""
    figure, axes = _rows_figure(guards)
    for row, guard in enumerate(guards):
        low, high = guard.score.pair_accuracy_ci
        axes.plot([low, high], [row, row], color=INK, linewidth=1.6, solid_capstyle="butt")
        axes.plot([guard.score.pair_accuracy], [row], "o", color=OUTCOMES[0].colour, markeredgecolor=INK, markersize=7)
    axes.axvline(0.25, color="#666666", linestyle="--", linewidth=1)
    axes.annotate("a coin", (0.25, 1), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points", size=9)
    axes.set_xlabel("pair accuracy, 95% interval")
    return _svg(figure, "leaderboard")


def outcome_bars(guards: Sequence[Guard]) -> str:
    """Draw the outcomes of each guard's pairs, as shares of all pairs."""
    figure, axes = _rows_figure(guards, above=0.5)
    left = [0.0] * len(guards)
    shares = [rates(guard.score) for guard in guards]
    for number, outcome in enumerate(OUTCOMES):
        widths = [share[number] for share in shares]
        axes.barh(
            range(len(guards)),
            widths,
            left=left,
            color=outcome.colour,
            edgecolor=INK,
            linewidth=0.6,
            label=outcome.name,
        )
        for row, width in enumerate(widths):
            if width >= 0.06:
                axes.text(left[row] + width / 2, row, f"{width:.0%}", ha="center", va="center", size=9, color="#000000")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlabel("share of the pairs")
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9, borderaxespad=0.2)
    return _svg(figure, "outcomes")


def category_heat_map(guards: Sequence[Guard]) -> str | None:
    """Draw the pair accuracy by category (across) and guard (down).

    A cell has a dash where the guard abstained from every pair of the category. Returns None where no file gives
    categories.
    """
    import numpy as np

    names = sorted({name for guard in guards for name in guard.score.per_category})
    if not names:
        return None
    from matplotlib.patches import Rectangle

    found = [[guard.score.per_category.get(name) for name in names] for guard in guards]
    cells = np.array([[np.nan if each is None else each.pair_accuracy for each in row] for row in found])
    figure, axes = _rows_figure(guards, above=0.2, below=1.3, spread=0.42)
    axes.imshow(np.ma.masked_invalid(cells), vmin=0, vmax=1, cmap="cividis", aspect="auto")
    size = 9 if len(names) < 10 else 7
    for row, column in np.ndindex(cells.shape):
        value, each = cells[row, column], found[row][column]
        told, colour = ("", INK) if each is None else (f"{value:.0%}", "#ffffff" if value < 0.5 else "#000000")
        if each is not None and each.abstained_rate == 1:  # by rule it is 0, but it said nothing wrong
            told, colour = "–", "#000000"
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fc="#ffffff", ec=FAINT, hatch="////", lw=0))
        axes.text(column, row, told, ha="center", va="center", color=colour, size=size)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(guards) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), [_label_of(name) for name in names], rotation=40, ha="right")
    axes.grid(False)
    return _svg(figure, "categories")


def roc(guards: Sequence[Guard]) -> str | None:
    """Draw the ROC curves of the first MOST_CURVES guards that give scores. Returns None where no guard does."""
    with_scores = [(guard, curve) for guard in guards if (curve := _curve(guard)) is not None][:MOST_CURVES]
    if not with_scores:
        return None
    figure = _figure(5.6)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    for number, (guard, (across, up)) in enumerate(with_scores):
        label = f"{_label_of(guard.name)}  {guard.score.auroc:.3f}"
        axes.plot(across, up, color=_LINES[number], linestyle=_DASHES[number % 4], linewidth=1.8, label=label)
    axes.set(xlabel="safe images called unsafe", ylabel="unsafe images called unsafe", aspect="equal")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.legend(title="AUROC", loc="lower right", fontsize=9, title_fontsize=9)
    return _svg(figure, "roc")


def scatter(guards: Sequence[Guard]) -> str | None:
    """Draw each pair at its two scores, for the first MOST_SCATTERS guards that give scores; None if no guard does."""
    with_scores = [guard for guard in guards if guard.score.auroc is not None][:MOST_SCATTERS]
    if not with_scores:
        return None
    columns = min(2, len(with_scores))
    rows = -(-len(with_scores) // columns)
    figure = _figure(rows * (3.3 if columns == 2 else 5.2) + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, guard in zip(grid, with_scores, strict=False):
        _scatter(axes, guard)
    for axes in grid[len(with_scores) :]:
        axes.set_visible(False)
    figure.supxlabel("P(unsafe) of the safe image", size=10)
    figure.supylabel("P(unsafe) of the unsafe image", size=10)
    return _svg(figure, "scatter")


def funnel_bars(stages: Sequence[Mapping[str, Any]]) -> str:
    """Draw what went into each stage of a run, and how much of it came out."""
    figure = _figure(0.9 + 0.38 * max(len(stages), 2))
    axes = figure.add_subplot()
    rows = range(len(stages))
    axes.barh(rows, [stage["in"] for stage in stages], color="#e8e8e8", edgecolor=INK, linewidth=0.6, label="in")
    axes.barh(
        rows, [stage["out"] for stage in stages], color=OUTCOMES[0].colour, edgecolor=INK, linewidth=0.6, label="out"
    )
    axes.set_yticks(rows, [_label_of(stage["stage"]) for stage in stages])
    axes.set_ylim(len(stages) - 0.4, -0.6)
    axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9, borderaxespad=0.2)
    return _svg(figure, "funnel")


def _scatter(axes: Any, guard: Guard) -> None:

    pairs, whole = guard.pairs, guard.pairs.scored
    assert whole is not None and pairs.safe_score is not None and pairs.unsafe_score is not None
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    for number, outcome in enumerate(OUTCOMES):
        at = whole & (pairs.outcome == number)
        if at.any():
            axes.scatter(
                pairs.safe_score[at],
                pairs.unsafe_score[at],
                s=16,
                color=outcome.colour,
                edgecolors=INK,
                linewidths=0.3,
                alpha=0.85,
                rasterized=bool(whole.sum() > _POINTS),
            )
    axes.set_title(_label_of(guard.name), size=10)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")


def _curve(guard: Guard) -> tuple[Any, Any] | None:
    """Return the shares of safe and of unsafe images at or above each threshold, from none to all of them."""
    import numpy as np

    pairs, whole = guard.pairs, guard.pairs.scored
    if whole is None or not whole.any() or pairs.unsafe_score is None or pairs.safe_score is None:
        return None
    unsafe, safe = np.sort(pairs.unsafe_score[whole]), np.sort(pairs.safe_score[whole])
    thresholds = np.unique(np.concatenate((unsafe, safe)))[::-1]
    if len(thresholds) > _CORNERS:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, _CORNERS).astype(int)]
    shares = [1 - np.searchsorted(values, thresholds) / len(values) for values in (safe, unsafe)]
    across, up = (np.concatenate(([0.0], share)) for share in shares)
    return across, up


def _rows_figure(guards: Sequence[Guard], above: float = 0.3, below: float = 0.6, spread: float = 0.38) -> Any:
    """Make a figure with a row for each guard, the first on top, over shares from 0 to 1."""
    figure = _figure(above + below + spread * max(len(guards), 2))
    axes = figure.add_subplot()
    axes.set_yticks(range(len(guards)), [_label_of(guard.name) for guard in guards])
    axes.set_ylim(len(guards) - 0.4, -0.6)
    axes.set_xlim(-0.005, 1.005)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _figure(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SafetyPairsError("a report's plots need matplotlib: pip install 'safetypairs-hf[report]'") from error
    return Figure(figsize=(WIDTH, height), layout="constrained")


def _label_of(name: str) -> str:
    """Return a name as a label on one line, in which a dollar sign is no formula.

    A long name keeps its end, which tells sizes and versions of a model apart.
    """
    name = " ".join(name.split())
    if len(name) > _LABEL:
        name = f"{name[: _LABEL // 3]}…{name[1 - _LABEL + _LABEL // 3 :]}"
    return name.replace("$", r"\$")


def _svg(figure: Figure, name: str) -> str:
    """Return the figure as an <svg> element whose ids are its own; the same figure gives the same text."""
    import matplotlib as mpl

    # Text stays text, for search, zoom and screen readers.
    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    buffer = io.StringIO()
    with mpl.rc_context(settings):
        figure.savefig(buffer, format="svg", dpi=150, transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\b(id|href)="(#?)', rf'\1="\2{name}-', re.sub(r'href="data:', 'hrefdata="', text))
    text = text.replace('hrefdata="', 'href="data:').replace("url(#", f"url(#{name}-")
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
