"""Loading a published dataset of 1,510 pairs, beside `imagefolder` on the same images.

Method: one process a measurement, fresh caches, alternating, median of 3. `imagefolder` has the same PNG files as
<split>/<pair_id>-<member>.png with a metadata.csv of pair id, reference and category. Timed inside the process after
`import datasets`: the first load_dataset, a second one (from the cache), and decoding every image of the test split.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPEATS = 3

MEASURE = """
import json, sys, time
import datasets
datasets.disable_progress_bars()
def clock(work):
    start = time.perf_counter(); result = work(); return time.perf_counter() - start, result
arguments, columns = json.loads(sys.argv[1]), json.loads(sys.argv[2])
first, _ = clock(lambda: datasets.load_dataset(*arguments, split="test", cache_dir=sys.argv[3]))
again, data = clock(lambda: datasets.load_dataset(*arguments, split="test", cache_dir=sys.argv[3]))
def decode():
    return sum(row[column].load() is not None for row in data for column in columns)
seconds, images = clock(decode)
print(json.dumps([first, again, images / seconds, images]))
"""


def measure(arguments: list[str], columns: list[str]) -> list[float]:
    """[first load in s, second load in s, images decoded a second, images]"""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", MEASURE, json.dumps(arguments), json.dumps(columns), cache]
        result: list[float] = json.loads(subprocess.check_output(command).splitlines()[-1])
    return result


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run, dataset, images = f"{scratch}/run", Path(scratch) / "safetypairs", Path(scratch) / "images"
        command = [sys.executable, "-m", "safetypairs_hf"]
        for words in (
            ["build", "icons", "--out", run, "--pairs", str(chosen.pairs)],
            ["publish", run, str(dataset), "--version", "1.0.0"],
        ):
            subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
        export(dataset, images)
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(measure([str(dataset)], ["unsafe_image", "safe_image"]))
            theirs.append(measure(["imagefolder", None, str(images)], ["image"]))  # type: ignore[list-item]
    one, two = ([statistics.median(run) for run in zip(*runs, strict=True)] for runs in (ours, theirs))
    assert one[3] == two[3], "both decode the same images"
    print(f"{chosen.pairs:,} pairs, the test split of {int(one[3]):,} images, median of {REPEATS}")
    print(f"  first load_dataset      ours {one[0]:7.2f} s    imagefolder {two[0]:7.2f} s    {two[0] / one[0]:.1f}x")
    print(f"  load_dataset again      ours {one[1]:7.2f} s    imagefolder {two[1]:7.2f} s    {two[1] / one[1]:.1f}x")
    print(f"  images decoded a second ours {one[2]:7.0f}      imagefolder {two[2]:7.0f}      {one[2] / two[2]:.1f}x")


if __name__ == "__main__":
    main()
