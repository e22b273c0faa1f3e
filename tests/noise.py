"""Finished runs of random-noise pairs, of any size, written straight into a run folder: nothing is edited or judged.

No image has anything in common with another, so bytes that are stored or served can be counted pair by pair.
"""

from __future__ import annotations

import io
from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from safetypairs_hf.building import run_reader, stage_files
from safetypairs_hf.building.recipe import load_recipe
from safetypairs_hf.building.selection import Draw, Entrant, Selected
from safetypairs_hf.core import records
from safetypairs_hf.core.ids import content_id
from safetypairs_hf.core.near_duplicates import split_of
from safetypairs_hf.core.pictures import sha256
from safetypairs_hf.core.run_folder import FUNNEL, RECIPE, RunFolder
from safetypairs_hf.taxonomy.nine import SLUGS

RECIPE_FILE = str(Path(__file__).parent / "recipes" / "squares.py")
UNIT = 32


def noise_run(out: Path, pairs: int, side: int, drop: Container[int] = ()) -> RunFolder:
    """A finished run of `pairs` pairs, of side x side pixels, less those numbered in `drop`; evenly over categories.

    A larger run holds every pair of a smaller one. A PNG of noise takes 3 * side^2 bytes.
    """
    run = RunFolder(str(out))
    loaded = load_recipe(RECIPE_FILE, {"pairs": str(pairs), "unit_size": str(UNIT)})
    run.write_json(RECIPE, loaded.resolved())
    decided = []
    for unit, start in enumerate(range(0, pairs, UNIT)):
        candidates = [_candidate(number, side) for number in range(start, min(start + UNIT, pairs))]
        for stage in stage_files.STAGES:
            run.write(run.part(stage, unit), stage_files.dump(stage, candidates))
        numbered = enumerate(candidates, start)
        decided += [selected for number, c in numbered if number not in drop for selected in _selected(c)]
    draw = Draw(decided, len(decided), even=True)
    run_reader.write_draw(run, draw)
    run.write_json(FUNNEL, run_reader.count(run, -(-pairs // UNIT), draw))
    return run


def _selected(candidate: records.Candidate) -> Iterator[Selected]:
    assert candidate.identity
    group = candidate.identity.pair_id
    yield Selected(Entrant(candidate.source_id, candidate.category, candidate.identity), group, split_of(group, 0.8))


def _candidate(number: int, side: int) -> records.Candidate:
    rng = np.random.default_rng([7, number])
    unsafe, safe = (_picture(rng, side) for _ in range(2))
    hashes = sha256(unsafe.data), sha256(safe.data)
    box = records.Box(0, 0, side // 2, side // 2)
    return records.Candidate(
        source_id=content_id(unsafe.data),
        category=SLUGS[number % len(SLUGS)],
        origin=records.Origin("noise", str(number), "CC0-1.0"),
        unsafe=unsafe,
        instruction=records.Instruction(
            "a noisy sign on the wall", f"Replace the sign by picture number {number}.", box
        ),
        safe=safe,
        generator=records.Generator("noise-instructor@1", "noise-editor", "1", number, 0),
        edit_box=box,
        judgements=[records.Judgement("noise-judge", 0.9, 0.1), records.Judgement("another-judge", 0.8, 0.2)],
        preservation=records.Preservation(0.99, 0.25),
        identity=records.Identity(content_id(*hashes), *hashes, rng.bytes(32), rng.bytes(32), ""),
    )


def _picture(rng: np.random.Generator, side: int) -> records.Picture:
    buffer = io.BytesIO()
    pixels = np.frombuffer(rng.bytes(3 * side * side), np.uint8).reshape(side, side, 3)
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)  # noise does not compress: this is only quicker
    return records.Picture(buffer.getvalue())
