"""METRIC.md in plain Python and fractions, slow and straight from the page, sharing nothing with the library."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import Any


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
