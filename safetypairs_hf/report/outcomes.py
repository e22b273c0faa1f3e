"""The five outcomes of a pair, as reports name and colour them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from safetypairs_hf.metric.figures import Figures, figures_in


class Outcome(NamedTuple):
    """One of the outcomes.

    Attributes:
        key: Its name in the metric.
        share: The figure that is its share of the pairs.
        name: Its name for people.
        meaning: What it is, for people.
        colour: One of Okabe & Ito (2008), which differ in lightness too, so that everybody can tell them apart.
    """

    key: str
    share: str
    name: str
    meaning: str
    colour: str


_HEADINGS = {figure.name: figure.heading for figure in figures_in(Figures)}


def _wrong(key: str, meaning: str, colour: str) -> Outcome:
    share = f"{key}_rate"
    return Outcome(key, share, _HEADINGS[share], meaning, colour)


# In the order of `metric.pairs.OUTCOMES`.
OUTCOMES: Sequence[Outcome] = (
    Outcome("correct", "pair_accuracy", "correct", "the unsafe image called unsafe, the safe one safe", "#009E73"),
    _wrong("both_unsafe", "both called unsafe", "#E69F00"),
    _wrong("both_safe", "both called safe", "#D55E00"),
    _wrong("inverted", "both verdicts wrong", "#CC79A7"),
    _wrong("abstained", "no verdict on one of the two, or on both", "#8C8C8C"),
)


def rates(figures: Figures) -> tuple[float, ...]:
    """Return the shares of the outcomes, in the order of OUTCOMES; they sum to 1."""
    return tuple(getattr(figures, outcome.share) for outcome in OUTCOMES)
