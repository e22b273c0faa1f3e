"""How large a report of 1,510 pairs is and how long it takes, with every failure that has room on the page.

    python benchmarks/reporting.py [--pairs 1510] [--guards 10] [--side 240]

The images are random noise, of which a thumbnail takes the most bytes that it can, and the guards answer at random, so
that three pairs of four fail and the page is as full as it gets. Measured in a process that has imported the library:
the page with the default number of failures, the page with every failure, and the folder of `--full`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from _timing import parsed, parser_of, timed

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from noise import noise_run

from safetypairs_hf.core.version import parse
from safetypairs_hf.dataset.store.open_store import open_named
from safetypairs_hf.publishing.open_target import parse_target
from safetypairs_hf.publishing.publish import publish
from safetypairs_hf.report.report import report

MOST = 10  # MB


def predictions(folder: Path, ids: list[str], guards: int) -> list[str]:
    """Write files of predictions whose scores are random."""
    files = []
    for number in range(guards):
        scores = np.random.default_rng(number).random((len(ids), 2)).round(4)
        lines = [f"{pair},{r},{scores[n, r]}" for n, pair in enumerate(ids) for r in (0, 1)]
        path = folder / f"guard-{number}.csv"
        path.write_text("\n".join(["pair_id,reference,score", *lines]))
        files.append(str(path))
    return files


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--guards", type=int, default=10)
    parser.add_argument("--side", type=int, default=240)
    chosen = parsed(parser, pairs=20, guards=2, side=32)
    with tempfile.TemporaryDirectory() as scratch:
        work, target = Path(scratch), f"{scratch}/data"
        run = noise_run(work / "run", chosen.pairs, chosen.side)
        publish(run, parse_target(target), parse("1.0.0"), probe=False)
        ids = [str(each) for each in open_named(target).table["pair_id"].to_pylist()]
        files = predictions(work, ids, chosen.guards)
        print(f"{chosen.guards} guards on {chosen.pairs:,} pairs of {chosen.side} x {chosen.side} pixels of noise")
        page = work / "page.html"
        for name, most in (("by default", 24), ("every failure", chosen.pairs)):
            took, found = timed(lambda most=most: report(files, page, data=target, failures=most))
            size = page.stat().st_size / 1e6
            kept = "kept" if size <= MOST else "MISSED"
            shown = f"{found['failures_on_page']:,} of {len(found['failures']):,} pairs that fail"
            print(f"{name}: {shown}, {took}, {size:.1f} MB of at most {MOST} {kept}")
        took, _ = timed(lambda: report(files, full=work / "full", data=target))
        held = [path.stat().st_size for path in (work / "full").rglob("*") if path.is_file()]
        print(f"the folder: {len(held):,} files, {sum(held) / 1e6:.0f} MB, {took}")


if __name__ == "__main__":
    main()
