"""Plan how many pairs to collect, from two guards that were run on a few: the function behind `safetypairs power`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from safetypairs_hf.metric.compare import compare
from safetypairs_hf.metric.pairs import Reading
from safetypairs_hf.metric.power import DIFFERENCES, DISCORDANCES, PowerTable, power_table


def power(
    differences: Sequence[float] = DIFFERENCES,
    discordances: Sequence[float] = DISCORDANCES,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    design_effect: float | None = None,
    data_from: tuple[Any, Any] | None = None,
    common: bool = False,
    **reading: Unpack[Reading],
) -> PowerTable:
    """Return the number of pairs needed to detect a difference between two guards, as `safetypairs power` does.

    Args:
        differences: As in `power_table`.
        discordances: As in `power_table`.
        alpha: The level of the two-sided test, in (0, 1).
        power: The probability of detecting the difference, in (0, 1).
        design_effect: As in `power_table`.
        data_from: Predictions of two guards on the same pairs, as `compare` takes them: their share of discordant pairs
            becomes an additional column.
        common: Of these two, compare the pairs that both have.
        **reading: `threshold`, `by`, `incomplete` and `labels`, as in `compare`.

    Returns:
        The table.

    Raises:
        PairError: A number is outside its range, or the two files cannot be compared.
    """
    observed = compare(*data_from, common=common, **reading) if data_from else None
    return power_table(
        differences, discordances, alpha=alpha, power=power, design_effect=design_effect, observed=observed
    )
