"""A process whose kernel gives it just too little address space for a batch of four.

    python short_of_memory.py KIND FOLDER

Prints as JSON the size of the batch that each image was edited in, and how far the images are from those edited with no
limit, in levels of 255.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from pathlib import Path

from test_editors import KINDS, apart, edit, pictures

from safetypairs_hf.core.errors import SafetyPairsError

MB = 2**20


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(kind: str, folder: str) -> None:
    import torch

    torch.set_num_threads(1)
    torch.backends.mkldnn.set_flags(False)  # it says of any failure that it "could not create a primitive"
    # Not beside: where the C library finds no memory for what a new thread has of its own, it ends the process.
    editor = replace(KINDS[kind][1](folder), decode_beside=False)
    images, seeds = pictures(*[(256, 256)] * 4), [1, 2, 3, 4]
    whole = edit(editor, images, seeds)
    made, fits, does_not = whole, 2048 * MB, 0
    while fits - does_not > 4 * MB:
        room = (fits + does_not) // 2
        try:
            resource.setrlimit(resource.RLIMIT_AS, (address_space() + room, resource.RLIM_INFINITY))
            answers = edit(editor, images, seeds)
        except (SafetyPairsError, MemoryError):  # far too little, even for one image or for PIL
            answers = []
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if answers and answers[0].batch == len(images):
            fits = room
        else:
            does_not, made = room, answers
    far = max(apart(one.pixels, other.pixels) for one, other in zip(whole, made, strict=True))
    sys.stdout.write(json.dumps({"batches": [each.batch for each in made], "apart": far}))


if __name__ == "__main__":
    main(*sys.argv[1:])
