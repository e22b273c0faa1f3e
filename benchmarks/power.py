"""Whether the power that `pairs_needed` promises is had, with pairs in groups.

    python benchmarks/power.py [--runs 3000] [--power 0.8]

Of each pair, one guard alone is right with the share d, the better one with (d + x) / 2. Groups have sizes 1, 2, 5, 10,
geometric with mean 3, or Pareto cut at 60. Two laws give the pairs of a group the correlation r: with probability r all
of them are copies of one pair (copies), or each of them is so with probability sqrt(r) (mixed). The design effect of
the sum of differences is then 1 + (m0 - 1) (r + (1 - r) x^2 / d), where m0 is the mean size of the group that a pair
lies in. As many pairs are drawn as `pairs_needed` says at that design effect, and the library's test is run on them.

The bound: no setting has less than the power that was promised. Three standard errors are allowed, as the least of some
two hundred settings is looked at. It takes ten minutes or so; no time is measured.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from _timing import parsed, parser_of

from safetypairs_hf.metric.inference import sign_flip_p
from safetypairs_hf.metric.power import pairs_needed

SIZES = ("1", "2", "5", "10", "geometric", "Pareto")
CORRELATIONS = (0.0, 0.1, 0.3, 0.5, 1.0)
# Difference and discordance.
EFFECTS = ((0.2, 0.4), (0.1, 0.1), (0.1, 0.3), (0.05, 0.1))


def sizes_of(generator: Any, name: str, count: int) -> Any:
    """(count,) sizes of groups."""
    if name == "geometric":
        return generator.geometric(1 / 3, count)
    if name == "Pareto":
        return np.minimum(60, generator.pareto(1.2, count).astype(np.int64) + 1)
    return np.full(count, int(name))


def totals(generator: Any, sizes: Any, effect: tuple[float, float], correlation: float, law: str) -> Any:
    """(g,) the difference of each group: pairs that only the better guard has right, less those only the other has."""
    difference, discordance = effect
    shares = ((discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance)
    draw = [1, -1, 0]
    common = generator.choice(draw, len(sizes), p=shares)
    if law == "copies":
        copied = np.where(generator.random(len(sizes)) < correlation, sizes, 0)
    else:
        copied = generator.binomial(sizes, math.sqrt(correlation))
    group = np.repeat(np.arange(len(sizes)), sizes - copied)
    alone = generator.choice(draw, len(group), p=shares)
    return copied * common + np.bincount(group, weights=alone, minlength=len(sizes)).astype(np.int64)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--power", type=float, default=0.8)
    options = parsed(parser, runs=5)
    generator = np.random.default_rng(0)
    print(f"power had where {options.power} was promised, and the pairs that this took; {options.runs} runs each\n")
    print(f"{'sizes':<10}{'law':<7}{'r':>3}" + "".join(f"{f'{x} of {d}':>15}" for x, d in EFFECTS))
    least, where = 1.0, ""
    for name, law, correlation in product(SIZES, ("copies", "mixed"), CORRELATIONS):
        if name == "1" and (law, correlation) != ("copies", 0.0):
            continue
        sample = sizes_of(generator, name, 1_000_000)
        mean, of_a_pair = float(sample.mean()), float(sample @ sample / sample.sum())
        cells = []
        for effect in EFFECTS:
            x, d = effect
            design = 1 + (of_a_pair - 1) * (correlation + (1 - correlation) * x * x / d)
            n = pairs_needed(x, d, power=options.power, design_effect=design)
            groups = math.ceil(n / mean - 1e-9)
            found = 0
            for _ in range(options.runs):
                sizes = sizes_of(generator, name, groups)
                found += sign_flip_p(totals(generator, sizes, effect, correlation, law)) < 0.05
            had = found / options.runs
            cells.append(f"{had:>7.3f} {n:>7,}")
            if had < least:
                least, where = had, f"{name}, {law}, r {correlation}, difference {x} of {d}"
        print(f"{name:<10}{law:<7}{correlation:>3}" + "".join(cells), flush=True)
    error = 3 * math.sqrt(options.power * (1 - options.power) / options.runs)
    kept = "kept" if least + error >= options.power else "MISSED"
    print(f"\nleast power had {least:.3f}   bound {options.power:.2f} {kept}   {where}")


if __name__ == "__main__":
    main()
