"""The figures of a score as flat names and floats, which is what training loops log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safetypairs_hf.metric.scoring import PairScore


def flat(score: PairScore) -> dict[str, float]:
    """Every figure that applies, by its name in METRIC.md.

    The interval's ends are `pair_accuracy_low` and `pair_accuracy_high`; a category's pair accuracy is
    `pair_accuracy/<category>`. A figure that does not apply is left out: loops log floats and know no None.
    """
    found: dict[str, float] = {}
    for name, value in score.to_dict().items():
        if name == "pair_accuracy_ci":
            found["pair_accuracy_low"], found["pair_accuracy_high"] = value
        elif isinstance(value, int | float):
            found[name] = float(value)
    for name, figures in score.per_category.items():
        found[f"pair_accuracy/{name}"] = figures.pair_accuracy
    return found
