"""Scoring and comparing many guards, beside the same p values from scipy (and statsmodels, where it is) in one run.

    python benchmarks/comparing.py [--large] [--files] [--guards 20] [--pairs 1510] [--repeats 5]

Ours: `compare_many` from rows to the table: every guard's rows checked and paired, all of its figures with intervals
that know groups, and for each two guards the difference with its interval, the exact p over groups (McNemar's where
pairs are alone) and Holm's adjustment. 20 guards on 1,510 pairs (bound: a second); with `--large` 100 guards on
100,000 pairs (bound: a minute). Rows are Arrow tables with text ids, nine categories and scores; a guard's pairs come
in groups of one to four, as in benchmarks/scoring.py, or alone. `--files`: from Parquet files, read inside the clock.

Peers, on outcomes that are paired and aligned already, outside their clock: the p values alone, one contest after
another (`scipy.stats.binomtest`; `statsmodels.stats.contingency_tables.mcnemar`), which must equal ours where pairs
are alone; and the interval of one contest as a script writes it, 2,000 draws of all groups, times the number of
contests.

Times are the best of the repeats, and ratios are of CPU time.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _timing import Seconds, best, least, parsed, parser_of, ratio, timed

from safetypairs_hf.metric.compare_many import ManyComparison, compare_many
from safetypairs_hf.taxonomy.nine import SLUGS


def guards_of(k: int, n: int, *, grouped: bool) -> dict[str, pa.Table]:
    """k guards of rising skill on the same n pairs; what is the data's own is held once."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(n), generator.integers(1, 5, n))[:n]
    names = pa.array([f"{value:016x}" for value in generator.integers(0, 2**63, n)])
    pair = np.repeat(np.arange(n), 2)
    reference = np.tile([1, 0], n)
    columns: dict[str, Any] = {
        "pair_id": names.take(pa.array(pair)),
        "reference": reference,
        "category": pa.array(SLUGS).take(pa.array(pair % len(SLUGS))),
    }
    if grouped:
        columns["group"] = names.take(pa.array(groups[pair]))
    hardness = np.repeat(generator.normal(0, 0.1, n), 2) * (1 - 2 * reference)
    found = {}
    for number in range(k):
        skill = 0.2 + 0.2 * number / k
        scores = np.clip(0.5 + skill * (reference - 0.5) + hardness + generator.normal(0, 0.15, 2 * n), 0, 1)
        found[f"guard-{number:03}"] = pa.table({**columns, "score": scores})
    return found


def peers(many: ManyComparison, ours: Seconds, guards: dict[str, pa.Table], repeats: int) -> None:
    correct = {}
    for name, table in guards.items():
        said = table.column("score").to_numpy() >= 0.5
        correct[name] = said[::2] & ~said[1::2]
    contests = many.contests
    grouped = "group" in next(iter(guards.values())).column_names

    def p_values(test: Callable[[int, int], float]) -> list[float]:
        found = []
        for one in contests:
            a, b = correct[one.a], correct[one.b]
            found.append(test(int((a & ~b).sum()), int((b & ~a).sum())))
        return found

    for label, test in tests():
        each = [timed(lambda test=test: p_values(test)) for _ in range(min(repeats, 2))]
        seconds, found = least(took for took, _ in each), each[0][1]
        worst = max(abs(one.p_value - p) for one, p in zip(contests, found, strict=True))
        print(f"  peer, {label + ', p values only':<48}{seconds}   {ratio(seconds, ours, models=False)}")
        if not grouped:  # McNemar's test knows no groups
            print(f"    the p value farthest from ours {worst:.1e}")
    if grouped:
        group = np.unique(next(iter(guards.values())).column("group").to_numpy()[::2], return_inverse=True)[1]
        gain = np.bincount(group, weights=correct[contests[0].a].astype(float) - correct[contests[0].b])
        size = np.bincount(group)
        generator = np.random.default_rng(0)

        def interval() -> Any:
            figures = []
            for _ in range(2000):
                drawn = generator.integers(0, len(size), len(size))
                figures.append(gain[drawn].sum() / size[drawn].sum())
            return np.quantile(figures, (0.025, 0.975))

        seconds, found = timed(interval)
        seconds = Seconds(seconds.cpu * len(contests), seconds.wall * len(contests))
        low, high = contests[0].difference_ci
        label = "one interval by drawing groups, times contests"
        print(f"  peer, {label:<48}{seconds}   {ratio(seconds, ours, models=False)}")
        print(f"    its ends {found[0]:+.4f} {found[1]:+.4f}, ours {low:+.4f} {high:+.4f}")


def tests() -> list[tuple[str, Callable[[int, int], float]]]:
    """The peers that are installed."""
    found: list[tuple[str, Callable[[int, int], float]]] = []
    for label, module in (("scipy", "scipy.stats"), ("statsmodels", "statsmodels.stats.contingency_tables")):
        try:
            peer = importlib.import_module(module)
        except ImportError:
            print(f"  {label} is not installed")
            continue
        if label == "scipy":
            found.append((label, lambda a, b, peer=peer: float(peer.binomtest(a, a + b).pvalue) if a + b else 1.0))
        else:
            found.append((label, lambda a, b, peer=peer: float(peer.mcnemar([[0, a], [b, 0]], exact=True).pvalue)))
    return found


def measure(k: int, n: int, repeats: int, *, grouped: bool, files: bool, with_peers: bool) -> None:
    guards = guards_of(k, n, grouped=grouped)
    how = "groups of one to four" if grouped else "no groups"
    print(f"{k} guards, {n:,} pairs, {how}, {k * (k - 1) // 2:,} contests")
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = dict(guards)
        if files:
            for name, table in guards.items():
                given[name] = Path(folder) / f"{name}.parquet"
                pq.write_table(table, given[name])
        seconds = best(lambda: compare_many(given), repeats)
        many = compare_many(given)
    label = "compare_many, from Parquet files" if files else "compare_many, from Arrow tables"
    print(f"  {label:<54}{seconds}")
    status = Path("/proc/self/status")
    if status.is_file():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        print(f"  peak memory so far {int(peak.split()[1]) / 1024:,.0f} MB")
    if with_peers:
        peers(many, seconds, guards, repeats)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--large", action="store_true", help="100 guards on 100,000 pairs too")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--guards", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=1_510)
    parser.add_argument("--repeats", type=int, default=5)
    given = parsed(parser, guards=3, pairs=60, repeats=1)
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} cores{busy}")
    for grouped in (True, False):
        measure(given.guards, given.pairs, given.repeats, grouped=grouped, files=given.files, with_peers=True)
    if given.large:
        measure(100, 100_000, 1, grouped=True, files=given.files, with_peers=True)


if __name__ == "__main__":
    main()
