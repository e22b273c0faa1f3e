"""The result of a study: its table, its plot, and the answer in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from safetypairs_hf.core.errors import SafetyPairsError, counted

_COIN: Final = 0.25
_FEW: Final = 50  # a study of fewer pairs says so
_PAIRED: Final = "k pairs"
# The arm that "k pairs" is compared with: the same number of images, from twice as many scenes.
_RIVAL: Final = "2k unpaired"
_STYLES: Final = {
    "k unpaired": ("#8C8C8C", ":", "v"),
    "k unpaired, augmented": ("#E69F00", "-.", "s"),
    _RIVAL: ("#0072B2", "--", "o"),
    _PAIRED: ("#D55E00", "-", "D"),
    "k unverified pairs": ("#009E73", "-", "x"),
}


class Cell(NamedTuple):
    """The figures of an arm at k on a measured set: means over seeds, and an interval over families and seeds."""

    measured: str
    k: int
    arm: str
    pair_accuracy: float
    ci: tuple[float, float]
    ranking_accuracy: float


class Contrast(NamedTuple):
    """The pair accuracy of "k pairs" minus that of another arm, on the same pairs, with its interval."""

    measured: str
    k: int
    against: str
    difference: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class StudyResult:
    """The result of a study. `measured` has the numbers of pairs and families of each judged set."""

    data: str
    backbone: Mapping[str, Any]
    look: str
    seeds: int
    pool: int
    failures: int
    measured: Mapping[str, tuple[int, int]]
    cells: Sequence[Cell]
    contrasts: Sequence[Contrast]

    @property
    def k(self) -> int:
        """The largest k."""
        return max(cell.k for cell in self.cells)

    @property
    def answer(self) -> str:
        """The answer at the largest k: on unseen families, on seen ones and other sets, and the reasons for doubt."""
        told = [self._compared(name) for name in sorted(self.measured, key=lambda name: name != "unseen")]
        if not self._of("seen"):
            told.append("No family has enough train pairs to hold one out, so there is no figure on seen families.")
        unseen = [cell for cell in self.cells if cell.measured == "unseen" and cell.k == self.k]
        if all(cell.pair_accuracy < _COIN for cell in unseen):
            ranked = sorted(cell.ranking_accuracy for cell in unseen)
            told.append(
                f"On unseen families every arm is below the {_COIN} of a coin, and the unsafe image has the higher "
                f"score in {ranked[0]:.3f} to {ranked[-1]:.3f} of the pairs, where 0.5 is chance. Near chance, a "
                "difference between arms is one of how far apart scores lie, and not of what was learned."
            )
        if self.k < _FEW:
            told.append(f"k = {self.k} is few: read these figures as a rehearsal.")
        return " ".join(told)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the answer as JSON values."""
        plain = asdict(self)
        return plain | {
            "measured": {name: list(counts) for name, counts in self.measured.items()},
            "cells": [cell._asdict() for cell in self.cells],
            "contrasts": [each._asdict() for each in self.contrasts],
            "answer": self.answer,
        }

    def to_markdown(self) -> str:
        """Return the page of the study: the answer, the table, and the method."""
        box = " cut to the edit box, which a real guard does not know" if self.look == "edit-box" else ""
        grid = self.backbone["grid"]
        views = f" and of {grid} x {grid} crops" if grid > 1 else ""
        failed = f", and {counted(self.failures, 'failed attempt')}" if self.failures else ""
        sets = "; ".join(
            f"{name}: {counted(pairs, 'pair')} of {counted(families, 'family')}"
            for name, (pairs, families) in self.measured.items()
        )
        return f"""# What pairs are worth as training data: {self.data}

{self.answer}

![pair accuracy by k](study.png)

{self._table()}

Pair accuracy at the threshold 0.5, the mean over {counted(self.seeds, "seed")}, with 95% intervals over families and
seeds; in parentheses the share of pairs whose unsafe member has the higher score. "k pairs" and "2k unpaired" are
equally many images; "augmented" shows each image a second time, cropped and in other light.

A {self.backbone["head"]} head on features of {self._features} of the
image{box}{views}. Drawn from {self.pool:,} train pairs{failed}. Judged: {sets}.
"""

    @property
    def _features(self) -> str:
        return f"{self.backbone['model']} ({self.backbone['revision']})"

    def __str__(self) -> str:
        return f"{self._table()}\n\n{self.answer}"

    def _of(self, measured: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.measured == measured and cell.k == self.k]

    def _compared(self, name: str) -> str:
        cells = {cell.arm: cell for cell in self._of(name)}
        pairs, rival = cells[_PAIRED], cells[_RIVAL]
        where = {"seen": "held-out pairs of seen families", "unseen": "unseen families"}.get(name, name)
        parts = [
            f"At k = {self.k}, on {where}, {self.k} pairs reach a pair accuracy of {_figure(pairs)} and "
            f"{2 * self.k} unpaired images {_figure(rival)}: {_verdict(self._contrast(name, _RIVAL), 'pairs')}."
        ]
        if "k unverified pairs" in cells:
            found = self._contrast(name, "k unverified pairs")
            parts.append(
                f"{self.k} pairs that no judge verified reach {_figure(cells['k unverified pairs'])}: "
                f"{_verdict(found, 'verified pairs')}."
            )
        return " ".join(parts)

    def _contrast(self, name: str, against: str) -> Contrast:
        return next(each for each in self.contrasts if (each.measured, each.k, each.against) == (name, self.k, against))

    def _table(self) -> str:
        names = list(self.measured)
        rows = [f"| k | trained on | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for k, arm in dict.fromkeys((cell.k, cell.arm) for cell in self.cells):
            found = [
                f"{_figure(cell)} ({cell.ranking_accuracy:.3f})"
                for name in names
                for cell in self.cells
                if (cell.measured, cell.k, cell.arm) == (name, k, arm)
            ]
            rows.append(f"| {k} | {arm} | {' | '.join(found)} |")
        return "\n".join(rows)


def draw_study(result: StudyResult, path: Path) -> None:
    """Draw pair accuracy by k as a PNG file, with a panel for each measured set and a line for each arm.

    Raises:
        SafetyPairsError: Matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SafetyPairsError("the plot needs matplotlib; pip install 'safetypairs-hf[train]'") from error
    names = list(result.measured)
    figure = Figure(figsize=(4.2 * len(names) + 0.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    arms = list(dict.fromkeys(cell.arm for cell in result.cells))
    for panel, name in zip(panels, names, strict=True):
        for place, arm in enumerate(arms):
            cells = [cell for cell in result.cells if (cell.measured, cell.arm) == (name, arm)]
            apart = 1.03 ** (place - (len(arms) - 1) / 2)  # so that intervals at one k do not overlap
            colour, dashes, mark = _STYLES[arm]
            middle = [cell.pair_accuracy for cell in cells]
            panel.errorbar(
                [cell.k * apart for cell in cells],
                middle,
                yerr=[
                    [cell.pair_accuracy - cell.ci[0] for cell in cells],
                    [cell.ci[1] - cell.pair_accuracy for cell in cells],
                ],
                color=colour,
                linestyle=dashes,
                marker=mark,
                markersize=5,
                linewidth=1.5,
                elinewidth=0.9,
                capsize=2,
                label=arm,
            )
        panel.axhline(_COIN, color="#666666", linewidth=0.8, linestyle=(0, (1, 3)))
        pairs, families = result.measured[name]
        panel.set_title(f"{_short(name)}: {counted(pairs, 'pair')}, {counted(families, 'family')}", fontsize=10)
        panel.set_xscale("log")
        sizes = sorted({cell.k for cell in result.cells})
        panel.set_xticks(sizes, [str(k) for k in sizes])
        panel.minorticks_off()
        panel.set_xlabel("k")
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("pair accuracy, 95% interval")
    panels[0].annotate("a coin", (1, _COIN), (-3, 3), ("axes fraction", "data"), "offset points", ha="right", size=8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(arms), fontsize=9)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _figure(cell: Cell) -> str:
    return f"{cell.pair_accuracy:.3f} [{cell.ci[0]:.3f}, {cell.ci[1]:.3f}]"


def _verdict(contrast: Contrast, who: str) -> str:
    low, high = contrast.ci
    size = f"{contrast.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
    if low > 0:
        return f"{who} are better, by {size}"
    if high < 0:
        return f"{who} are worse, by {size}"
    return f"no difference can be told, {size}"


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"...{name[-21:]}"
