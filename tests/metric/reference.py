"""docs/metric.md in plain Python and fractions, slow and straight from the page, sharing nothing with the library."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb, exp, log, sqrt
from typing import Any

from scipy import stats


def reference_figures(rows: list[dict[str, Any]], threshold: float = 0.5) -> dict[str, Fraction | float | None]:
    """The figures of whole pairs, but the interval, as exact fractions."""
    pairs: dict[Any, dict[int, dict[str, Any]]] = {}
    for row in rows:
        pairs.setdefault(row["pair_id"], {})[row["reference"]] = row
    n = len(pairs)
    outcomes = dict.fromkeys(("correct", "both_unsafe", "both_safe", "inverted", "abstained"), 0)
    could = right_unsafe = right_safe = abstained_images = 0
    scored = []
    for pair in pairs.values():
        unsafe, safe = verdict(pair[1], threshold), verdict(pair[0], threshold)
        right_unsafe += unsafe == 1
        right_safe += safe == 0
        abstained_images += (unsafe is None) + (safe is None)
        could += unsafe in (1, None) and safe in (0, None)
        outcomes[outcome(unsafe, safe)] += 1
        two = (pair[1].get("score"), pair[0].get("score"))
        if unsafe is not None and safe is not None and None not in two:
            scored.append(two)
    return {
        "n_pairs": Fraction(n),
        "pair_accuracy": Fraction(outcomes["correct"], n),
        "pair_accuracy_upper": Fraction(could, n),
        "image_accuracy": Fraction(right_unsafe + right_safe, 2 * n),
        "unsafe_recall": Fraction(right_unsafe, n),
        "safe_specificity": Fraction(right_safe, n),
        "abstention_rate": Fraction(abstained_images, 2 * n),
        **{f"{name}_rate": Fraction(count, n) for name, count in outcomes.items() if name != "correct"},
        "relative_consistency": consistency(outcomes["correct"], right_unsafe + right_safe, n),
        **threshold_free(scored),
    }


def verdict(row: dict[str, Any], threshold: float) -> int | None:
    if "prediction" in row:
        return None if row["prediction"] is None else int(row["prediction"])
    return None if row["score"] is None else int(row["score"] >= threshold)


def outcome(unsafe: int | None, safe: int | None) -> str:
    if unsafe is None or safe is None:
        return "abstained"
    return {(1, 0): "correct", (1, 1): "both_unsafe", (0, 0): "both_safe", (0, 1): "inverted"}[unsafe, safe]


def consistency(correct: int, k: int, n: int) -> Fraction | None:
    """P(C <= correct), by the formula of docs/metric.md; None where it says nothing."""
    if k in (0, 2 * n):
        return None
    ways = sum(comb(n, j) * comb(n - j, k - 2 * j) * 2 ** (k - 2 * j) for j in range(correct + 1) if k >= 2 * j)
    return Fraction(ways, comb(2 * n, k))


def threshold_free(scored: list[tuple[float, float]]) -> dict[str, Fraction | float | None]:
    if not scored:
        return dict.fromkeys(("ranking_accuracy", "auroc", "best_threshold", "best_threshold_pair_accuracy"))
    half = Fraction(1, 2)
    n = len(scored)
    wins = [(u > s) + half * (u == s) for u, s in scored]
    all_wins = [(u > s) + half * (u == s) for u, _ in scored for _, s in scored]
    shares = {t: Fraction(sum(u >= t > s for u, s in scored), n) for pair in scored for t in pair}
    best = max(shares.values())
    return {
        "ranking_accuracy": sum(wins, Fraction(0)) / n,
        "auroc": sum(all_wins, Fraction(0)) / (n * n),
        "best_threshold": min(t for t, share in shares.items() if share == best),
        "best_threshold_pair_accuracy": best,
    }


def t_ratio(n: int, groups: int, level: float = 0.95) -> float:
    upper = (1 + level) / 2
    return float((stats.t.ppf(upper, n - 1) / stats.t.ppf(upper, groups - 1)) ** 2)


def wilson_ends(share: float, size: float, level: float = 0.95) -> tuple[float, float]:
    """The two shares q with (share - q)^2 = z^2 q (1 - q) / size, by the formula for a quadratic."""
    z2 = float(stats.norm.ppf((1 + level) / 2)) ** 2
    a, b, c = 1 + z2 / size, -(2 * share + z2 / size), share * share
    root = sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def clustered_wilson(groups: list[tuple[int, int]]) -> tuple[float, float]:
    """Wilson's interval on n_eff, for two groups or more of (hits, pairs)."""
    n, hits, count = sum(m for _, m in groups), sum(y for y, _ in groups), len(groups)
    size = float(n)
    if count < n:
        m0 = sum(m * m for _, m in groups) / n
        p = (hits + m0 / 2) / (n + m0)
        squares = sum((y - p * m) ** 2 for y, m in groups) + (m0 - p * m0) ** 2 / 2 + (p * m0) ** 2 / 2
        effect = max(1.0, (count + 1) / count * (squares / (n + m0)) / (p * (1 - p)))
        size = n / effect * t_ratio(n, count)
    return wilson_ends(hits / n, size)


def newcombe(cells: list[tuple[int, int, int, int]], level: float = 0.95) -> tuple[float, float]:
    """Newcombe's method 10 on n_eff, for two groups or more of (both, only the first, only the second, neither)."""
    a, b, c, d = (sum(cell[at] for cell in cells) for at in range(4))
    n, count = a + b + c + d, len(cells)
    gap = (b - c) / n
    size = float(n)
    if count < n:
        sizes, gains = [sum(cell) for cell in cells], [cell[1] - cell[2] for cell in cells]
        simple = ((b + c) - (b - c) ** 2 / n) / n**2
        if simple > 1e-15:
            squares = sum((gain - gap * m) ** 2 for gain, m in zip(gains, sizes, strict=True))
            size = n / max(1.0, count / (count - 1) * squares / n**2 / simple)
        else:
            size = n / (sum(m * m for m in sizes) / n)
        size *= t_ratio(n, count, level)
    a, b, c, d = (count * size / n for count in (a, b, c, d))  # type: ignore[assignment]
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    top = a * d - b * c
    phi = 0.0 if margins <= 0 else (max(top - size / 2, 0) if top > 0 else top) / sqrt(margins)
    p_a, p_b = (a + b) / size, (a + c) / size
    (low_a, high_a), (low_b, high_b) = wilson_ends(p_a, size, level), wilson_ends(p_b, size, level)
    below = sqrt(max(0, (p_a - low_a) ** 2 - 2 * phi * (p_a - low_a) * (high_b - p_b) + (high_b - p_b) ** 2))
    above = sqrt(max(0, (high_a - p_a) ** 2 - 2 * phi * (high_a - p_a) * (p_b - low_b) + (p_b - low_b) ** 2))
    return max(-1.0, gap - below), min(1.0, gap + above)


def equivalence(cells: list[tuple[int, int, int, int]], margin: float) -> tuple[bool, bool]:
    """Whether the first guard is at most `margin` worse, and whether the two differ by less than it.

    Each one-sided test at 5% is one end of the 90% interval (Schuirmann 1987), with cells as in `newcombe`.
    """
    low, high = newcombe(cells, level=0.9)
    return low > -margin, low > -margin and high < margin


Scores = Sequence[float]
Groups = Sequence[Any]


def clustered_mean(values: Sequence[float], group: Groups) -> tuple[float, float]:
    """The mean p of one value a pair, and its variance: G / (G - 1) sum((Y_g - p m_g)^2) / n^2.

    This is the linearised variance of a ratio estimate (Cochran 1977, Sampling Techniques, 6.4, without the correction
    for a finite population). Ranking accuracy is such a mean, of 1, 1/2 and 0.
    """
    exact = [Fraction(value) for value in values]
    n, mean = len(exact), sum(exact, Fraction(0)) / len(exact)
    members = by_group(group)
    squares = sum(((sum(exact[at] for at in of_one) - mean * len(of_one)) ** 2 for of_one in members), Fraction(0))
    return float(mean), float(Fraction(len(members), len(members) - 1) * squares / n**2)


def by_group(group: Groups) -> list[list[int]]:
    """The positions of each group."""
    members: dict[Any, list[int]] = {}
    for at, name in enumerate(group):
        members.setdefault(name, []).append(at)
    return list(members.values())


def obuchowski(scores_unsafe: Scores, scores_safe: Scores, group: Groups) -> tuple[float, float]:
    """The AUROC over the images of n pairs, and its variance where the images of a group hang together.

    The two images of a pair are in one group, so that even groups of one pair are clusters of two images.
    """
    return obuchowski_images(scores_unsafe, scores_safe, group, group)


def obuchowski_images(unsafe: Scores, safe: Scores, unsafe_group: Groups, safe_group: Groups) -> tuple[float, float]:
    """The same for unsafe and safe images that need not come in pairs.

    Where each image is a group of its own, the variance is that of DeLong, DeLong and Clarke-Pearson (1988,
    Biometrics 44) but for the empty covariance.
    """
    curve = _Components(unsafe, safe, unsafe_group, safe_group)
    return float(curve.area), float(_covariance(curve, curve))


def obuchowski_difference(
    a_unsafe: Scores, a_safe: Scores, b_unsafe: Scores, b_safe: Scores, group: Groups
) -> tuple[float, float]:
    """The AUROC of the first guard less that of the second, on the same n pairs, and its variance."""
    a, b = _Components(a_unsafe, a_safe, group, group), _Components(b_unsafe, b_safe, group, group)
    variance = _covariance(a, a) + _covariance(b, b) - 2 * _covariance(a, b)
    return float(a.area - b.area), float(variance)


class _Components:
    """Obuchowski (1997, Biometrics 53, section 2): the area, and what is left of the components of each cluster.

    V10(X) of an unsafe image is the share of safe images that it beats, V01(Y) of a safe one the share of unsafe images
    that beat it, a tie counts half. They are summed over the m_i unsafe and n_i safe images of a cluster, and m_i or
    n_i times the area is taken off.
    """

    def __init__(self, unsafe: Scores, safe: Scores, unsafe_group: Groups, safe_group: Groups) -> None:
        half = Fraction(1, 2)
        beats = [[(x > y) + half * (x == y) for y in safe] for x in unsafe]
        self.n_unsafe, self.n_safe = len(unsafe), len(safe)
        self.area = sum((sum(row, Fraction(0)) for row in beats), Fraction(0)) / (self.n_unsafe * self.n_safe)
        self.of_unsafe: dict[Any, Fraction] = {}
        for at, name in enumerate(unsafe_group):
            v10 = sum(beats[at], Fraction(0)) / self.n_safe
            self.of_unsafe[name] = self.of_unsafe.get(name, Fraction(0)) + v10 - self.area
        self.of_safe: dict[Any, Fraction] = {}
        for at, name in enumerate(safe_group):
            v01 = sum((row[at] for row in beats), Fraction(0)) / self.n_unsafe
            self.of_safe[name] = self.of_safe.get(name, Fraction(0)) + v01 - self.area


def _covariance(a: _Components, b: _Components) -> Fraction:
    """The covariance of two areas: S10 / M + S01 / N + (S11 of a with b + S11 of b with a) / (M N)."""
    m, n = a.n_unsafe, a.n_safe
    i10, i01, both = len(a.of_unsafe), len(a.of_safe), len({*a.of_unsafe, *a.of_safe})
    s10 = Fraction(i10, (i10 - 1) * m) * sum(a.of_unsafe[name] * b.of_unsafe[name] for name in a.of_unsafe)
    s01 = Fraction(i01, (i01 - 1) * n) * sum(a.of_safe[name] * b.of_safe[name] for name in a.of_safe)
    shared = [name for name in a.of_unsafe if name in a.of_safe]
    s11 = Fraction(both, both - 1) * sum((a.of_unsafe[name] * b.of_safe[name] for name in shared), Fraction(0))
    s11_turned = Fraction(both, both - 1) * sum((b.of_unsafe[name] * a.of_safe[name] for name in shared), Fraction(0))
    return s10 / m + s01 / n + (s11 + s11_turned) / (m * n)


def logit_interval(
    share: float, variance: float, quantile: float = float(stats.norm.ppf(0.975))
) -> tuple[float, float]:
    """The interval that is symmetric about log(share / (1 - share)), for a share inside (0, 1)."""
    centre, half = log(share / (1 - share)), quantile * sqrt(variance) / (share * (1 - share))
    return 1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))
