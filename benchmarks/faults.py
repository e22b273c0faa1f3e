"""Every fault at every request of a publish: what becomes of the release.

    python benchmarks/faults.py [--xet] [--workers 8] [--races 200] [--only races]

Method: a local Hub behind a proxy (`tests/fault_proxy.py`) that does one harm to the n-th request of
`safetypairs publish`, for every n, in two scenarios: a first release, and a second one that adds a file, rewrites one
and deletes one. "expired" and "down" last until the command has ended; "killed" is a kill -9 of the publisher when
the n-th request arrives, or when the Hub has done it and its answer is about to go out; "full disk" is a limit on the
size of the files that the publisher writes. Then the same command is run again, undisturbed.

complete: the release equals the undisturbed one: same files and hashes, one commit, one tag. resumed: main and tags
were as before, and the same command finished the release. tagged: the commit was there without its tag, and the same
command set it. lost: anything else; there must be none. again: bytes that the second command uploaded though they had
arrived: none by LFS; by Xet what lay in xorbs that no shard named yet, which nobody can ask for.

Races: two publishers of one local folder, each with a TMPDIR of its own, `--workers` races at once; a third of them of
a new folder or from the start, the others right at the commit (`tests/local_races.py`). lost: a publisher ended well
and its version is not there, or not whole by `verify`; or one said anything but that another was first.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

if "HF_HOME" not in os.environ:  # publishers are processes of their own, which run these lines too
    os.environ.update(HF_HOME=tempfile.mkdtemp(prefix="safetypairs-faults-"), NO_PROXY="127.0.0.1")
    atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from _timing import parsed, parser_of
from fault_proxy import CALLED, ONCE, ONWARDS
from fault_table import Outcome, run_cases, scenarios
from local_races import local_races

KINDS = ("complete", "resumed", "tagged", "lost")
NAMES = {"before": "killed, request not sent", "after": "killed, answer not read"}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--xet", action="store_true")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--races", type=int, default=200)
    parser.add_argument("--only", choices=("faults", "races"))
    options = parsed(parser, workers=1, races=2)
    choose = few if options.smoke else every
    with tempfile.TemporaryDirectory(prefix="safetypairs-faults-") as folder:
        if options.only != "faults":
            print_races(Path(folder), options.races, options.workers)
        if options.only == "races":
            return
        for scenario in scenarios(Path(folder))[: 1 if options.smoke else None]:
            outcomes = run_cases(scenario, Path(folder), choose, options.xet, options.workers)
            print(f"\n{scenario.name} release, {'Xet' if options.xet else 'LFS'}")
            print_table(outcomes)


def print_races(folder: Path, races: int, at_once: int) -> None:
    outcomes = list(local_races(folder, races, at_once))
    lost = [race for race in outcomes if race.lost]
    both = sum(race.said == ("", "") for race in outcomes)
    print(f"{races} races of two publishers to one folder: {both} where both published, {len(lost)} lost")
    for race in lost:
        print(f"  {race}")


def every(requests: list[str]) -> list[tuple[str, int]]:
    faults = (*ONCE, *ONWARDS, *CALLED)
    return [("full disk", 0), *((fault, n) for n in range(1, len(requests) + 1) for fault in faults)]


def few(requests: list[str]) -> list[tuple[str, int]]:
    """One passing harm in the middle of the publish."""
    return [(ONCE[0], len(requests) // 2)]


def print_table(outcomes: list[Outcome]) -> None:
    print(f"{'fault':<26}{'cases':>7}" + "".join(f"{kind:>10}" for kind in KINDS) + f"{'again':>8}")
    faults = [*ONCE, *ONWARDS, *CALLED, "full disk"]
    for fault in faults:
        mine = [outcome for outcome in outcomes if outcome.fault == fault]
        count = Counter(outcome.kind for outcome in mine)
        again = sum(outcome.again for outcome in mine)
        print(
            f"{NAMES.get(fault, fault):<26}{len(mine):>7}" + "".join(f"{count[k]:>10}" for k in KINDS) + f"{again:>8}"
        )
    for outcome in outcomes:
        if outcome.kind == "lost" or outcome.again:
            print(f"  {outcome}")
    said = {re.sub(r"127\.0\.0\.1:\d+", "hub", outcome.first.text) for outcome in outcomes if outcome.first.code == 1}
    for text in sorted(said):
        print(f"  said: {text}")


if __name__ == "__main__":
    main()
