"""What a build costs beside its images: stages, parts, checks and selection, and its memory.

Method: `safetypairs build icons --pairs 1510` in a process of its own, against a bare loop over the same scenes that
composes the unsafe image, edits it, encodes both and hashes both (SHA-256, PDQ), on as many processes, with nothing
written. Both start a fresh interpreter and are timed from outside; they alternate, and the medians are compared.
Memory: VmHWM of the largest process of a build of 300 pairs and of one of 3,000 (--memory).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

WORKERS = 2
CHUNK = 32


def bare(start: int) -> int:
    """Compose, edit, encode and hash the scenes from `start`, and nothing else."""
    from safetypairs_hf.core.pictures import encode, perceptual_hash, sha256
    from safetypairs_hf.icons import IconEditor, IconInstructor, IconScenes

    candidates = IconScenes().take(start, start + CHUNK)
    instructions = IconInstructor().write(candidates)
    edited = IconEditor().edit([c.unsafe for c in candidates], instructions, [0] * len(candidates))  # type: ignore[arg-type]
    for candidate, pixels in zip(candidates, edited, strict=True):
        for picture in (candidate.unsafe, encode(pixels)):  # type: ignore[arg-type]
            sha256(picture.data)
            perceptual_hash(picture)
    return len(candidates)


def bare_loop(scenes: int) -> None:
    with ProcessPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(bare, range(0, scenes, CHUNK))) == scenes


def build(out: str, pairs: int) -> list[str]:
    words = ["build", "icons", "--out", out, "--pairs", str(pairs), "--workers", str(WORKERS)]
    return [sys.executable, "-m", "safetypairs_hf", *words]


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def scenes_of(run: str) -> int:
    import json

    funnel = json.loads((Path(run) / "funnel.json").read_text())
    return int(funnel["stages"][0]["in"])


def peak(command: list[str]) -> tuple[float, float]:
    """VmHWM of the command's main process and of its largest worker, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    highest = {True: 0, False: 0}

    def watch() -> None:
        while process.poll() is None:
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
                    if process.pid in (int(fields["Pid"]), int(fields["PPid"])):
                        main = process.pid == int(fields["Pid"])
                        highest[main] = max(highest[main], int(fields["VmHWM"].split()[0]))
                except (OSError, KeyError, ValueError):
                    continue
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join()
    assert process.returncode == 0
    return highest[True] / 1024, highest[False] / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="also the peak memory at 300 and 3,000 pairs")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare:
        bare_loop(chosen.bare)
        return
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(chosen.repeats):
            run = f"{folder}/run{repeat}"
            ours.append(timed(build(run, chosen.pairs)))
            theirs.append(timed([sys.executable, __file__, "--bare", str(scenes_of(run))]))
        one, two = statistics.median(ours), statistics.median(theirs)
        print(f"{chosen.pairs:,} pairs of {scenes_of(run):,} scenes, {WORKERS} processes, median of {chosen.repeats}")
        print(f"  safetypairs build    {one:7.1f} s   {chosen.pairs / one:.1f} pairs a second")
        print(f"  the bare loop        {two:7.1f} s")
        print(f"  overhead             {100 * (one / two - 1):7.1f} %   (bound 20)")
        if chosen.memory:
            small, large = (peak(build(f"{folder}/memory{pairs}", pairs)) for pairs in (300, 3000))
            for name, one, two in zip(("main process", "largest worker"), small, large, strict=True):
                print(f"  peak of the {name:<15} {one:.0f} MB at 300 pairs, {two:.0f} MB at 3,000: {two / one:.2f}x")


if __name__ == "__main__":
    main()
