"""Write the leaderboard as a Markdown table, for a paper or an issue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from safetypairs_hf.metric.figures import Face, Figure, shown_in

if TYPE_CHECKING:
    from safetypairs_hf.metric.score import PairScore
    from safetypairs_hf.report.guard_files import Guard


def markdown_table(guards: Sequence[Guard]) -> str:
    """Return a Markdown table of the headline figures of some guards, followed by their signatures.

    Shares are in percent. The best pair accuracy is bold, separately for pairs of images and for policy pairs.
    """
    figures = shown_in(Face.HEADLINE, guards[0].score)
    lines = [_line(["guard", *map(_heading, figures)]), _line(["---"] + ["---:"] * len(figures))]
    for guard in guards:
        best = max(each.score.pair_accuracy for each in guards if each.of_policies == guard.of_policies)
        lines.append(_line([_plain(guard.name), *(_cell(guard.score, figure, best) for figure in figures)]))
    signatures: dict[str, list[str]] = {}
    for guard in guards:
        signatures.setdefault(guard.score.signature, []).append(_plain(guard.name))
    listed = [f"{', '.join(names)}: `{signature}`" for signature, names in signatures.items()]
    others = ", ".join(figure.heading for figure in figures if not figure.format.percent)
    return "\n".join([*lines, "", f"All but {others} in percent.", "", *listed, ""])


def _heading(figure: Figure) -> str:
    heading = figure.heading.replace("accuracy", "acc.")
    return f"{heading} (95% CI)" if figure.interval else heading


def _cell(score: PairScore, figure: Figure, best: float) -> str:
    value = getattr(score, figure.name)
    if value is None:
        return "–"
    text = _number(figure, value)
    if figure.name == "pair_accuracy" and value == best:
        text = f"**{text}**"
    if figure.interval:
        low, high = getattr(score, figure.interval)
        text = f"{text} ({_number(figure, low)}–{_number(figure, high)})"
    return text


def _number(figure: Figure, value: float) -> str:
    return f"{100 * value:.1f}" if figure.format.percent else f"{value:.3f}"


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _plain(text: str) -> str:
    """Escape a name so that it stays in one cell and contains no markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#!~$])", r"\\\1", " ".join(text.split()))
