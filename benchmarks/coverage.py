"""How often the intervals hold the true value, and how often the test finds a difference that is not there.

    python benchmarks/coverage.py [--runs 3000] [--groups 10 20 30 50 157 755] [--only shares]

Pairs in groups are drawn from laws whose true share is known, and every interval and p value is computed by the library
on what was drawn. The grid: sizes of groups 2, 5, 10, geometric with mean 3, and Pareto cut at 60; shares .02 to .98;
correlation 0 to .5 within groups, by a beta-binomial law (each group has a share of its own) or by copies (with that
probability a group is one pair repeated). For differences two guards are drawn independently, with equal shares or with
the second at .5; false positives are counted where the shares are equal. It takes an hour or so; shares alone, minutes.

Bounds that we hold ourselves to, in the worst setting, where a miss counts beyond two standard errors: shares are held
by .92 of the intervals with sizes alike and by .88 with others, differences by .92 and .84, and at most .06 of the p
values are false positives. No time is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from _timing import parsed, parser_of

from safetypairs_hf.metric.inference import Moments, Paired, difference_interval, share_interval, sign_flip_p

GROUPS = (10, 20, 30, 50, 157, 755)
SHARES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
ALIKE = ("2", "5", "10")
SIZES: dict[str, Callable[[Any, tuple[int, int]], Any]] = {
    "2": lambda generator, shape: np.full(shape, 2),
    "5": lambda generator, shape: np.full(shape, 5),
    "10": lambda generator, shape: np.full(shape, 10),
    "geometric": lambda generator, shape: generator.geometric(1 / 3, shape),
    "Pareto": lambda generator, shape: np.minimum(60, generator.pareto(1.2, shape).astype(np.int64) + 1),
}


class Worst(NamedTuple):
    """The setting with the lowest coverage, or with the most false positives."""

    rate: float
    setting: str

    def line(self, what: str, bound: float, runs: int, below: bool) -> str:
        """One line: the rate, whether it keeps the bound within two standard errors, and where it was."""
        error = 2 * math.sqrt(bound * (1 - bound) / runs)
        kept = self.rate + error >= bound if below else self.rate - error <= bound
        return f"{what:<26}{self.rate:.3f}   bound {bound:.2f} {'kept' if kept else 'MISSED'}   {self.setting}"


def hits(generator: Any, sizes: Any, share: float, correlation: float, law: str) -> Any:
    """Draw (runs, g) hits of groups of these sizes."""
    if not correlation:
        return generator.binomial(sizes, share)
    if law == "beta":
        spread = (1 - correlation) / correlation
        return generator.binomial(sizes, generator.beta(share * spread, (1 - share) * spread, sizes.shape))
    copied = generator.random(sizes.shape) < correlation
    return np.where(copied, sizes * generator.binomial(1, share, sizes.shape), generator.binomial(sizes, share))


def of_shares(generator: Any, runs: int, sizes: Any, share: float, correlation: float, law: str) -> float:
    """The share of the runs whose interval holds `share`."""
    drawn = hits(generator, sizes, share, correlation, law)
    held = 0
    for one, size in zip(drawn, sizes, strict=True):
        low, high = share_interval(Moments.of(one, size))
        held += low <= share <= high
    return held / runs


def of_differences(
    generator: Any, runs: int, sizes: Any, shares: tuple[float, float], correlation: float, law: str
) -> tuple[float, float]:
    """The share of the runs whose interval holds the difference, and of those with a p value below 5%."""
    a, b = (hits(generator, sizes, share, correlation, law) for share in shares)
    # Which pairs both have right: the first guard's hits fall on a group's pairs at random, given how many there are.
    both = generator.hypergeometric(a, sizes - a, b)
    held = found = 0
    for of_a, of_b, of_both, size in zip(a, b, both, sizes, strict=True):
        n, sum_a, sum_b, joint = (int(each.sum()) for each in (size, of_a, of_b, of_both))
        paired = Paired(joint, sum_a, sum_b, n, of_a - of_b, size)
        low, high = difference_interval(paired)
        held += low <= shares[0] - shares[1] <= high
        found += sign_flip_p(paired.totals) < 0.05
    return held / runs, found / runs


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--groups", type=int, nargs="+", default=GROUPS)
    parser.add_argument("--only", choices=["shares"], help="leave differences and the test out")
    options = parsed(parser, runs=10, groups=GROUPS[:1])
    runs, generator = options.runs, np.random.default_rng(0)
    tables: dict[str, dict[tuple[int, str], Worst]] = {"shares": {}, "differences": {}, "false positives": {}}

    def keep(kind: str, at: tuple[int, str], found: Worst) -> None:
        worse = max if kind == "false positives" else min
        tables[kind][at] = worse(tables[kind].get(at, found), found)

    for groups, name, law, correlation, share in product(
        options.groups, SIZES, ("beta", "copies"), CORRELATIONS, SHARES
    ):
        at, setting = (groups, name), f"{groups} groups, share {share}, correlation {correlation}, {law}"
        sizes = SIZES[name](generator, (runs, groups)).astype(np.int64)
        keep("shares", at, Worst(of_shares(generator, runs, sizes, share, correlation, law), setting))
        for other in () if options.only else sorted({share, 0.5}):
            held, found = of_differences(generator, runs, sizes, (share, other), correlation, law)
            keep("differences", at, Worst(held, f"{setting}, the other {other}"))
            if other == share:
                keep("false positives", at, Worst(found, setting))
    shown = {kind: table for kind, table in tables.items() if table}
    print("the worst over shares, correlations and laws; nominal 0.95 and 0.05\n")
    print(f"{'groups':>6}  {'sizes':<10}" + "".join(f"{kind:>17}" for kind in shown))
    for groups, name in tables["shares"]:
        row = "".join(f"{table[groups, name].rate:>17.3f}" for table in shown.values())
        print(f"{groups:>6}  {name:<10}{row}")
    print()
    for sizes_are, bounds in (("alike", (0.92, 0.92)), ("unlike", (0.88, 0.84))):
        for kind, bound in zip(("shares", "differences"), bounds, strict=True):
            of_kind = [each for (_, name), each in tables[kind].items() if (name in ALIKE) is (sizes_are == "alike")]
            if of_kind:
                print(min(of_kind).line(f"{kind}, sizes {sizes_are}", bound, runs, below=True))
    if tables["false positives"]:
        print(max(tables["false positives"].values()).line("false positives", 0.06, runs, below=False))


if __name__ == "__main__":
    main()
