"""The leaderboard as a Markdown table, for a paper or an issue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safetypairs_hf.report.guard_files import Guard


def markdown_table(guards: Sequence[Guard]) -> str:
    """Pair accuracy in percent with its interval, the outcomes and AUROC, best in bold; then the signatures."""
    columns = ("guard", "pair acc. (95% CI)", "over-blocking", "missed", "inverted", "abstained", "image acc.", "AUROC")
    lines = [_line(columns), _line(["---"] + ["---:"] * (len(columns) - 1))]
    best = max(guard.score.pair_accuracy for guard in guards)
    for guard in guards:
        s = guard.score
        accuracy = f"**{_percent(s.pair_accuracy)}**" if s.pair_accuracy == best else _percent(s.pair_accuracy)
        low, high = s.pair_accuracy_ci
        wrong = map(_percent, (s.both_unsafe_rate, s.both_safe_rate, s.inverted_rate, s.abstained_rate))
        area = "–" if s.auroc is None else f"{s.auroc:.3f}"
        interval = f"{accuracy} ({_percent(low)}–{_percent(high)})"
        lines.append(_line([_plain(guard.name), interval, *wrong, _percent(s.image_accuracy), area]))
    signatures: dict[str, list[str]] = {}
    for guard in guards:
        signatures.setdefault(guard.score.signature, []).append(_plain(guard.name))
    told = [f"{', '.join(names)}: `{signature}`" for signature, names in signatures.items()]
    return "\n".join([*lines, "", "All but AUROC in percent.", "", *told, ""])


def _line(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _plain(text: str) -> str:
    """A name that stays one cell, and is no markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#!~$])", r"\\\1", " ".join(text.split()))
