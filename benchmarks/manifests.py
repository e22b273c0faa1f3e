"""What the manifest of very many pairs costs: making and writing it, reading it, and the difference of two.

    python benchmarks/manifests.py [--pairs 100000]

Method: synthetic pairs (random hashes, 100 a file, nine categories). The second version lacks 1 pair in 100, has 1
in 200 relabelled, 1 in 200 edited again, 1 in 100 reviewed, and 5 in 100 more. Every step runs in a fresh interpreter,
which prints the time of the step and its own VmHWM; the first line is an interpreter with all loaded, nothing done.
The peer of `diff` is an outer merge of the two tables on the pair id with pandas, which tells added and removed alone;
the ratio is of CPU time, all threads together.
The counts that `diff` gives are checked against how the second version was made.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _timing import Seconds, last_json, parsed, parser_of, ratio, timed

A_FILE = 100
CHANGES = {"removed": 100, "relabelled": 200, "re-edited": 200, "re-reviewed": 100}  # one pair in so many
MORE = 20


def fate(index: int) -> str:
    """What becomes of a pair: the places are apart from one another."""
    for place, (kind, every) in enumerate(CHANGES.items(), 1):
        if index % every == place:
            return kind
    return ""


def entries(pairs: int, changed: bool) -> Iterator[Any]:
    """The pairs of the first version, or of the second."""
    from safetypairs_hf.dataset.manifest import Entry
    from safetypairs_hf.taxonomy.nine import SLUGS

    more = pairs // MORE if changed else 0
    for index in range(pairs + more):
        rng = random.Random(index)
        pair_id, unsafe, safe = (
            f"{rng.getrandbits(64):016x}",
            f"{rng.getrandbits(256):064x}",
            f"{rng.getrandbits(256):064x}",
        )
        number = index // A_FILE
        category, split, version, review = SLUGS[number % 9], "test" if number % 5 else "train", "1.0.0", "unreviewed"
        kind = fate(index) if changed and index < pairs else ""
        if kind == "removed":
            continue
        if kind == "relabelled":
            category, pair_id = SLUGS[(number + 1) % 9], f"{rng.getrandbits(64):016x}"
        if kind == "re-edited":
            safe, pair_id = f"{rng.getrandbits(256):064x}", f"{rng.getrandbits(64):016x}"
        if kind == "re-reviewed":
            review = "confirmed"
        if index >= pairs:
            version = "2.0.0"
        file = f"data/{split}/{category}/{version}-{number:05d}.parquet"
        phashes = rng.randbytes(32), rng.randbytes(32)
        yield Entry(pair_id, file, category, split, pair_id, version, unsafe, safe, *phashes, "", 200_000, review)


def nothing(folder: Path, pairs: int) -> str:
    import safetypairs_hf.versions.diff  # noqa: F401

    return ""


def written(file: Path, pairs: int, changed: bool, version: str) -> str:
    import pyarrow as pa

    from safetypairs_hf.dataset.manifest import Manifest, write

    file.parent.mkdir()
    with pa.OSFile(str(file), "wb") as sink:
        write(sink, Manifest(releases=[{"version": version, "pairs": pairs}]), entries(pairs, changed))
    return f"{file.stat().st_size / pairs:.0f} bytes a pair"


def make(folder: Path, pairs: int) -> str:
    return written(folder / "old" / "manifest.parquet", pairs, False, "1.0.0")


def make_second(folder: Path, pairs: int) -> str:
    return written(folder / "new" / "manifest.parquet", pairs, True, "2.0.0")


def load(folder: Path, pairs: int) -> str:
    from safetypairs_hf.dataset import manifest

    found = manifest.load((folder / "old" / "manifest.parquet").read_bytes())
    assert found and len(found.entries) == pairs
    return ""


def diff(folder: Path, pairs: int) -> str:
    from safetypairs_hf.dataset.store.open_store import open_published
    from safetypairs_hf.versions.diff import KINDS
    from safetypairs_hf.versions.diff import diff as difference

    editions = [open_published(str(folder / name)).open(None) for name in ("old", "new")]
    found = difference(*editions).to_dict()["counts"]
    expected = {**dict.fromkeys(KINDS, 0), "added": pairs // MORE}
    for index in range(pairs):
        kind = fate(index)
        if kind:
            expected[kind] += 1
    assert found == expected, (found, expected)
    return f"{sum(found.values()):,} changes, as they were made"


def merge(folder: Path, pairs: int) -> str:
    import pandas as pd

    old, new = (pd.read_parquet(folder / name / "manifest.parquet") for name in ("old", "new"))
    merged = old.merge(new, on="pair_id", how="outer", indicator=True)
    return f"{(merged['_merge'] != 'both').sum():,} rows on one side alone"


STEPS = {
    "nothing": nothing,
    "make and write": make,
    "make and write, second": make_second,
    "load as entries": load,
    "diff": diff,
    "pandas merge": merge,
}


def run(step: str, folder: Path, pairs: int) -> None:
    """One step, in this process."""
    seconds, said = timed(lambda: STEPS[step](folder, pairs))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"seconds": seconds, "peak": int(status["VmHWM"].split()[0]) / 1024, "said": said}))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    chosen = parsed(parser, pairs=[1_000])
    if chosen.step:
        run(chosen.step[0], Path(chosen.step[1]), chosen.pairs[0])
        return
    for pairs in chosen.pairs:
        print(f"{pairs:,} pairs")
        seconds = {}
        with tempfile.TemporaryDirectory() as folder:
            for step in STEPS:
                command = [sys.executable, __file__, "--pairs", str(pairs), "--step", step, folder]
                found = last_json(command)
                seconds[step] = Seconds(*found["seconds"])
                print(f"  {step:<24}{seconds[step]} {found['peak']:8.0f} MB   {found['said']}", flush=True)
        print(f"  diff against the pandas merge: {ratio(seconds['diff'], seconds['pandas merge'], models=False)}")


if __name__ == "__main__":
    main()
