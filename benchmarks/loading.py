"""Loading a published dataset of 1,510 pairs, beside `imagefolder` on the same images.

    python benchmarks/loading.py [--pairs 1510] [--repeats 3]

Method: one process a measurement, fresh caches, alternating, best of the repeats. `imagefolder` has the same PNG files
as <split>/<pair_id>-<member>.png with a metadata.csv of pair id, reference and category. Measured inside the process
after `import datasets`: the first load_dataset, a second one (from the cache), and decoding every image of the test
split. Ratios are of CPU time, all threads together.

The check: what `safetypairs_hf.load` does more than `load_dataset` before any row is prepared, as the difference of
making the two builders, with a memory of checks that is empty and then with the one that this left; beside one SHA-256
pass over the same files, one after the other. The pairs of the check are random noise of about `--pair-kilobytes` each.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _timing import Seconds, last_json, least, parsed, parser_of, ratio, safetypairs

MEASURE = """
import json, sys, time
import datasets
datasets.disable_progress_bars()
def clock(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.process_time() - cpu, time.perf_counter() - wall), result
arguments, columns = json.loads(sys.argv[1]), json.loads(sys.argv[2])
first, _ = clock(lambda: datasets.load_dataset(*arguments, split="test", cache_dir=sys.argv[3]))
again, data = clock(lambda: datasets.load_dataset(*arguments, split="test", cache_dir=sys.argv[3]))
def decode():
    return sum(row[column].load() is not None for row in data for column in columns)
seconds, images = clock(decode)
print(json.dumps([images, first, again, seconds]))
"""


CHECK = """
import hashlib, json, sys, time
from pathlib import Path
import datasets
from safetypairs_hf.loading import checked_parquet
from safetypairs_hf.loading.bare_name import register
from safetypairs_hf.loading.resolve import Pinned
datasets.disable_progress_bars()
folder, cache = sys.argv[1:]
files = sorted(Path(folder).glob("data/*/*/*.parquet"))
def clock(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall
def one_pass():
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
def builder(**options):
    datasets.load_dataset_builder(folder, "default", cache_dir=cache, **options)
builder()
one_pass()
plain = clock(builder)
register()
checked = {"revision": Pinned("", "v1.0.0")}
print(json.dumps([clock(one_pass), plain, clock(lambda: builder(**checked)), clock(lambda: builder(**checked))]))
"""


def check(scratch: Path, pairs: int, kilobytes: int, repeats: int) -> None:
    """Print what the check costs."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from noise import noise_run

    from safetypairs_hf.core.version import parse
    from safetypairs_hf.publishing.open_target import parse_target
    from safetypairs_hf.publishing.publish import publish

    side = int((kilobytes * 1000 / 2 / 3) ** 0.5)
    folder = scratch / "noise"
    publish(noise_run(scratch / "noise-run", pairs, side), parse_target(str(folder)), parse("1.0.0"))
    size = sum(path.stat().st_size for path in folder.glob("data/*/*/*.parquet"))
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as home:
            command = [sys.executable, "-c", CHECK, str(folder), f"{home}/cache"]
            found.append([Seconds(*each) for each in last_json(command, env={**os.environ, "HF_HOME": home})])
    one_pass, plain, first, later = (least(each) for each in zip(*found, strict=True))
    print(f"the check of {pairs:,} pairs, {size / 1e6:.0f} MB, best of {repeats}; one SHA-256 pass {one_pass}")
    for name, took in (("a first load", first), ("a later load", later)):
        more = took - plain
        print(f"  {name:<14} {more} more than load_dataset: {more.cpu / one_pass.cpu:.2f} times the pass")


def measure(arguments: list[str | None], columns: list[str]) -> tuple[int, list[Seconds]]:
    """The images of the test split; and the first load, the second one, and the decoding of all images."""
    with tempfile.TemporaryDirectory() as cache:
        images, *times = last_json([sys.executable, "-c", MEASURE, json.dumps(arguments), json.dumps(columns), cache])
    return images, [Seconds(*each) for each in times]


def export(dataset: Path, folder: Path) -> None:
    """The images of a published dataset as an imagefolder."""
    import pyarrow.parquet as pq

    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        with (folder / split / "metadata.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file_name", "pair_id", "reference", "category"])
            for path in sorted((dataset / "data" / split).glob("*/*.parquet")):
                for row in pq.read_table(path).to_pylist():
                    for reference, member in ((1, "unsafe"), (0, "safe")):
                        name = f"{row['pair_id']}-{member}.png"
                        (folder / split / name).write_bytes(row[f"{member}_image"]["bytes"])
                        rows.writerow([name, row["pair_id"], reference, row["category"]])


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--check-pairs", type=int, default=1510)
    parser.add_argument("--pair-kilobytes", type=int, default=200)
    parser.add_argument("--only", choices=("load", "check"))
    chosen = parsed(parser, pairs=9, repeats=1, check_pairs=20, pair_kilobytes=20)
    if chosen.only != "load":
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), chosen.check_pairs, chosen.pair_kilobytes, chosen.repeats)
    if chosen.only == "check":
        return
    with tempfile.TemporaryDirectory() as scratch:
        run, dataset, images = f"{scratch}/run", Path(scratch) / "safetypairs", Path(scratch) / "images"
        for words in (
            ["build", "icons", "--out", run, "--pairs", str(chosen.pairs)],
            ["publish", run, str(dataset), "--version", "1.0.0"],
        ):
            subprocess.run(safetypairs(*words), check=True, stdout=subprocess.DEVNULL)
        export(dataset, images)
        ours, theirs = [], []
        for _ in range(chosen.repeats):
            count, times = measure([str(dataset)], ["unsafe_image", "safe_image"])
            ours.append(times)
            other, times = measure(["imagefolder", None, str(images)], ["image"])
            theirs.append(times)
            assert count == other, "both decode the same images"
    print(f"{chosen.pairs:,} pairs, the test split of {count:,} images, best of {chosen.repeats}")
    steps = ("first load_dataset", "load_dataset again", "decode every image")
    for step, mine, peers in zip(steps, zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        one, two = least(mine), least(peers)
        print(f"  {step:<20} ours {one}   imagefolder {two}   {ratio(two, one, models=False)}")


if __name__ == "__main__":
    main()
