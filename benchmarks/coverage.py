"""How often the intervals hold the true value, and how often the test finds a difference: there is none, or there is.

    python benchmarks/coverage.py [--runs 3000] [--groups 10 20 30 50 157 755] [--only shares ...]

Pairs in groups are drawn from laws whose true share is known. The grid: groups of 2, 5 and 10 pairs, of a geometric
number with mean 3, and of a Pareto number cut at 60; shares .02 to .98; correlation 0 to .5 within groups, by a
beta-binomial law (each group has a share of its own) or by copies (with that probability a group is one pair repeated).

    single       intervals of a share of single pairs: plain Wilson, computed exactly for shares from .02 to .98
    shares       intervals of one guard's share
    images       intervals of image accuracy: an image is a unit of its pair's group, and a pair's two images are alike
                 with correlation 0, .5 or 1; with groups and without
    macro        intervals of the mean over categories, unweighted and with most weight on the smallest. Groups fall to
                 them as 3 to 2 to 1, or as 9 to 8 to ... to 1; the categories' shares are equal or spread over 3
                 units of the logit. Groups lie in one category each, or have as many pairs in each of three
    differences  two guards drawn alike and independently, with equal shares or with the second at .5: intervals of the
                 difference, and false positives of the sign-flip test where the shares are equal
    equivalence  the first guard's share lies below the second's by a margin of .1: how often it is found not inferior
    unlike       equal shares, but the first guard is right or wrong in all of its groups, or in half of them, as a
                 whole, and the second in single pairs
    scores       intervals of AUROC, ranking accuracy and a difference in AUROC: normal scores, areas .6 to .99, with
                 correlation 0 or .3 within groups
    power        the difference that the library says is found with power 80%, and how often it is found

Intervals of scores are the library's. The others, and p values, are computed for all runs at once; the first runs of
every setting are computed by the library as well, those of `images` and `macro` by `score` from rows, and the benchmark
stops where the two differ. No time is measured; all of it takes about an hour.

Bounds that we hold ourselves to, in the worst setting, where a miss counts beyond two standard errors: shares are held,
of pairs and of images, by .92 of the intervals with sizes alike and by .88 with others, differences by .92 and .84, and
at most .06 of the p values are false positives of guards drawn alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from _timing import parsed, parser_of
from scipy import stats

from safetypairs_hf.metric.inference import (
    Groups,
    Moments,
    Paired,
    difference_interval,
    share_interval,
    sign_flip_p,
)
from safetypairs_hf.metric.power import power_at
from safetypairs_hf.metric.ranking import Ranks, auroc_difference
from safetypairs_hf.metric.score import PairScore, score

PARTS = ("single", "shares", "images", "macro", "differences", "equivalence", "unlike", "scores", "power")
GROUPS = (10, 20, 30, 50, 157, 755)
MARGIN = 0.1
AREAS = (0.6, 0.8, 0.95, 0.99)
SHARES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
# No correlation is one law. With the other, groups are tied in two ways.
TIES = (("none", 0.0), *product(("beta", "copies"), (0.1, 0.3, 0.5)))
SOME_TIES = (("none", 0.0), ("beta", 0.3), ("copies", 0.3))
SOME_SHARES = (0.05, 0.3, 0.7, 0.95, 0.98)
ALIKE = ("2", "5", "10", "alone")
SIZES: dict[str, Callable[[Any, tuple[int, int]], Any]] = {
    "2": lambda generator, shape: np.full(shape, 2),
    "5": lambda generator, shape: np.full(shape, 5),
    "10": lambda generator, shape: np.full(shape, 10),
    "geometric": lambda generator, shape: generator.geometric(1 / 3, shape),
    "Pareto": lambda generator, shape: np.minimum(60, generator.pareto(1.2, shape).astype(np.int64) + 1),
    "alone": lambda generator, shape: np.ones(shape),  # pairs without groups, for the parts `images` and `macro`
}
CHECKED = 3  # runs of each setting that the library computes too, where there are so many
AT_ONCE = 1 << 21  # numbers in one table of the sign-flip test


class Pairs(NamedTuple):
    """What two guards have right in the groups of each run: four (runs, groups) tables of whole numbers."""

    sizes: Any
    a: Any
    b: Any
    both: Any


def sizes_of(name: str, groups: int, runs: int, *setting: Any) -> tuple[Any, Any]:
    """Return a generator for a setting, the same whatever else is run, and its (runs, groups) sizes."""
    seed = [groups, list(SIZES).index(name), *(round(1000 * each) for each in setting)]
    generator = np.random.default_rng(seed)
    return generator, SIZES[name](generator, (runs, groups)).astype(np.int64)


def hits(generator: Any, sizes: Any, share: Any, law: str, correlation: float, alike: float | None = None) -> Any:
    """Draw how many pairs of each group a guard has right: how many images, if the correlation of a pair's is given.

    The share is one number, or one for each group.
    """

    def draw(pairs: Any, share: Any) -> Any:
        if alike is None:
            return generator.binomial(pairs, share)
        twins = generator.binomial(pairs, alike)
        return 2 * generator.binomial(twins, share) + generator.binomial(2 * (pairs - twins), share)

    if law == "beta":
        spread = (1 - correlation) / correlation
        return draw(sizes, generator.beta(share * spread, (1 - share) * spread, sizes.shape))
    alone = draw(sizes, share)
    if law == "none":
        return alone
    copied = generator.random(sizes.shape) < correlation
    return np.where(copied, sizes * draw(np.ones_like(sizes), share), alone)


def together(generator: Any, sizes: Any, a: Any, b: Any) -> Pairs:
    """Draw which pairs both have right: the first guard's fall on pairs of a group at random."""
    return Pairs(sizes, a, b, generator.hypergeometric(a, sizes - a, b))


def t_factor(n: Any, groups: int, tail: float = 0.025) -> Any:
    """Return (t of n - 1 / t of groups - 1)^2 for each number of pairs."""
    if groups == 1:
        return np.ones(len(n))
    t_pairs, t_groups = (stats.t.isf(tail, count - 1) for count in (n, groups))
    return np.where(n == groups, 1.0, (t_pairs / t_groups) ** 2)


def wilson(share: Any, size: Any, tail: float = 0.025) -> tuple[Any, Any]:
    """Return Wilson's intervals."""
    z = stats.norm.isf(tail)
    z2 = z * z
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = z / (1 + z2 / size) * np.sqrt(share * (1 - share) / size + z2 / (4 * size * size))
    return np.where(share == 0, 0, (centre - half).clip(0, 1)), np.where(share == 1, 1, (centre + half).clip(0, 1))


def share_intervals(hit: Any, sizes: Any) -> tuple[Any, Any]:
    """Return the interval of each run, as `share_interval` computes it."""
    groups, n, x = sizes.shape[1], sizes.sum(axis=1), hit.sum(axis=1)
    typical = (sizes**2).sum(axis=1) / n
    padded = n + typical
    share = (x + typical / 2) / padded
    squares = ((hit - share[:, None] * sizes) ** 2).sum(axis=1) + typical**2 * ((1 - share) ** 2 + share**2) / 2
    effect = np.maximum(1, (groups + 1) / groups * (squares / padded) / (share * (1 - share)))
    effect = typical if groups == 1 else effect
    low, high = wilson(x / n, n / np.where(n == groups, 1, effect) * t_factor(n, groups))
    for run in range(len(sizes[:CHECKED])):
        agree((low[run], high[run]), share_interval(Moments.of(hit[run], sizes[run])))
    return low, high


def mean_intervals(hit: Any, sizes: Any, category: Any, weights: Any) -> tuple[Any, Any]:
    """Return the interval of each run's mean over categories, as `weighted_mean` computes it from the categories' own.

    Args:
        hit: (runs, cells) pairs right in each group, or in the part of a group that is in one category.
        sizes: (runs, cells) pairs.
        category: (cells,) numbers from 0, never falling.
        weights: (categories,) that sum to 1.
    """
    mean, below, above = np.zeros((3, len(hit)))
    for number, weight in enumerate(weights):
        of_hit, of_sizes = (each[:, category == number] for each in (hit, sizes))
        found = of_hit.sum(axis=1) / of_sizes.sum(axis=1)
        low, high = share_intervals(of_hit, of_sizes)
        mean += weight * found
        below += (weight * (found - low)) ** 2
        above += (weight * (high - found)) ** 2
    return (mean - np.sqrt(below)).clip(0), (mean + np.sqrt(above)).clip(None, 1)


def scored(
    hit: Any, sizes: Any, units: int, grouped: bool, group: Any, category: Any, weights: Any = None
) -> PairScore:
    """Return what `score` says of one run, from rows.

    Args:
        hit: (cells,) pairs of each cell that are right, or images.
        sizes: (cells,) pairs of each cell.
        units: 1 where pairs are counted: the safe image is right in all of them. 2 where images are.
        grouped: Whether the rows have groups.
        group: (cells,) the group of each cell.
        category: (cells,) numbers from 0.
        weights: One for each category; all alike by default.
    """
    of_units, n = units * sizes, int(sizes.sum())
    place = np.arange(units * n) - np.repeat(np.cumsum(of_units) - of_units, of_units)
    right = np.ones((n, 2), dtype=np.int64)
    right[:, :units] = (place < np.repeat(hit, of_units)).reshape(n, units)
    rows = {"pair_id": np.repeat(np.arange(n), 2), "reference": np.tile([1, 0], n)}
    rows["prediction"] = np.where(rows["reference"] == right.ravel(), 1, 0)
    rows["category"] = np.repeat(category, 2 * sizes).astype(str)
    if grouped:
        rows["group"] = np.repeat(group, 2 * sizes)
    named = None if weights is None else {str(number): float(weight) for number, weight in enumerate(weights)}
    return score(rows, weights=named)


def difference_intervals(pairs: Pairs, tail: float = 0.025) -> tuple[Any, Any]:
    """Return the interval of each run, as `difference_interval` computes it."""
    groups, n = pairs.sizes.shape[1], pairs.sizes.sum(axis=1)
    of_a, of_b, both = (each.sum(axis=1) for each in (pairs.a, pairs.b, pairs.both))
    gap = (of_a - of_b) / n
    simple = of_a + of_b - 2 * both - n * gap**2
    squares = ((pairs.a - pairs.b - gap[:, None] * pairs.sizes) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.maximum(1, groups / (groups - 1) * squares / simple)
    effect = np.where(simple > 1e-9, effect, (pairs.sizes**2).sum(axis=1) / n)
    size = n / np.where(n == groups, 1, effect) * t_factor(n, groups, tail)
    a, b, c, d = (size / n * each for each in (both, of_a - both, of_b - both, n - of_a - of_b + both))
    top, margins = a * d - b * c, (a + b) * (c + d) * (a + c) * (b + d)
    top = np.where(top > 0, (top - size / 2).clip(0), top)
    phi = np.where(margins > 1e-12, top / np.sqrt(np.maximum(margins, 1e-12)), 0)
    p_a, p_b = of_a / n, of_b / n
    (low_a, high_a), (low_b, high_b) = wilson(p_a, size, tail), wilson(p_b, size, tail)

    def hybrid(one: Any, other: Any) -> Any:
        return np.sqrt((one**2 - 2 * phi * one * other + other**2).clip(0))

    low = (gap - hybrid(p_a - low_a, high_b - p_b)).clip(-1)
    high = (gap + hybrid(high_a - p_a, p_b - low_b)).clip(None, 1)
    for run in range(len(pairs.sizes[:CHECKED])):
        agree((low[run], high[run]), difference_interval(paired(pairs, run), tail=tail))
    return low, high


def paired(pairs: Pairs, run: int) -> Paired:
    """Return one run as the library counts two guards."""
    both, a, b, n = (int(each[run].sum()) for each in (pairs.both, pairs.a, pairs.b, pairs.sizes))
    return Paired(both, a, b, n, pairs.a[run] - pairs.b[run], pairs.sizes[run])


def sign_flip_ps(totals: Any) -> Any:
    """Return the p value of each run of (runs, groups) differences, as `sign_flip_p` computes it, to about 1e-12.

    The law of sum(s_g D_g) is read from its characteristic function, the product of cos(D_g t).
    """
    sizes, observed = np.abs(totals), np.abs(totals.sum(axis=1))
    largest = int(sizes.max())
    counts = np.zeros((len(totals), largest + 1))
    np.add.at(counts, (np.arange(len(totals))[:, None], sizes), 1)
    # What is further out than nine standard deviations has a probability below 1e-17 (Hoeffding 1963).
    squares = (sizes**2).sum(axis=1).max()
    length = 1 << math.ceil(math.log2(2 * max(1.0, min(sizes.sum(axis=1).max(), 9 * math.sqrt(squares))) + 2))
    cosines = np.cos(2 * math.pi / length * np.outer(np.arange(largest + 1), np.arange(length // 2 + 1)))
    logs, negative = (
        np.log(np.maximum(np.abs(cosines), 1e-300)),
        (cosines < 0).astype(float),
    )
    nearer = np.arange(length // 2 + 1)
    found = np.ones(len(totals))
    for start in range(0, len(totals), max(1, AT_ONCE // length)):
        some = slice(start, start + max(1, AT_ONCE // length))
        sign = 1 - 2 * (counts[some] @ negative % 2)
        law = np.fft.irfft(sign * np.exp(counts[some] @ logs), length)[:, : length // 2 + 1]
        law[:, 1 : length // 2] *= 2  # both signs of the sum
        found[some] = np.where(nearer >= observed[some, None], law, 0).sum(axis=1)
    for run in range(len(totals[:CHECKED])):
        agree((found[run],), (sign_flip_p(totals[run]),))
    return found


def agree(found: tuple[Any, ...], of_the_library: tuple[float, ...]) -> None:
    """Stop where the two computations of one run differ."""
    if not np.allclose(found, of_the_library, rtol=0, atol=1e-9):
        raise SystemExit(f"computed at once {found}, by the library {of_the_library}")


def held(ends: tuple[Any, Any], truth: float) -> float:
    """Return the share of the intervals that hold the true value."""
    low, high = ends
    return float(((low <= truth + 1e-12) & (truth <= high + 1e-12)).mean())


def show_single(counts: list[int]) -> None:
    """Print the lowest coverage of plain Wilson intervals over a fine grid of shares, exactly."""
    print("\nintervals of a share of single pairs, the worst share from .02 to .98")
    print("\n| pairs | coverage | share |\n|---:|---:|---:|")
    shares = np.linspace(0.02, 0.98, 9601)
    for n in counts:
        hit = np.arange(n + 1)
        low, high = wilson(hit / n, np.full(n + 1, float(n)))
        covered = (low <= shares[:, None]) & (shares[:, None] <= high)
        coverage = np.where(covered, stats.binom.pmf(hit, n, shares[:, None]), 0).sum(axis=1)
        worst = int(coverage.argmin())
        print(f"| {n} | {coverage[worst]:.3f} | {shares[worst]:.4f} |")


def scores_held(name: str, groups: int, runs: int, area: float, correlation: float) -> dict[str, float]:
    """Return how often the intervals of scores hold: of AUROC, of ranking accuracy and of a difference in AUROC.

    The two images of a pair have correlation .5 in what they share with their group. The second guard sees what the
    first sees and as much noise again.
    """
    generator, sizes = sizes_of(name, groups, runs, area, correlation)
    gap = math.sqrt(2) * stats.norm.ppf(area)
    of_pair = stats.norm.cdf(gap / math.sqrt(2 - correlation))
    other = stats.norm.cdf(gap / 2)
    held: dict[str, list[bool]] = {"auroc": [], "ranking": [], "auroc difference": []}
    for size in sizes:
        group = np.repeat(np.arange(groups), size)
        shared = generator.normal(size=(3, groups))[:, group]
        own, noise = generator.normal(size=(2, 2, len(group)))
        seen = math.sqrt(correlation / 2) * (shared[:2] + shared[2]) + math.sqrt(1 - correlation) * own
        seen[0] += gap
        first, second = (Ranks.of(*(1 / (1 + np.exp(-each))).reshape(2, 1, -1)) for each in (seen, seen + noise))
        of_pairs = Groups.of(group, len(group))
        found = first.figures(of_pairs)
        _, ends = auroc_difference(first, second, of_pairs)
        for kind, interval, truth in (
            ("auroc", found.auroc_ci, area),
            ("ranking", found.ranking_accuracy_ci, of_pair),
            ("auroc difference", ends, area - other),
        ):
            if interval is not None:  # there is none where neither guard has a pair of images in the wrong order
                held[kind].append(interval[0] <= truth <= interval[1])
    return {kind: sum(each) / max(1, len(each)) for kind, each in held.items()}


def ties_in(name: str) -> tuple[tuple[str, float], ...]:
    """Return how groups are tied for images and means: fewer ways than for shares, and none for pairs alone."""
    return SOME_TIES[: 1 if name == "alone" else None]


def images_held(name: str, groups: int, runs: int) -> Iterator[tuple[str, Worst]]:
    """Return how often the intervals of image accuracy hold."""
    for share, (law, correlation), alike in product(SHARES, ties_in(name), (0.0, 0.5, 1.0)):
        generator, sizes = sizes_of(name, groups, runs, share, correlation, law == "copies", alike)
        hit = hits(generator, sizes, share, law, correlation, alike)
        low, high = share_intervals(hit, 2 * sizes)
        group, category = np.arange(groups), np.zeros(groups, dtype=np.int64)
        for run in range(len(hit[:CHECKED])):
            found = scored(hit[run], sizes[run], 2, name != "alone", group, category)
            agree((low[run], high[run]), found.image_accuracy_ci)
        setting = f"{tied_by(share, law, correlation)}, of a pair's images {alike:g}"
        yield "images", Worst(held((low, high), share), setting)


def macro_held(name: str, groups: int, runs: int) -> Iterator[tuple[str, Worst]]:
    """Return how often the intervals of the mean over categories hold, where a group lies in one category."""
    for share, (law, correlation), categories, spread in product(SOME_SHARES, ties_in(name), (3, 9), (0.0, 1.5)):
        generator, sizes = sizes_of(name, groups, runs, share, correlation, law == "copies", categories, spread)
        shares = 1 / (1 + (1 / share - 1) * np.exp(-spread * np.linspace(-1, 1, categories)))
        falling = np.arange(categories, 0, -1)
        counts = 1 + (groups - categories) * falling // falling.sum()
        counts[0] += groups - counts.sum()
        category = np.repeat(np.arange(categories), counts)
        hit = hits(generator, sizes, shares[category], law, correlation)
        setting = tied_by(share, law, correlation) + (", shares spread" if spread else "")
        cells = np.arange(groups), category
        yield from means_held(f"macro of {categories}", hit, sizes, *cells, shares, name != "alone", setting)


def across_held(name: str, groups: int, runs: int) -> Iterator[tuple[str, Worst]]:
    """Return how often they hold where each group has as many pairs in one of three categories as in another."""
    for share, (law, correlation) in product(SOME_SHARES, SOME_TIES[1:]):
        generator, sizes = sizes_of(name, groups, runs, share, correlation, law == "copies", 3)
        left = hits(generator, 3 * sizes, share, law, correlation)
        parts = []
        for others in (2, 1, 0):  # the hits of a group fall on its pairs at random
            parts.append(generator.hypergeometric(left, (others + 1) * sizes - left, sizes))
            left = left - parts[-1]
        cells = np.tile(np.arange(groups), 3), np.repeat(np.arange(3), groups)
        of_cells = np.hstack(parts), np.hstack([sizes] * 3)
        setting = tied_by(share, law, correlation)
        yield from means_held("macro across", *of_cells, *cells, np.full(3, share), True, setting)


def means_held(
    kind: str,
    hit: Any,
    sizes: Any,
    group: Any,
    category: Any,
    shares: Any,
    grouped: bool,
    setting: str,
) -> Iterator[tuple[str, Worst]]:
    """Return how often the intervals of the mean hold; weighted, the last category weighs most."""
    for by_weight in (False, True):
        weights = np.arange(1, len(shares) + 1) if by_weight else np.ones(len(shares))
        weights = weights / weights.sum()
        ends = mean_intervals(hit, sizes, category, weights)
        for run in range(len(hit[:CHECKED])):
            found = scored(hit[run], sizes[run], 1, grouped, group, category, weights if by_weight else None)
            agree((ends[0][run], ends[1][run]), found.macro_pair_accuracy_ci)
        named = f"{setting}, weighted" if by_weight else setting
        yield kind, Worst(held(ends, float(weights @ shares)), named)


def tied_by(share: float, law: str, correlation: float) -> str:
    """Name a share, and how the pairs of a group are tied."""
    return f"share {share}, correlation {correlation:g}" + (f" by {law}" if correlation else "")


def positives(pairs: Pairs) -> float:
    """Return the share of the runs whose p value is below 5%."""
    return float((sign_flip_ps(pairs.a - pairs.b) < 0.05).mean())


class Worst(NamedTuple):
    """The setting with the lowest coverage, or with the most false positives."""

    rate: float
    setting: str


Table = dict[tuple[int, str], Worst]


class Kind(NamedTuple):
    """What a table counts, and its bound with sizes alike and with others; none where it is only shown."""

    title: str
    bounds: tuple[float, float] | None
    low_is_worse: bool = True


KINDS = {
    "shares": Kind("intervals of shares", (0.92, 0.88)),
    "images": Kind("intervals of image accuracy", (0.92, 0.88)),
    "macro of 3": Kind("intervals of the mean over 3 categories", None),
    "macro of 9": Kind("intervals of the mean over 9 categories", None),
    "macro across": Kind("intervals of the mean over 3 categories, each group in all of them", None),
    "differences": Kind("intervals of differences", (0.92, 0.84)),
    "positives": Kind("false positives, guards drawn alike", (0.06, 0.06), low_is_worse=False),
    "equivalence": Kind("found not inferior at a margin of .1, though worse by it", None, low_is_worse=False),
    "auroc": Kind("intervals of AUROC", None),
    "ranking": Kind("intervals of ranking accuracy", None),
    "auroc difference": Kind("intervals of a difference in AUROC", None),
    **{
        f"{kind} {tied}": Kind(
            f"{title}, {of} groups of one guard are right or wrong as a whole",
            None,
            kind == "held",
        )
        for tied, of in (("all", "all"), ("half", "half of the"))
        for kind, title in (
            ("held", "intervals of differences"),
            ("found", "false positives"),
        )
    },
}


def rates(parts: list[str], name: str, groups: int, runs: int) -> Iterator[tuple[str, Worst]]:
    """Draw every setting of a number of groups and a law of sizes: what was counted, and how often it was so."""
    if "images" in parts:
        yield from images_held(name, groups, runs)
    if "macro" in parts:
        yield from macro_held(name, groups, runs)
        if name != "alone":
            yield from across_held(name, groups, runs)
    if name == "alone":
        return
    for share, (law, correlation) in product(SHARES if {"shares", "differences"} & {*parts} else (), TIES):
        setting = tied_by(share, law, correlation)
        generator, sizes = sizes_of(name, groups, runs, share, correlation, law == "copies")
        a = hits(generator, sizes, share, law, correlation)
        if "shares" in parts:
            yield "shares", Worst(held(share_intervals(a, sizes), share), setting)
        for other in sorted({share, 0.5}) if "differences" in parts else ():
            pairs = together(generator, sizes, a, hits(generator, sizes, other, law, correlation))
            truth, of_both = share - other, f"{setting}, the other guard {other}"
            yield (
                "differences",
                Worst(held(difference_intervals(pairs), truth), of_both),
            )
            if not truth:
                yield "positives", Worst(positives(pairs), setting)
    for share, (law, correlation) in product((0.2, 0.5, 0.7, 0.85) if "equivalence" in parts else (), TIES):
        generator, sizes = sizes_of(name, groups, runs, share, correlation, law == "copies")
        a, b = (hits(generator, sizes, each, law, correlation) for each in (share, share + MARGIN))
        low, _ = difference_intervals(together(generator, sizes, a, b), tail=0.05)
        setting = tied_by(share, law, correlation)
        yield "equivalence", Worst(float((low > -MARGIN).mean()), setting)
    for area, correlation in product(AREAS if "scores" in parts else (), (0.0, 0.3)):
        for kind, rate in scores_held(name, groups, runs, area, correlation).items():
            yield kind, Worst(rate, f"area {area}, correlation {correlation:g}")
    for share, (tied, correlation) in product(SHARES if "unlike" in parts else (), (("all", 1.0), ("half", 0.5))):
        generator, sizes = sizes_of(name, groups, runs, share, correlation)
        whole = hits(generator, sizes, share, "copies", correlation)
        pairs = together(generator, sizes, whole, hits(generator, sizes, share, "none", 0.0))
        yield (
            f"held {tied}",
            Worst(held(difference_intervals(pairs), 0), f"share {share}"),
        )
        yield f"found {tied}", Worst(positives(pairs), f"share {share}")


def show(kind: Kind, table: Table, runs: int) -> None:
    """Print the worst rate of each number of groups and law of sizes, and whether the bounds are kept."""
    groups, names = sorted({at for at, _ in table}), [name for name in SIZES if (next(iter(table))[0], name) in table]
    print(f"\n{kind.title}, the worst setting\n\n| groups | " + " | ".join(names) + " |")
    print("|---:" * (1 + len(names)) + "|")
    for count in groups:
        print(f"| {count} | " + " | ".join(f"{table[count, name].rate:.3f}" for name in names) + " |")
    print()
    for of_sizes, bound in zip(("alike", "unlike"), kind.bounds or (None, None), strict=True):
        some = {at: each for at, each in table.items() if (at[1] in ALIKE) is (of_sizes == "alike")}
        (count, name), worst = (min if kind.low_is_worse else max)(some.items(), key=lambda item: item[1].rate)
        verdict = ""
        if bound is not None:
            error = 2 * math.sqrt(bound * (1 - bound) / runs)
            kept = worst.rate + error >= bound if kind.low_is_worse else worst.rate - error <= bound
            verdict = f"bound {bound:.2f} {'kept' if kept else 'MISSED'}; "
        print(f"worst, sizes {of_sizes}: {worst.rate:.3f}; {verdict}{count} groups of {name}, {worst.setting}")


def detectable(sizes: Any, share: float, correlation: float) -> float | None:
    """Return the difference from `share` downwards that the library says is found with power 80%; None without one.

    The design effect is the one that `compare` would show on average, for two independent guards: the sum over groups
    of the squared differences over the number of discordant pairs.
    """
    n = float(sizes.sum(axis=1).mean())
    typical = float((sizes**2).sum(axis=1).mean()) / n

    def promised(gap: float) -> float:
        other = share - gap
        spread = share * (1 - share) + other * (1 - other)
        discordance = share * (1 - other) + other * (1 - share)
        effect = max(
            1.0,
            ((1 + (typical - 1) * correlation) * spread + typical * gap**2) / discordance,
        )
        return power_at(max(1, round(n / effect)), gap, discordance)

    low, high = 0.001, share - 0.02
    if promised(high) < 0.8:
        return None
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if promised(middle) >= 0.8 else (middle, high)
    return high


def show_power(groups: list[int], runs: int) -> None:
    """Print the difference that is promised with power 80%, and the power that the sign-flip test has there."""
    print("\npower where the library promises .80, at this difference; the first guard has .7 of the pairs right\n")
    names = [name for name in SIZES if name != "alone"]
    print("| groups | correlation | " + " | ".join(names) + " |\n" + "|---:" * (2 + len(names)) + "|")
    for count, correlation in product(groups, (0.0, 0.3)):
        cells = []
        for name in names:
            generator, sizes = sizes_of(name, count, runs, correlation)
            gap = detectable(sizes, 0.7, correlation)
            if gap is None:
                cells.append("none")
                continue
            law = "beta" if correlation else "none"
            a, b = (hits(generator, sizes, share, law, correlation) for share in (0.7, 0.7 - gap))
            cells.append(f"{(sign_flip_ps(a - b) < 0.05).mean():.3f} at {gap:.3f}")
        print(f"| {count} | {correlation:g} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--groups", type=int, nargs="+", default=GROUPS)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="the parts to run")
    options = parsed(parser, runs=1, groups=GROUPS[:1])
    tables: dict[str, Table] = {}
    for groups, name in product(options.groups, SIZES):
        for kind, found in rates(options.only, name, groups, options.runs):
            worse = min if KINDS[kind].low_is_worse else max
            table = tables.setdefault(kind, {})
            table[groups, name] = worse(table.get((groups, name), found), found)
    print(f"{options.runs} runs of each setting; nominal 0.95 and 0.05")
    if "single" in options.only:
        show_single(options.groups)
    for kind, table in tables.items():
        show(KINDS[kind], table, options.runs)
    if "power" in options.only:
        show_power(options.groups, options.runs)


if __name__ == "__main__":
    main()
