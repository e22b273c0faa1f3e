"""METRIC.md in plain Python and fractions, slow and straight from the page, sharing nothing with the library."""

from __future__ import annotations

from fractions import Fraction
from math import comb, sqrt
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


def consistency(correct: int, k: int, n: int) -> Fraction:
    """P(C <= correct), by the formula of METRIC.md."""
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


def t_ratio(n: int, groups: int) -> float:
    return float((stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, groups - 1)) ** 2)


def wilson_ends(share: float, size: float) -> tuple[float, float]:
    """The two shares q with (share - q)^2 = z^2 q (1 - q) / size, by the formula for a quadratic."""
    z2 = float(stats.norm.ppf(0.975)) ** 2
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


def newcombe(cells: list[tuple[int, int, int, int]]) -> tuple[float, float]:
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
        size *= t_ratio(n, count)
    a, b, c, d = (count * size / n for count in (a, b, c, d))  # type: ignore[assignment]
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    top = a * d - b * c
    phi = 0.0 if margins <= 0 else (max(top - size / 2, 0) if top > 0 else top) / sqrt(margins)
    p_a, p_b = (a + b) / size, (a + c) / size
    (low_a, high_a), (low_b, high_b) = wilson_ends(p_a, size), wilson_ends(p_b, size)
    below = sqrt(max(0, (p_a - low_a) ** 2 - 2 * phi * (p_a - low_a) * (high_b - p_b) + (high_b - p_b) ** 2))
    above = sqrt(max(0, (high_a - p_a) ** 2 - 2 * phi * (high_a - p_a) * (p_b - low_b) + (p_b - low_b) ** 2))
    return max(-1.0, gap - below), min(1.0, gap + above)
