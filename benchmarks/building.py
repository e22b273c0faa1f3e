"""What a build costs beside its images: stages, parts, checks and selection, and its memory.

    python benchmarks/building.py [--pairs 1510] [--repeats 2] [--memory]

Method: `safetypairs build icons` in a process of its own, against a bare loop over the same scenes that composes the
unsafe image, edits it, encodes both and hashes both (SHA-256, PDQ), on as many processes, with nothing written. Both
start a fresh interpreter and are measured from outside, with their workers; they alternate, and the least of each is
compared. Memory: VmHWM of the largest process of a build of 300 pairs and of one of 3,000 (--memory).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from _timing import least, parsed, parser_of, peak, safetypairs, timed_command

WORKERS = 2
CHUNK = 32


def bare(start: int) -> int:
    """Compose, edit, encode and hash the scenes from `start`, and nothing else."""
    from safetypairs_hf.icons import IconEditor, IconInstructor, IconScenes
    from safetypairs_hf.recipes import Edited, Instruction, encode

    candidates = IconScenes().take(start, start + CHUNK)
    wanted = [
        (candidate, answer.outcome)
        for candidate, answer in zip(candidates, IconInstructor().write(candidates), strict=True)
        if isinstance(answer.outcome, Instruction)
    ]
    images, instructions = [candidate.unsafe for candidate, _ in wanted], [instruction for _, instruction in wanted]
    for unsafe, edited in zip(images, IconEditor().edit(images, instructions, [0] * len(images)), strict=True):
        hash_image(unsafe)
        if isinstance(edited, Edited):
            hash_image(encode(edited.pixels))
    return len(candidates)


def hash_image(picture: Any) -> None:
    from safetypairs_hf.core.pictures import perceptual_hash, sha256

    sha256(picture.data)
    perceptual_hash(picture)


def bare_loop(scenes: int) -> None:
    with ProcessPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(bare, range(0, scenes, CHUNK))) >= scenes


def build(out: str, pairs: int) -> list[str]:
    return safetypairs("build", "icons", "--out", out, "--pairs", str(pairs), "--workers", str(WORKERS))


def scenes_of(run: str) -> int:
    funnel = json.loads((Path(run) / "funnel.json").read_text())
    return int(funnel["stages"][0]["in"])


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=1510)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="also the peak memory at 300 and 3,000 pairs")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    chosen = parsed(parser, pairs=9, repeats=1)
    if chosen.bare:
        bare_loop(chosen.bare)
        return
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(chosen.repeats):
            run = f"{folder}/run{repeat}"
            ours.append(timed_command(build(run, chosen.pairs)))
            theirs.append(timed_command([sys.executable, __file__, "--bare", str(scenes_of(run))]))
        one, two = least(ours), least(theirs)
        print(f"{chosen.pairs:,} pairs of {scenes_of(run):,} scenes, {WORKERS} processes, least of {chosen.repeats}")
        print(f"  safetypairs build {one}   {chosen.pairs / one.wall:.1f} pairs a second")
        print(f"  the bare loop     {two}")
        cpu, wall = (100 * (mine / bare - 1) for mine, bare in zip(one, two, strict=True))
        print(f"  overhead {cpu:.1f} % of its CPU time, {wall:.1f} % of its wall time   (bound 20, on an idle machine)")
        if chosen.memory:
            small, large = (peak(build(f"{folder}/memory{pairs}", pairs)) for pairs in (300, 3000))
            for name, at_300, at_3000 in zip(("main process", "largest worker"), small, large, strict=True):
                ratio = at_3000 / at_300
                print(f"  peak of the {name:<15} {at_300:.0f} MB at 300 pairs, {at_3000:.0f} MB at 3,000: {ratio:.2f}x")


if __name__ == "__main__":
    main()
