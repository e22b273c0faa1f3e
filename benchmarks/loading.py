"""Loading a published dataset of 1,510 pairs, beside `imagefolder` on the same images.

    python benchmarks/loading.py [--pairs 1510] [--repeats 3]

Method: one process a measurement, fresh caches, alternating, best of the repeats. `imagefolder` has the same PNG files
as <split>/<pair_id>-<member>.png with a metadata.csv of pair id, reference and category. Measured inside the process
after `import datasets`: the first load_dataset, a second one (from the cache), and decoding every image of the test
split. Ratios are of CPU time, all threads together.
"""

from __future__ import annotations

import csv
import json
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
    chosen = parsed(parser, pairs=9, repeats=1)
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
